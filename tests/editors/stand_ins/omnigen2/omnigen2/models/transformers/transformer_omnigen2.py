"""Stands in for VectorSpaceLab/OmniGen2: omnigen2/models/transformers/transformer_omnigen2.py."""

from diffusers import ModelMixin


class OmniGen2Transformer2DModel(ModelMixin):
    pass
