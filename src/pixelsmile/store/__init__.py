"""What lies on disk: files that appear whole, JSON lines, locks, manifests, run folders, configurations."""
