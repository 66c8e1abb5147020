"""FFE-Bench's data: the published one from a folder, your own from JSON lines, and one of drawn portraits."""
