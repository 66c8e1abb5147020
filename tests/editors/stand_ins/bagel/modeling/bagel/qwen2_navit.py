"""Stands in for ByteDance-Seed/Bagel: modeling/bagel/qwen2_navit.py."""

from transformers import PretrainedConfig


class Qwen2Config(PretrainedConfig):
    pass


class Qwen2ForCausalLM:
    def __init__(self, config):
        assert isinstance(config, Qwen2Config)
