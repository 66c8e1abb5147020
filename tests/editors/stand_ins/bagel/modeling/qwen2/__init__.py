"""Stands in for ByteDance-Seed/Bagel: modeling/qwen2."""

from .tokenization_qwen2 import Qwen2Tokenizer

__all__ = ["Qwen2Tokenizer"]
