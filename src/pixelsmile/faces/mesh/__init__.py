"""The mesh of a face in a photograph: 478 points, the head's pose, what its muscles do."""

from pixelsmile.faces.mesh.mesh import FaceMesh, Pose
from pixelsmile.faces.mesh.networks import MeshNetworks, load_mesh_networks

__all__ = ["FaceMesh", "MeshNetworks", "Pose", "load_mesh_networks"]
