"""Triplets: what training reads. Their lines, and how they come from annotated, drawn or published sets."""
