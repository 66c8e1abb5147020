"""Stands in for ByteDance-Seed/Bagel: modeling/bagel/siglip_navit.py."""

from transformers import PretrainedConfig


class SiglipVisionConfig(PretrainedConfig):
    num_hidden_layers = 27


class SiglipVisionEmbeddings:
    is_linear = False

    def convert_conv2d_to_linear(self, config, meta=False):
        assert meta
        self.is_linear = True


class SiglipVisionTransformer:
    def __init__(self, config):
        self.embeddings = SiglipVisionEmbeddings()


class SiglipVisionModel:
    def __init__(self, config):
        self.vision_model = SiglipVisionTransformer(config)
