"""Stands in for ronen94/SAEdit: src/models/matryoshka_sae.py."""

from src.models.sae_base import BaseAutoencoder


class GlobalBatchTopKMatryoshkaSAE(BaseAutoencoder):
    pass
