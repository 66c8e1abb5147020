"""An encoder file and crops for it."""

import numpy as np
import pytest
from onnx_examples import embedding_output, network_nodes, network_weights, picture_input, save


@pytest.fixture
def encoder_onnx(tmp_path):
    """A file like glintr100.onnx: (batch, 3, 112, 112) named input.1 -> (batch, 512)."""

    def make(
        name: str = "encoder.onnx", batch: int | str = "batch", input_name: str = "input.1", seed: int = 0
    ):
        return save(
            tmp_path / name,
            network_nodes(input_name, "683"),
            [picture_input(input_name, batch)],
            [embedding_output(batch=batch)],
            network_weights(seed),
        )

    return make


@pytest.fixture
def crops():
    """Smooth random RGB crops (B, 3, size, size), float32 in 0..1."""

    def make(num: int, size_px: int = 112, seed: int = 1) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return rng.random((num, 3, size_px, size_px), dtype=np.float32)

    return make
