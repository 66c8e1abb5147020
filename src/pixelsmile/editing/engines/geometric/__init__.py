"""Expressions by moving the mesh of a photographed face: a preview and a baseline, on any CPU."""

from pixelsmile.editing.engines.geometric.engine import GeometricEngine

__all__ = ["GeometricEngine"]
