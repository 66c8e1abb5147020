"""Stands in for ArmanZarei/SliderEdit: slideredit/pipelines."""

from .flux_kontext import SliderEditFluxKontextPipeline

__all__ = ["SliderEditFluxKontextPipeline"]
