"""Stands in for CompVis/attribute-control: attribute_control/model."""

from .model import SDXL

__all__ = ["SDXL"]
