"""One training step of a control (`editing/controls`): what each method learns, and from what.

    method             x_t is a noisy ...      its teacher is ...                          strengths it sees
    concept-slider     target                  the picture itself, of strength 1           1
      (of prompts)     source or target        the base, under the expression's prompt     1
    attribute-control  source or target        the base, beyond it along its own change    those it draws
    saedit             none: tokens alone      the tokens themselves                       none
    k-slider           target                  the picture itself, of any strength         all
    slideredit         source                  the base, under the neutral prompt          1

Equations stand with each method. The base is the transformer with the control at rest; its predictions get no
gradient, and come first, so that layers which are run again in the backward pass find the control as it was.

Shape suffixes: B triplets, R rows (B of branch a, then B of branch b), N tokens of a picture, D channels of a
token, T tokens of a prompt, E channels of its embedding, K expressions of the control, P pairs of prompts.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pixelsmile.editing.controls.attribute_control import AttributeControl
from pixelsmile.editing.controls.concept_slider import ConceptSlider
from pixelsmile.editing.controls.control import TrainedControl
from pixelsmile.editing.controls.k_slider import KSlider
from pixelsmile.editing.controls.saedit import SAEdit
from pixelsmile.editing.controls.slideredit import SliderEdit
from pixelsmile.editing.flow import add_noise, velocity_target
from pixelsmile.training.batch import TrainingBatch, draw_noise
from pixelsmile.training.objective import TOTAL
from pixelsmile.training.order import SeededTriplet, derived_seed
from pixelsmile.training.step import SCHEDULE, BatchOf, predicted

CONTROL_PREFIX = "control."  # of its parameters' names in a step


@dataclass(frozen=True)
class Lesson:
    """What one step looks at.

    batch: of R rows. columns (R): of their expressions, in the control. noise (R, N, D) and sigmas (R), its
    levels. seeds: of the triplets.
    """

    batch: TrainingBatch
    columns: Tensor
    noise: Tensor
    sigmas: Tensor
    seeds: Sequence[int]

    def scales(self, num_expressions: int) -> Tensor:
        """1 for the expression of each row, 0 for all others: (R, K)."""
        return nn.functional.one_hot(self.columns, num_expressions).float()

    def noisy(self, latents_RND: Tensor) -> Tensor:
        """x_t of clean latents."""
        return add_noise(latents_RND, self.noise, self.sigmas)

    def either_end(self) -> Tensor:
        """The source of a triplet or its targets, by its seed: (R, N, D)."""
        is_source_B = torch.tensor([derived_seed(seed, "end") % 2 == 0 for seed in self.seeds])
        is_source_R = is_source_B.repeat(self.batch.num_branches).to(self.batch.targets.device)
        return torch.where(is_source_R[:, None, None], self.batch.source, self.batch.targets)

    def tail(self) -> Tensor:
        """1 on the tokens that carry the instruction: from the first that differs from the neutral prompt's.
        (R, T)."""
        differs_RT = (self.batch.neutral != self.batch.prompts).any(-1)
        return ((differs_RT.cumsum(1) > 0) & self.batch.mask).float()


class ControlStep(nn.Module):
    """What is trained: called with draws, it gives the loss of their triplets. See `loop.Job`.

    transformer: frozen, with the control on it. batch_of: the triplets of these numbers, from the cache.
    expressions_of: what the targets of a triplet show.
    """

    def __init__(
        self,
        transformer: nn.Module,
        control: TrainedControl,
        batch_of: BatchOf,
        expressions_of: Callable[[int], Sequence[str]],
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.transformer, self.control = transformer, control
        self.batch_of, self.expressions_of = batch_of, expressions_of
        self.precision = precision

    def forward(self, draws: Sequence[SeededTriplet]) -> dict[str, Tensor]:
        """The loss, `total`, with a gradient; all that is random about a triplet comes from its seed."""
        return {TOTAL: self._loss(self.lesson(draws))}

    def lesson(self, draws: Sequence[SeededTriplet]) -> Lesson:
        """The rows of some draws, with their noise and noise levels."""
        numbers, seeds = zip(*draws, strict=True)
        batch = self.batch_of(numbers).to(next(self.transformer.parameters()).device)
        uniform_B, noise_BND = draw_noise(seeds, batch.targets.shape[1:], batch.targets.device)
        columns = [
            self.control.record.expressions.index(self.expressions_of(number)[branch])
            for branch in range(batch.num_branches)
            for number in numbers
        ]
        return Lesson(
            batch,
            torch.tensor(columns, device=batch.targets.device),
            noise_BND.repeat(batch.num_branches, 1, 1),
            SCHEDULE.shifted(uniform_B).repeat(batch.num_branches),
            seeds,
        )

    def _loss(self, lesson: Lesson) -> Tensor:
        match self.control:
            case ConceptSlider() as control:
                return self._concept_slider(control, lesson)
            case AttributeControl() as control:
                return self._attribute_control(control, lesson)
            case SAEdit() as control:
                return self._saedit(control, lesson)
            case KSlider() as control:
                return self._k_slider(control, lesson)
            case SliderEdit() as control:
                return self._slideredit(control, lesson)

    def _concept_slider(self, control: ConceptSlider, lesson: Lesson) -> Tensor:
        batch, settings = lesson.batch, control.settings
        if settings.pairs == "pictures":
            noisy_RND = lesson.noisy(batch.targets)
            wanted_RND = velocity_target(batch.targets, lesson.noise)
        else:
            noisy_RND = lesson.noisy(lesson.either_end())
            neutral_RND, full_RND = self._of_base(lesson, noisy_RND)
            wanted_RND = neutral_RND + settings.guidance * (full_RND - neutral_RND)
        control.steer(lesson.scales(len(control.record.expressions)))
        return _distance(self._predicted(lesson, noisy_RND, batch.neutral), wanted_RND)

    def _attribute_control(self, control: AttributeControl, lesson: Lesson) -> Tensor:
        batch = lesson.batch
        noisy_RND = lesson.noisy(lesson.either_end())
        neutral_RND, full_RND = self._of_base(lesson, noisy_RND)
        scale_R = control.settings.max_scale * _signed(lesson.seeds, batch.num_branches).to(noisy_RND.device)
        wanted_RND = neutral_RND + scale_R[:, None, None] * (full_RND - neutral_RND)
        scales_RK = scale_R[:, None] * lesson.scales(len(control.record.expressions))
        instruction_R = lesson.tail().sum(1)
        embeddings_RTE = control.shifted(batch.neutral, batch.mask.sum(1), instruction_R, scales_RK)
        return _distance(self._predicted(lesson, noisy_RND, embeddings_RTE), wanted_RND)

    def _saedit(self, control: SAEdit, lesson: Lesson) -> Tensor:
        batch = lesson.batch
        return control.loss(torch.cat([batch.neutral[batch.mask], batch.prompts[lesson.tail().bool()]]))

    def _k_slider(self, control: KSlider, lesson: Lesson) -> Tensor:
        batch, tail_RT1 = lesson.batch, lesson.tail()[..., None]
        pooled_RE = (batch.prompts.float() * tail_RT1).sum(1) / tail_RT1.sum(1)
        control.steer(control.offsets(batch.strengths, pooled_RE))
        found_RND = self._predicted(lesson, lesson.noisy(batch.targets), batch.prompts)
        return _distance(found_RND, velocity_target(batch.targets, lesson.noise))

    def _slideredit(self, control: SliderEdit, lesson: Lesson) -> Tensor:
        batch = lesson.batch
        noisy_RND = lesson.noisy(batch.source)
        control.steer(None)
        with torch.no_grad():
            wanted_RND = self._predicted(lesson, noisy_RND, batch.neutral)
        control.steer(lesson.tail())
        return _distance(self._predicted(lesson, noisy_RND, batch.prompts), wanted_RND)

    @torch.no_grad()
    def _of_base(self, lesson: Lesson, noisy_RND: Tensor) -> tuple[Tensor, Tensor]:
        """What the base predicts under the neutral prompts, and under those of the expressions."""
        self.control.steer(None)
        prompts = (lesson.batch.neutral, lesson.batch.prompts)
        neutral_RND, full_RND = (self._predicted(lesson, noisy_RND, each) for each in prompts)
        return neutral_RND, full_RND

    def _predicted(self, lesson: Lesson, noisy_RND: Tensor, embeddings_RTE: Tensor) -> Tensor:
        mask_RT = None if bool(lesson.batch.mask.all()) else lesson.batch.mask
        conditions = (embeddings_RTE, mask_RT)
        return predicted(self.transformer, lesson.batch, noisy_RND, lesson.sigmas, conditions, self.precision)


def finished(
    control: TrainedControl, tensors: Mapping[str, Tensor], pairs_of: Callable[[str], tuple[Tensor, Tensor]]
) -> dict[str, Tensor]:
    """What is saved of a control, from its trained tensors by their names in a step.

    pairs_of: neutral and expression's prompts (P, T, E), of which saedit's directions are made.
    """
    saved = {name.partition(CONTROL_PREFIX)[2]: tensor.detach().cpu() for name, tensor in tensors.items()}
    if not isinstance(control, SAEdit):
        return saved
    trained = copy.deepcopy(control).cpu()
    trained.load_state_dict(saved, strict=False)  # all but the directions
    with torch.no_grad():
        found = [trained.directions_of(*pairs_of(name)) for name in control.record.expressions]
    return {**saved, "directions": torch.stack(found)}


def _distance(found_RND: Tensor, wanted_RND: Tensor) -> Tensor:
    return (found_RND - wanted_RND.float()).square().mean()


def _signed(seeds: Sequence[int], num_branches: int) -> Tensor:
    """Numbers in -1..1 that follow from the seeds, the same for both branches: (R)."""
    numbers = [torch.rand((), generator=_generator(seed)) * 2 - 1 for seed in seeds]
    return torch.stack(numbers).repeat(num_branches)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(derived_seed(seed, "scale"))
