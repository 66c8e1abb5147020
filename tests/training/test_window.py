"""Training on a window: where its tokens lie, what is seen of a picture, and that all of it is the whole."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_training import (
    SIZE,
    TinyImageEncoder,
    filled,
    load_tiny_model,
    make_networks,
    make_triplets,
    save_tiny_model,
    tiny_identity_encoder,
)

from pixelsmile.training.adapter import add_adapter
from pixelsmile.training.config import AdapterSettings, IdentitySettings, ObjectiveSettings
from pixelsmile.training.objective import Objective
from pixelsmile.training.step import LatentDecoder, TrainingStep
from pixelsmile.training.window import TokenWindow

GRID = (SIZE // 8, SIZE // 8)  # latents; 4 x 4 tokens
WHOLE = (0.0, 0.0, 1.0, 1.0)
RIGHT_MIDDLE = (0.5, 0.25, 1.0, 0.75)  # 2 x 2 tokens
TOKEN_PX = 16


def test_shares_are_widened_to_whole_tokens():
    window = TokenWindow.of((0.3, 0.25, 0.6, 0.8), (16, 16))
    assert (window.left, window.top, window.right, window.bottom) == (2, 2, 5, 7)
    assert window.shape == (5, 3)
    assert window.latent_grid == (10, 6)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4, unique=True), st.integers(1, 12))
def test_a_window_lies_inside_and_around_its_shares(shares, side):
    left, right = sorted(shares[:2])
    top, bottom = sorted(shares[2:])
    window = TokenWindow.of((left, top, right, bottom), (2 * side, 2 * side))
    assert 0 <= window.top < window.bottom <= side
    assert 0 <= window.left < window.right <= side
    assert window.left <= left * side
    assert window.right >= right * side
    assert len(window.indices()) == window.shape[0] * window.shape[1]


def test_its_tokens_are_those_of_the_whole():
    window = TokenWindow.of(RIGHT_MIDDLE, GRID)
    assert window.indices().tolist() == [6, 7, 10, 11]
    tokens = torch.arange(16.0).view(1, 16, 1)
    assert window.cut(tokens).flatten().tolist() == [6, 7, 10, 11]


def test_a_picture_is_grey_outside_and_itself_inside():
    window = TokenWindow.of(RIGHT_MIDDLE, GRID)
    pictures = torch.rand(2, 3, SIZE, SIZE) + 0.1
    seen = window.masked(pictures)
    inside = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    inside[TOKEN_PX : 3 * TOKEN_PX, 2 * TOKEN_PX :] = True
    assert seen.shape == pictures.shape
    assert torch.equal(seen[..., inside], pictures[..., inside])
    assert (seen[..., ~inside] == 0).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("window")


@pytest.fixture(scope="module")
def model(folder):
    found = load_tiny_model(save_tiny_model(folder / "tiny"))
    add_adapter(found.transformer, AdapterSettings(rank=2, lora_alpha=4.0), 0)
    return found


def step_of(folder, model, shares):
    """A step through a window (None: without)."""
    window = None if shares is None else TokenWindow.of(shares, GRID)
    triplets = make_triplets(folder, 2)
    cache = filled(folder / "cache", triplets, make_networks(model), window)
    grid = GRID if window is None else window.latent_grid
    objective = Objective(
        ObjectiveSettings(identity=IdentitySettings(max_sigma=1.0)),
        LatentDecoder(model.vae, grid, window=window),
        TinyImageEncoder(),
        tiny_identity_encoder(),
    )
    return TrainingStep(
        model.transformer, objective, lambda chosen: cache.batch([triplets[index] for index in chosen])
    )


def test_a_window_of_everything_changes_nothing(folder, model):
    plain = step_of(folder, model, None)
    expected = plain([(0, 11), (1, 12)])
    step = step_of(folder, model, WHOLE)
    stock = model.transformer.pos_embed
    model.transformer.pos_embed = TokenWindow.of(WHOLE, GRID).positions(stock)
    try:
        found = step([(0, 11), (1, 12)])
    finally:
        model.transformer.pos_embed = stock
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


def test_what_is_cached_of_a_target_sees_the_window_alone(folder, model):
    whole, part = (step_of(folder, model, shares).batch_of([0]) for shares in (None, RIGHT_MIDDLE))
    assert part.grid == (4, 4)
    assert torch.equal(part.targets, whole.targets[:, [6, 7, 10, 11]])
    assert torch.equal(part.prompts, whole.prompts)
    assert not torch.equal(part.features, whole.features)
    assert not torch.equal(part.identities, whole.identities)


def test_a_step_through_a_window_has_losses_and_a_gradient(folder, model):
    step = step_of(folder, model, RIGHT_MIDDLE)
    stock = model.transformer.pos_embed
    model.transformer.pos_embed = TokenWindow.of(RIGHT_MIDDLE, GRID).positions(stock)
    try:
        losses = step([(0, 11), (1, 12)])
        losses["total"].backward()
    finally:
        model.transformer.pos_embed = stock
    gradients = [weight.grad for weight in model.transformer.parameters() if weight.requires_grad]
    model.transformer.zero_grad()
    assert all(torch.isfinite(value) for value in losses.values())
    assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


def test_tokens_keep_their_positions(model):
    stock, window = model.transformer.pos_embed, TokenWindow.of(RIGHT_MIDDLE, GRID)
    whole, text = stock([[(1, 4, 4)] * 2], max_txt_seq_len=5, device=torch.device("cpu"))
    found, found_text = window.positions(stock)(
        [[(1, 2, 2)] * 2] * 3, max_txt_seq_len=5, device=torch.device("cpu")
    )
    rows = [6, 7, 10, 11]
    assert torch.equal(found, whole[[*rows, *(16 + row for row in rows)]])
    assert torch.equal(found_text, text)


def test_other_pictures_have_their_stock_positions(model):
    stock = model.transformer.pos_embed
    positions = TokenWindow.of(RIGHT_MIDDLE, GRID).positions(stock)
    for mine, theirs in zip(
        positions([[(1, 4, 4)] * 2], max_txt_seq_len=5, device=torch.device("cpu")),
        stock([[(1, 4, 4)] * 2], max_txt_seq_len=5, device=torch.device("cpu")),
        strict=True,
    ):
        assert torch.equal(mine, theirs)
