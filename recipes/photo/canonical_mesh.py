"""The canonical mesh of MediaPipe's face geometry: read from its protocol buffer, kept as tensors."""

import struct
from collections.abc import Iterator

import numpy as np

_FLOATS_A_VERTEX = 5  # x, y, z in centimetres, u, v
_NUM_VERTICES = 468


def read(data: bytes) -> dict[str, np.ndarray]:
    """vertices_cm (468, 3): x right, y up, z to the camera; triangles (898, 3); rigid (468,): see below.

    rigid: how much each vertex counts when the head's pose is found (0 for all but 33).
    """
    floats, indices, rigid = [], [], np.zeros(_NUM_VERTICES, np.float32)
    for field, value in _fields(data):
        match field, value:
            case 1, bytes(mesh):
                for inner in _fields(mesh):
                    match inner:
                        case 3, bytes(entry):
                            floats.append(struct.unpack("<f", entry)[0])
                        case 4, int(index):
                            indices.append(index)
            case 2, bytes(landmark):
                entries = dict(_fields(landmark))
                vertex, weight = entries.get(1, 0), entries[2]
                assert isinstance(vertex, int)
                assert isinstance(weight, bytes)
                rigid[vertex] = struct.unpack("<f", weight)[0]
    vertices = np.asarray(floats, np.float32).reshape(-1, _FLOATS_A_VERTEX)
    assert len(vertices) == _NUM_VERTICES
    triangles = np.asarray(indices, np.int32).reshape(-1, 3)
    return {"vertices_cm": np.ascontiguousarray(vertices[:, :3]), "triangles": triangles, "rigid": rigid}


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: their numbers, with whole numbers as such and everything else as bytes."""
    place = 0

    def whole() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(data):
        key = whole()
        match key & 7:
            case 0:
                yield key >> 3, whole()
            case kind:
                length = {1: 8, 5: 4}[kind] if kind != 2 else whole()
                yield key >> 3, data[place : place + length]
                place += length
