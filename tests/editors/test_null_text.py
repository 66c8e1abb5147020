"""The inversion that the wrapper of Concept Sliders brings (examples/editors/concept-slider/null_text.py)."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).parents[2] / "examples" / "editors" / "concept-slider" / "null_text.py"
SPEC = importlib.util.spec_from_file_location("null_text", PATH)
null_text = importlib.util.module_from_spec(SPEC)
sys.modules["null_text"] = null_text  # dataclasses look their module up
SPEC.loader.exec_module(null_text)

GUIDANCE = 7.5


class Predictor(torch.nn.Module):
    """A small network whose noise depends on the latents, the time and the words."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = torch.nn.Conv2d(4, 8, 3, padding=1)
        self.words = torch.nn.Linear(6, 8)
        self.last = torch.nn.Conv2d(8, 4, 3, padding=1)
        self.requires_grad_(False)

    def forward(self, latents, timestep, words):
        said = self.words(words).mean(dim=1)[:, :, None, None]
        return self.last(torch.tanh(self.first(latents) + said + timestep / 1000))


@pytest.fixture(scope="module")
def schedule():
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
    )
    return null_text.Schedule.of(scheduler, 50)


@pytest.fixture(scope="module")
def scene():
    """The network, the latents of a picture, its words, and the empty prompt."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 8, 8, generator=generator)
    words, empty = (torch.randn(1, 5, 6, generator=generator) for _ in range(2))
    return Predictor(), latents, words, empty


def test_the_schedule_is_that_of_ddim(schedule):
    assert schedule.timesteps == tuple(range(980, -1, -20))
    assert len(schedule.signals) == 51
    assert list(schedule.signals) == sorted(schedule.signals)
    assert schedule.signals[-1] == schedule.signals[-2] == pytest.approx(1 - 0.00085)


def test_a_step_by_hand():
    latents, noise = torch.tensor([2.0]), torch.tensor([1.0])
    made = null_text.moved(latents, noise, 0.64, 0.36)  # clean: (2 - .6) / .8 = 1.75
    assert made.item() == pytest.approx(0.6 * 1.75 + 0.8)
    assert null_text.moved(made, noise, 0.36, 0.64).item() == pytest.approx(2.0)


def test_a_step_is_that_of_diffusers(schedule, scene):
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", set_alpha_to_one=False
    )
    scheduler.config.clip_sample = False
    scheduler.set_timesteps(50)
    _, latents, _, _ = scene
    noise = latents.flip(0, 2) * 0.5
    for index, timestep, noisier, cleaner in schedule.steps():
        if index % 10 == 9:
            theirs = scheduler.step(noise, timestep, latents).prev_sample
            ours = null_text.moved(latents, noise, noisier, cleaner)
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_guided_steps_come_back_to_the_picture(schedule, scene):
    predict, latents, words, empty = scene
    told = []
    inversion = null_text.invert(predict, schedule, latents, words, empty, GUIDANCE)
    made = null_text.generate(predict, schedule, inversion, GUIDANCE, told.append)
    plain = null_text.Inversion(inversion.noise, words, (empty,) * 50)
    without = null_text.generate(predict, schedule, plain, GUIDANCE, lambda timestep: None)
    error, error_without = ((one - latents).abs().mean().item() for one in (made, without))
    assert told == list(schedule.timesteps)
    assert error < 0.2 * error_without
    assert error < 0.5 * latents.abs().mean()
    assert len(inversion.empties) == 50
    assert not any(one.requires_grad for one in inversion.empties)


def test_without_guidance_the_empty_prompt_is_no_matter(schedule, scene):
    predict, latents, words, empty = scene
    noise = null_text.trajectory(predict, schedule, latents, words)[-1]
    for fill in (empty, words):
        inversion = null_text.Inversion(noise, words, (fill,) * 50)
        made = null_text.generate(predict, schedule, inversion, 1.0, lambda timestep: None)
        assert (made - latents).abs().mean() < 0.1
