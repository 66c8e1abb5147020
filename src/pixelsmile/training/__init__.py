"""The adapter of PixelSmile: triplets, losses, cache, the loop that trains it, and what it leaves on disk."""
