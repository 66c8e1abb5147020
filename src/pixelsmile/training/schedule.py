"""The learning rate as a function of the step alone: nothing to save, alike on any number of processes."""

import math

from pixelsmile.errors import InputError


def learning_rate(step: int, peak: float, num_warmup_steps: int, num_steps: int) -> float:
    """The rate of optimiser step `step` (from 0): a line up to `peak`, then half a cosine towards 0.

    The first step of the warmup already learns, and the last step of all still does. Steps are those of the
    optimiser, whatever is accumulated (PixelSmile, Appendix B: 1e-4 after 500 steps).
    """
    if step < num_warmup_steps:
        return peak * (step + 1) / num_warmup_steps
    progress = (step - num_warmup_steps) / (num_steps - num_warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


def check_warmup(num_warmup_steps: int, num_steps: int) -> None:
    """InputError where the warmup takes the whole run."""
    if num_warmup_steps >= num_steps:
        raise InputError(
            f"optimiser.num_warmup_steps is {num_warmup_steps} in a run of {num_steps} steps: shorten the "
            "warmup, or train longer"
        )
