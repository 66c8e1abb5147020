"""The detector for photographs: the astronaut at any angle and size, nobody in other pictures."""

import numpy as np
import pytest
from PIL import Image

from pixelsmile.errors import FaceError
from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import MeshMasker, part_mask
from pixelsmile.faces.mesh import FaceMesh, load_mesh_networks
from pixelsmile.faces.mesh.mesh import canonical_mesh

data = pytest.importorskip("skimage.data")
# Seen by eye in the picture: middles of the eyes, tip of the nose, corners of the mouth.
EYES_NOSE_MOUTH = np.array([[203, 100], [246, 102.5], [224, 127], [203, 139], [246, 140]])


@pytest.fixture(scope="module")
def detector() -> MeshDetector:
    return MeshDetector.load()


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="module")
def mesh(detector, astronaut) -> FaceMesh:
    ((found, score),) = detector.meshes(astronaut)
    assert score > 0.9
    return found


def test_five_points_lie_where_they_are_seen(mesh):
    eye_distance = np.linalg.norm(EYES_NOSE_MOUTH[1] - EYES_NOSE_MOUTH[0])
    assert np.linalg.norm(mesh.landmarks_5 - EYES_NOSE_MOUTH, axis=1).max() < 0.12 * eye_distance


@pytest.mark.parametrize("degrees", [45, 90, 135, 180, 225, 270, 315])
def test_a_turned_face_is_found_turned(detector, astronaut, mesh, degrees):
    turned = astronaut.rotate(-degrees, resample=Image.Resampling.BICUBIC, expand=True)
    ((found, _),) = detector.meshes(turned)
    difference = np.degrees(found.angle - mesh.angle) - degrees
    assert abs((difference + 180) % 360 - 180) < 4


def test_a_small_face_in_a_large_picture(detector, astronaut):
    large = Image.new("RGB", (2400, 1600), (120, 130, 110))
    large.paste(astronaut.resize((160, 160), Image.Resampling.LANCZOS), (1703, 907))  # a face of 33 px
    (face,) = detector.detect(large)
    assert abs((face.box[0] + face.box[2]) / 2 - 1703 - 70) < 6
    assert 20 < face.width < 40


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket", "brick"])
def test_nobody_is_found_in_other_pictures(detector, name):
    assert detector.detect(Image.fromarray(getattr(data, name)())) == []


def test_the_pose_brings_the_canonical_mesh_onto_the_face(mesh):
    pose, canonical = mesh.pose(), canonical_mesh()
    assert np.allclose(pose.rotation @ pose.rotation.T, np.eye(3))
    assert np.linalg.det(pose.rotation) == pytest.approx(1)
    seen = pose.project(canonical.vertices_cm)
    rigid = canonical.rigid > 0
    error = np.linalg.norm((seen - mesh.points[:468])[rigid, :2], axis=1)
    assert error.mean() < 0.03 * (mesh.box[2] - mesh.box[0])
    assert np.allclose(pose.project(pose.lift(mesh.points[:468])), mesh.points[:468])
    assert abs(pose.yaw) < 15
    assert abs(pose.roll) < 10


def test_a_known_pose_is_found_again():
    canonical = canonical_mesh()
    angle = np.radians(20)
    turned = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    points = np.zeros((478, 3))
    points[:468] = (canonical.vertices_cm @ turned.T * 12) * [1, -1, -1] + [100, 80, 0]
    pose = FaceMesh(points, 1.0).pose()
    assert (pose.yaw, pose.pitch, pose.roll) == pytest.approx((20, 0, 0), abs=1e-6)
    assert pose.scale_px == pytest.approx(12)
    assert pose.centre == pytest.approx([100, 80, 0], abs=1e-6)


def test_blendshapes_see_the_smile(mesh):
    found = load_mesh_networks().blendshapes(mesh)
    assert found["mouthSmileLeft"] > 0.5
    assert found["mouthSmileRight"] > 0.5
    assert found["mouthFrownLeft"] < 0.2


def test_masks_cover_the_parts(astronaut, mesh):
    size = astronaut.size
    oval, lips, mouth, eye = (part_mask(mesh, part, size) for part in ("oval", "lips", "mouth", "left_eye"))
    assert oval.shape == (512, 512)
    assert oval.max() == 1
    for x, y in mesh.landmarks_5[:, :2].astype(int):
        assert oval[y, x] == 1
    assert (oval[lips > 0] > 0).all()
    assert lips.sum() > mouth.sum() > 0
    assert eye[round(mesh.points[468, 1]), round(mesh.points[468, 0])] == 1
    masked = MeshMasker().mask(astronaut, mesh.face(1.0, "mesh"))
    assert (masked > 0.5).sum() == pytest.approx((oval > 0.5).sum(), rel=0.05)
    with pytest.raises(FaceError, match="the mesh finds no face"):
        MeshMasker().mask(astronaut, Face((400.0, 10.0, 480.0, 90.0), None, 1.0, "manual"))
