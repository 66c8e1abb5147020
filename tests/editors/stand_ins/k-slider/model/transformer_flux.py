"""Stands in for snap-research/kontinuouskontext: model/transformer_flux.py."""

from diffusers import ModelMixin


class FluxTransformer2DModelwithSliderConditioning(ModelMixin):
    pass
