"""Interpolated conditionings, and pictures as ComfyUI has them: the parts that need no ComfyUI."""

import numpy as np
import pytest
import torch
from PIL import Image

from integrations.comfyui.conditionings import interpolated
from integrations.comfyui.pixels import images_of, pictures_of
from pixelsmile.errors import ExpressionError, ImageError, InputError


def conditioning(tokens: list[list[float]], **settings: object) -> list[list[object]]:
    return [[torch.tensor([tokens]), dict(settings)]]


NEUTRAL = conditioning([[1.0, 0.0], [2.0, 2.0]], reference_latents=["photo"])
HAPPY = conditioning([[1.0, 0.0], [4.0, 0.0]], reference_latents=["photo"])
SAD = conditioning([[0.0, 1.0], [2.0, 6.0]])
LONG = conditioning([[1.0, 0.0], [4.0, 0.0], [5.0, 5.0]], reference_latents=["other"], strength=2.0)


@pytest.mark.parametrize(
    ("strength", "second"), [(0.0, [2.0, 2.0]), (0.5, [3.0, 1.0]), (1.0, [4.0, 0.0]), (1.5, [5.0, -1.0])]
)
def test_a_strength_lies_on_the_line_and_beyond(strength, second):
    ((embedding, settings),) = interpolated(NEUTRAL, [HAPPY], [strength])
    assert torch.equal(embedding, torch.tensor([[[1.0, 0.0], second]]))
    assert settings == {"reference_latents": ["photo"]}


def test_a_blend_is_one_sum():
    ((embedding, _),) = interpolated(NEUTRAL, [HAPPY, SAD], [0.5, 0.25], "all")
    # 0.25 (1, 0) + 0.5 (1, 0) + 0.25 (0, 1); 0.25 (2, 2) + 0.5 (4, 0) + 0.25 (2, 6)
    assert torch.allclose(embedding, torch.tensor([[[0.75, 0.25], [3.0, 2.0]]]))


def test_prompts_of_other_lengths_are_added_after_the_model():
    neutral, target = interpolated(NEUTRAL, [LONG], [1.5])
    assert torch.equal(neutral[0], NEUTRAL[0][0])
    assert torch.equal(target[0], LONG[0][0])
    assert neutral[1] == {"reference_latents": ["photo"], "strength": -0.5}
    assert target[1] == {"reference_latents": ["other"], "strength": 3.0}  # 1.5 times what it had


def test_at_the_ends_velocities_need_one_prompt():
    assert [entry[1]["strength"] for entry in interpolated(NEUTRAL, [HAPPY], [1.0], "velocity")] == [1.0]
    ((embedding, _),) = interpolated(NEUTRAL, [HAPPY], [0.0], "velocity")
    assert torch.equal(embedding, NEUTRAL[0][0])


def test_nothing_that_came_in_is_changed():
    before = NEUTRAL[0][0].clone()
    interpolated(NEUTRAL, [HAPPY], [0.5], "velocity")
    assert torch.equal(NEUTRAL[0][0], before)
    assert NEUTRAL[0][1] == {"reference_latents": ["photo"]}


def test_pooled_outputs_go_along_where_all_have_one():
    ends = [conditioning([[x, x]], pooled_output=torch.tensor([[x]])) for x in (0.0, 4.0)]
    ((_, settings),) = interpolated(ends[0], [ends[1]], [0.25])
    assert torch.equal(settings["pooled_output"], torch.tensor([[1.0]]))


def test_what_cannot_be_interpolated():
    with pytest.raises(ExpressionError, match="2, 3"):
        interpolated(NEUTRAL, [LONG], [0.5], "all")
    with pytest.raises(InputError, match="2 entries"):
        interpolated(NEUTRAL, [[*HAPPY, *SAD]], [0.5])
    with pytest.raises(InputError, match="several text encoders"):
        interpolated(NEUTRAL, [conditioning([[1.0], [2.0]])], [0.5])
    with pytest.raises(InputError, match="NaN"):
        interpolated(NEUTRAL, [conditioning([[float("nan"), 0.0]])], [0.5])
    with pytest.raises(InputError, match="unknown method"):
        interpolated(NEUTRAL, [HAPPY], [0.5], "span")


def test_pictures_come_back_exactly():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
    pixels.reshape(-1)[:256] = np.arange(256)
    picture = Image.fromarray(pixels)
    images = images_of([picture, picture])
    assert images.shape == (2, 16, 16, 3)
    assert images.dtype == torch.float32
    assert np.array_equal(np.asarray(pictures_of(images)[1]), pixels)
    # What ComfyUI's nodes that save do: cut, not round.
    assert np.array_equal((255.0 * images[0].numpy()).astype(np.uint8), pixels)


def test_greys_and_transparency():
    assert pictures_of(torch.full((1, 2, 3, 1), 0.5))[0].getpixel((0, 0)) == (128, 128, 128)
    assert pictures_of(torch.full((1, 2, 3, 4), 2.0))[0].getpixel((2, 1)) == (255, 255, 255)


def test_what_is_no_picture():
    with pytest.raises(ImageError, match="batch"):
        pictures_of(torch.zeros(8, 8, 3))
    with pytest.raises(ImageError, match="NaN"):
        pictures_of(torch.full((1, 4, 4, 3), float("nan")))
    with pytest.raises(ImageError, match="several sizes"):
        images_of([Image.new("RGB", (4, 4)), Image.new("RGB", (4, 5))])
