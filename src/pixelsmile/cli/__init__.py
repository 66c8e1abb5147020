"""The command line."""

from pixelsmile.cli.main import main

__all__ = ["main"]
