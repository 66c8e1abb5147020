"""Stands in for ByteDance-Seed/Bagel: modeling/autoencoder.py."""


def load_ae(local_path):
    assert local_path.endswith("ae.safetensors")
    return "autoencoder", "its parameters"
