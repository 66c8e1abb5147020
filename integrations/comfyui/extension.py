"""The nodes that this extension brings."""

from comfy_api.latest import ComfyExtension, io
from typing_extensions import override

from . import edit_nodes, face_nodes, qwen_nodes


class PixelSmileExtension(ComfyExtension):
    """All nodes, in the order of the menu."""

    @override
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [*edit_nodes.NODES, *face_nodes.NODES, *qwen_nodes.NODES]
