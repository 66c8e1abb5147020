"""Stands in for snap-research/kontinuouskontext: model/sliders_model.py."""

import torch


class SliderProjector(torch.nn.Module):
    def __init__(self, out_dim, pe_dim, n_layers=4, is_clip_input=True):
        super().__init__()
        assert (out_dim, pe_dim, n_layers, is_clip_input) == (6144, 2, 4, True)
