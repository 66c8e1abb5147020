"""Masks of a face and of its parts, drawn from the mesh's outlines."""

import numpy as np
from PIL import Image, ImageDraw

from pixelsmile.errors import FaceError
from pixelsmile.faces.face import Face
from pixelsmile.faces.mesh.mesh import FaceMesh
from pixelsmile.faces.mesh.networks import load_mesh_networks

_SUPERSAMPLING = 4  # for edges that are soft over one pixel


class MeshMasker:
    """A `Masker` of photographs: the face from the upper forehead to the chin."""

    name = "mesh"

    def mask(self, image: Image.Image, face: Face) -> np.ndarray:
        """See `Masker`. FaceError where the landmark network sees no face at that place."""
        mesh = load_mesh_networks().fit(image, face)
        if mesh is None:
            raise FaceError("the mesh finds no face where one was chosen: leave out --parser mesh")
        return part_mask(mesh, "oval", image.size)


def part_mask(mesh: FaceMesh, part: str, size: tuple[int, int]) -> np.ndarray:
    """A part of the mesh (see `FaceMesh.outline`) in a picture of `size`: float32 (H, W), 0..1."""
    outline = mesh.outline(part)
    low = np.floor(np.clip(outline.min(0), 0, size)).astype(int)
    high = np.ceil(np.clip(outline.max(0), 0, size)).astype(int)
    width, height = (int(side) for side in np.maximum(high - low, 0))
    mask_HW = np.zeros((size[1], size[0]), np.float32)
    if width and height:
        large = Image.new("L", (width * _SUPERSAMPLING, height * _SUPERSAMPLING))
        points = [tuple(point) for point in ((outline - low) * _SUPERSAMPLING).tolist()]
        ImageDraw.Draw(large).polygon(points, fill=255)
        small = np.asarray(large.reduce(_SUPERSAMPLING), np.float32) / 255
        mask_HW[low[1] : low[1] + height, low[0] : low[0] + width] = small
    return mask_HW
