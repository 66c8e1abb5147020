"""Noise levels against the stock scheduler, packing against the stock pipeline, the rest against formulas."""

import math

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, QwenImageEditPlusPipeline
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import calculate_shift
from numpy import linspace

from pixelsmile.editing import flow
from pixelsmile.editing.flow import FlowSchedule
from pixelsmile.errors import InputError, ModelError

EDIT_2511 = {
    "use_dynamic_shifting": True,
    "base_image_seq_len": 256,
    "max_image_seq_len": 8192,
    "base_shift": 0.5,
    "max_shift": 0.9,
    "shift_terminal": 0.02,
    "time_shift_type": "exponential",
}
LIGHTNING = {"use_dynamic_shifting": True, "base_shift": math.log(3), "max_shift": math.log(3)}
CONFIGS = [EDIT_2511, LIGHTNING, {"shift": 2.0}, {**EDIT_2511, "time_shift_type": "linear"}]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("num_steps", [2, 4, 50])
@pytest.mark.parametrize("num_tokens", [64, 256, 1024])
def test_sigmas_equal_the_stock_scheduler(config: dict, num_steps: int, num_tokens: int) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(**config)
    settings = scheduler.config
    mu = calculate_shift(
        num_tokens,
        settings["base_image_seq_len"],
        settings["max_image_seq_len"],
        settings["base_shift"],
        settings["max_shift"],
    )
    scheduler.set_timesteps(sigmas=linspace(1.0, 1 / num_steps, num_steps).tolist(), mu=mu)
    schedule = FlowSchedule.from_config(settings, num_tokens)
    sigmas = schedule.sigmas(num_steps)
    torch.testing.assert_close(sigmas, scheduler.sigmas, rtol=0, atol=3e-7)
    torch.testing.assert_close(
        schedule.timestep(sigmas[:-1], torch.float32), scheduler.timesteps / 1000, rtol=0, atol=3e-7
    )


def test_one_step_goes_from_noise_to_the_picture() -> None:
    for config in CONFIGS:
        assert FlowSchedule.from_config(config, 256).sigmas(1).tolist() == [1.0, 0.0]


def test_training_levels_follow_the_sampling_levels() -> None:
    schedule = FlowSchedule(shift=3.0)
    torch.testing.assert_close(schedule.shifted(torch.tensor([1.0, 0.5])), schedule.sigmas(2)[:-1])


def test_bad_schedules_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1, not 0"):
        FlowSchedule().sigmas(0)
    with pytest.raises(ModelError, match="use_karras_sigmas"):
        FlowSchedule.from_config({"use_karras_sigmas": True}, 256)


def test_noise_depends_on_the_seed_alone() -> None:
    together = flow.make_noise([3, 4, 5], (4, 6, 8))
    for index, seed in enumerate([3, 4, 5]):
        assert torch.equal(together[index], flow.make_noise([seed], (4, 6, 8))[0])
    assert not torch.equal(together[0], together[1])


def test_the_training_pair_leads_back_to_the_picture() -> None:
    latents, noise = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    sigmas = torch.tensor([0.0, 0.3, 1.0])
    noisy = flow.add_noise(latents, noise, sigmas)
    assert torch.equal(noisy[0], latents[0])
    assert torch.equal(noisy[2], noise[2])
    torch.testing.assert_close(noisy[1], 0.7 * latents[1] + 0.3 * noise[1])
    velocity = flow.velocity_target(latents, noise)
    back = flow.euler_step(noisy[1], velocity[1], sigmas[1], torch.tensor(0.0))
    torch.testing.assert_close(back, latents[1])


def test_packing_is_the_stock_pipelines_and_invertible() -> None:
    latents = torch.randn(2, 4, 6, 8)
    tokens = flow.pack(latents)
    assert torch.equal(tokens, QwenImageEditPlusPipeline._pack_latents(latents, 2, 4, 6, 8))
    assert torch.equal(flow.unpack(tokens, 6, 8), latents)
