"""Stands in for rohitgandikota/sliders: trainscripts/textsliders/lora.py."""

import torch
from calls import record

UNET_TARGET_REPLACE_MODULE_TRANSFORMER = ["Attention"]
UNET_TARGET_REPLACE_MODULE_CONV = ["ResnetBlock2D"]
DEFAULT_TARGET_REPLACE = UNET_TARGET_REPLACE_MODULE_TRANSFORMER


class LoRANetwork(torch.nn.Module):
    def __init__(self, unet, rank=4, multiplier=1.0, alpha=1.0, train_method="full"):
        super().__init__()
        self.lora_scale, self.used, self.unet = 1, [], [unet]
        self.shift = torch.nn.Parameter(torch.zeros(1))
        unet.shifts.append((self.shift, self))
        self.multiplier = multiplier
        record("LoRANetwork", rank=rank, alpha=alpha, method=train_method, on=list(DEFAULT_TARGET_REPLACE))

    def set_lora_slider(self, scale):
        self.lora_scale = scale

    def __enter__(self):
        self.multiplier = 1.0 * self.lora_scale

    def __exit__(self, exc_type, exc_value, tb):
        self.multiplier = 0
