"""The content hash of an image encoder: whatever it was loaded from, equal numbers give equal features."""

import hashlib

import torch
from pydantic import JsonValue
from torch import nn

from pixelsmile.hashing import sha256_json


def sha256_encoder(network: nn.Module, settings: JsonValue) -> str:
    """The SHA-256 over the weights of `network`, with their names and types, and over `settings`."""
    digest = hashlib.sha256(sha256_json(settings).encode())
    for name, tensor in sorted(network.state_dict().items()):
        data = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {data.dtype} {tuple(data.shape)}".encode())
        digest.update(data.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
