"""What a job asks of the sampler: its distinct samples, which picture shows which, how far each one is."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pixelsmile.editing.conditioning import Aim, Control, Prompt
from pixelsmile.editing.engine import EditJob, EngineResult
from pixelsmile.editing.sampler import Sample


class Run:
    """A job under way: its samples, which of them each picture of each target shows, and how far they are."""

    def __init__(
        self,
        job: EditJob,
        place: int,
        samples: Sequence[Sample],
        shown: list[list[int]],
        conditionings: Sequence[str],
    ) -> None:
        self.job, self.place = job, place
        self.samples = [replace(sample, picture=place) for sample in samples]
        self.steps = [0] * len(samples)
        self.taken = 0
        self.pictures: list[Image.Image] = []
        self.details: tuple[Tensor, Tensor] | None = None  # the source, and what the autoencoder makes of it
        self._shown, self._conditionings = shown, tuple(conditionings)

    def place_of(self, number: int) -> tuple[int, int]:
        """The first picture that shows a sample: its target, and its place among the target's."""
        return next((row, place.index(number)) for row, place in enumerate(self._shown) if number in place)

    def result(self, sigmas: tuple[float, ...], batch_size: int) -> EngineResult:
        images = [[self.pictures[number] for number in row] for row in self._shown]
        return EngineResult(images, self._conditionings, sigmas, batch_size)


def distinct(acting: Sequence[tuple[Run, int]]) -> list[Run]:
    return list(dict.fromkeys(run for run, _ in acting))


def preview_steps(job: EditJob) -> set[int]:
    """After which steps a look is taken: evenly spread, never after the last, which is the picture itself."""
    wanted = [round(job.num_steps * look / (job.previews + 1)) for look in range(1, job.previews + 1)]
    return {step for step in wanted if 0 < step < job.num_steps}


@torch.inference_mode()
def samples_of(
    job: EditJob, prompts: dict[str, Prompt], control: Control
) -> tuple[list[Sample], list[list[int]], list[str]]:
    """The distinct samples of a job, which of them each picture of each target shows, and the form in which
    each target is conditioned.

    Samples with equal conditions are one sample: at strength 0 all expressions are the neutral face, where
    the control says so.
    """
    samples: list[Sample] = []
    negative = prompts[job.negative].embedding if job.is_guided else None
    known: dict[Any, int] = {}
    shown, forms = [], []
    for target in job.targets:
        encoded = tuple(prompts[text] for text in target.prompts)
        aim = Aim(prompts[job.neutral], encoded, target.expressions, job.domain)
        form = control.form(job.conditioning, aim)
        row = []
        for weights in target.weights:
            pairs = zip(target.prompts, weights, strict=True)
            acting = tuple((text, weight) for text, weight in pairs if weight or not control.shares_neutral)
            key = (form, acting) if acting else ()
            if key not in known:
                known[key] = len(samples)
                terms = tuple(control.terms(form, aim, weights))
                samples.append(Sample(job.seed, terms, negative=negative))
            row.append(known[key])
        shown.append(row)
        forms.append(form)
    return samples, shown, forms
