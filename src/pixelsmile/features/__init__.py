"""Frozen image encoders for the contrastive term: what a picture shows, as numbers with a gradient."""
