"""Stands in for CompVis/attribute-control: attribute_control/base.py."""

from dataclasses import dataclass

import torch


@dataclass
class PromptEmbedding:
    prompt: str
    tokenwise_embeddings: dict
    tokenwise_embedding_spans: dict


class EmbeddingDelta(torch.nn.Module):
    def __init__(self, dims):
        super().__init__()
        assert dims == {"openclip_g": 1280}

    def apply(self, emb, characterwise_mask, alpha=1.0):
        assert self.is_loaded
        assert "".join(c for c, on in zip(emb.prompt, characterwise_mask, strict=True) if on) == "person"
        return PromptEmbedding(emb.prompt, {"scale": alpha}, {})
