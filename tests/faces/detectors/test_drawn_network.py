"""The network of the embedded detector: what its numbers mean, and what it does not mix up."""

import json
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from pixelsmile.errors import ModelError
from pixelsmile.networks.face_detector import (
    COARSEST_PX,
    MARK_PX,
    ChannelNorm,
    DrawnFaceConfig,
    DrawnFaceNetwork,
    in_pixels,
    marks_in_pixels,
)

TINY = DrawnFaceConfig(widths=(4, 4, 8, 8, 8), num_blocks=1, close_width=4)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return DrawnFaceNetwork(TINY).eval()


def test_shapes(network):
    found, details = network.look_closely(torch.zeros(2, 3, 64, 96))
    assert found.centre.shape == (2, 8, 12)
    assert found.boxes.shape == (2, 4, 8, 12)
    assert found.points.shape == (2, 5, 2, 8, 12)
    assert details.marks.shape == (2, 5, 16, 24)
    assert details.mask.shape == (2, 32, 48)


def test_both_ways_find_the_same(network):
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for one, other in zip(network(pictures), network.look_closely(pictures)[0], strict=True):
        assert torch.equal(one, other)


def test_the_finding_says_little_before_it_is_trained(network):
    scores = torch.sigmoid(network(torch.rand(1, 3, 64, 64)).centre)
    assert scores.max() < 0.1


def test_size_of_the_real_one():
    assert sum(weight.numel() for weight in DrawnFaceNetwork(DrawnFaceConfig()).parameters()) < 1_500_000


def test_cells_in_pixels_by_hand():
    raw = torch.zeros(1, 15, 3, 4, dtype=torch.float64)
    raw[0, :, 1, 2] = torch.tensor([2.0, 0.5, -1.0, np.log(2), np.log(0.5), 0.25, -0.5] + [0.0] * 8)
    maps = in_pixels(raw)
    assert maps.centre[0, 1, 2] == 2
    # The cell's middle is (20, 12); the box's (24, 4); its sides 64 and 16.
    assert maps.boxes[0, :, 1, 2].tolist() == pytest.approx([-8, -4, 56, 12])
    assert maps.points[0, 0, :, 1, 2].tolist() == pytest.approx([40, -4])
    assert maps.points[0, 1, :, 1, 2].tolist() == pytest.approx([24, 4])
    assert maps.boxes[0, :, 0, 0].tolist() == pytest.approx([-12, -12, 20, 20])


@settings(max_examples=20, deadline=None)
@given(st.floats(16, 112), st.floats(16, 112))
def test_a_bell_of_marks_comes_back_where_it_was(x, y):
    cells = (torch.arange(32, dtype=torch.float64) + 0.5) * MARK_PX
    squares = (cells - x) ** 2 + (cells[:, None] - y) ** 2
    found = marks_in_pixels((-squares / (2 * MARK_PX**2)).expand(1, 5, 32, 32))
    assert found.shape == (1, 5, 2)
    assert (found - torch.tensor([x, y])).abs().max() < 0.02


def test_norm_looks_at_one_place_only():
    maps = torch.rand(1, 6, 4, 4)
    other = maps.clone()
    other[..., 0, 0] += 5
    norm = ChannelNorm(6)
    assert torch.equal(norm(maps)[..., 1:, :], norm(other)[..., 1:, :])
    torch.testing.assert_close(norm(maps).mean(1), torch.zeros(1, 4, 4), atol=1e-6, rtol=0)


def test_what_lies_far_below_changes_nothing(network):
    """A picture may be padded, or be a part of a larger one: no statistics of the whole."""
    torch.manual_seed(1)
    upper = torch.rand(1, 3, 32, 32) * 2 - 1
    reach = 14 * COARSEST_PX
    padded = torch.cat([upper, torch.zeros(1, 3, reach, 32)], dim=2)
    other = torch.cat([padded, torch.rand(1, 3, COARSEST_PX, 32)], dim=2)
    assert torch.equal(network(padded).centre[:, :4], network(other).centre[:, :4])


def test_saved_and_loaded(network, tmp_path):
    network.save(tmp_path / "detector")
    again = DrawnFaceNetwork.load(tmp_path / "detector")
    assert again.config == TINY
    assert not again.training
    for name, value in again.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, network.state_dict()[name], atol=1e-3, rtol=1e-3)


def test_folders_that_are_no_detector(network, tmp_path):
    with pytest.raises(ModelError, match="there is no detector in"):
        DrawnFaceNetwork.load(tmp_path)
    network.save(tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    with pytest.raises(ModelError, match="is damaged"):
        DrawnFaceNetwork.load(tmp_path)
    weights.write_bytes(whole)
    config = json.loads((tmp_path / "config.json").read_text())
    for wrong in ({**config, "widths": [4, 4, 8, 8, 16]}, {**config, "colour": 1}):
        (tmp_path / "config.json").write_text(json.dumps(wrong))
        with pytest.raises(ModelError, match="is damaged"):
            DrawnFaceNetwork.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="is damaged"):
        DrawnFaceNetwork.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_blocks": 10**12}, "num_blocks is 1000000000000"),
        ({"widths": [4096] * 5}, r"is \(\d+,"),  # 4 GB of weights, were they made first
        ({"widths": [0, 1, 1, 1, 1]}, "widths.0 is 0"),
        ({"widths": ["x"] * 5}, "widths.0 is 'x'"),
    ],
)
def test_shapes_that_cannot_be_are_refused_before_they_are_made(network, tmp_path, change, words):
    network.save(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ModelError, match=f"is damaged .*{words}.* train it again"):
        DrawnFaceNetwork.load(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_and_tensors_too_many_are_refused(network, tmp_path, value):
    network.save(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    save_file({**tensors, "more": torch.zeros(1)}, file)
    with pytest.raises(ModelError, match="more is unknown"):
        DrawnFaceNetwork.load(tmp_path)
    name = sorted(tensors)[0]
    tensors[name].view(-1)[0] = value
    save_file(tensors, file)
    with pytest.raises(ModelError, match=f"{name} holds NaN or infinities"):
        DrawnFaceNetwork.load(tmp_path)


def test_a_pipe_in_place_of_the_weights_does_not_wait(network, tmp_path):
    network.save(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="is not a regular file"):
        DrawnFaceNetwork.load(tmp_path)
