"""Engines: what `pixelsmile.editing.engine.Engine` describes, for each family of models."""
