"""Nodes of pixelsmile for ComfyUI, in its V3 schema.

ComfyUI finds `comfy_entrypoint` and asks it for the nodes; they and ComfyUI are imported then, so that the
pure parts (`pixels`, `conditionings`, `work`) can be used, and tested, without it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_api.latest import ComfyExtension


async def comfy_entrypoint() -> "ComfyExtension":
    """What ComfyUI calls when it loads this folder."""
    from .extension import PixelSmileExtension

    return PixelSmileExtension()


__all__ = ["comfy_entrypoint"]
