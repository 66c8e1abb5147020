"""Faces in pictures: found, chosen, aligned, masked, identified, and pasted back."""
