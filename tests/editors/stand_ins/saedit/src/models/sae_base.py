"""Stands in for ronen94/SAEdit: src/models/sae_base.py."""

from calls import record


class BaseAutoencoder:
    @classmethod
    def from_pretrained(cls, load_directory, device="cuda"):
        record("sae.from_pretrained", path=load_directory, on=device)
        return cls()
