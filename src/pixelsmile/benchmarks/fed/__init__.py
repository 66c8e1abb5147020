"""FED-Bench's data: the published triplets joined with SFEW, your own from JSON lines, and drawn ones."""
