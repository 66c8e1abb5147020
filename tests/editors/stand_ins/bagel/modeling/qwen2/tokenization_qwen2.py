"""Stands in for ByteDance-Seed/Bagel: modeling/qwen2/tokenization_qwen2.py."""

from transformers import PreTrainedTokenizer


class Qwen2Tokenizer(PreTrainedTokenizer):
    pass
