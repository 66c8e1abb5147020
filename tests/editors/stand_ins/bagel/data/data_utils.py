"""Stands in for ByteDance-Seed/Bagel: data/data_utils.py."""


def add_special_tokens(tokenizer):
    return tokenizer, {"bos_token_id": 1}, 0
