"""Stands in for CompVis/attribute-control: attribute_control."""

from .base import EmbeddingDelta, PromptEmbedding

__all__ = ["EmbeddingDelta", "PromptEmbedding"]
