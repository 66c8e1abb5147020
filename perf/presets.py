"""What makes a sweep faster, and what it costs: seconds, PSNR to exact pictures, CLS-12, evenness, identity.

    python perf/presets.py [--people 4] [--expressions 12] [--steps 28] [--rows exact ...] [--markdown]

On the embedded model and its adapter, sampled in more steps than it needs: step caches and fewer steps are
for samplers of many steps, as the full model's. Each row makes the same sweeps of the same drawn people
from the same noise; `exact` is the first. Forwards are the samples that went through the whole transformer,
which is what a large model's time is; seconds are of one core. CLS is the mean correlation of a sweep's
strengths and scores by the embedded judge, over twelve expressions CLS-12, evenness as
`benchmarks/metrics/evenness.py` has it, ID the mean cosine of faces to the source.

A row is safe for a sweep if what a sweep is measured by stays what it was: CLS and evenness within TOLERANCE
of those of `exact`, on either side, ID no more than that below. PSNR is no part of the rule: another picture
that is as even is as good. Fewer than ENOUGH_SWEEPS sweeps are too few to tell .01: then it says `?`.

`lightning-4` and `lightning-8` sample as these presets do, in 4 and 8 steps at shift 3. Their adapters are
for the full model alone: these rows show what the schedule costs a model that was not distilled for it.

The rows named `shared` and `anchors` are ways to make a sweep cheaper than its number of pictures. shared=K:
the first K steps are taken by the middle strength alone, all others begin where it is. anchors=K: the first K
steps are taken by the lowest and the highest strength alone, those between begin between them, in proportion.
halves: lowest, middle and highest are made, and the latents of those between are interpolated at the end.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from counts import whole
from PIL import Image
from torch import Tensor

from pixelsmile import Editor
from pixelsmile.benchmarks.metrics.evenness import evenness
from pixelsmile.benchmarks.metrics.linearity import pearson
from pixelsmile.editing.acceleration import PRESETS, Acceleration
from pixelsmile.editing.autoencoder import decode_latents, keep_details
from pixelsmile.editing.engine import EditJob
from pixelsmile.editing.engines.jobs import samples_of
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.flow import euler_step, make_noise, pack, unpack
from pixelsmile.editing.options import PRESET_NAMES, STEP_CACHES
from pixelsmile.editing.pictures import to_pictures
from pixelsmile.editing.requests import Request, neutral_text, target_of
from pixelsmile.editing.sampler import Denoiser, Sample
from pixelsmile.embedded import model_path
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.faces.likeness import open_meter
from pixelsmile.judges.embedded.judge import EmbeddedJudge
from pixelsmile.judges.judge import Verdict
from pixelsmile.portraits import action_units, draw_portrait, sample_identity

FIRST_PERSON = 31_000_000  # nobody else's
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SEED = 0
ROWS = (
    "exact",
    *("steps=1/2", "steps=1/4", "lightning-8", "lightning-4", "fuse", "taylor=2", "taylor=3"),
    *("first-block=0.05", "first-block=0.1", "first-block=0.2"),
    *("shared=1/8", "shared=1/4", "anchors=1/8", "anchors=1/4", "anchors=1/2", "halves"),
)
TOLERANCE = 0.01
ENOUGH_SWEEPS = 48


@dataclass(frozen=True)
class Scores:
    """What a row's sweeps are measured by."""

    linearity: float
    evenness: float
    identity: float

    def is_safe(self, exact: "Scores") -> bool:
        """Whether a sweep made so is measured as an exact one is; not where a number is none."""
        return (
            abs(self.linearity - exact.linearity) <= TOLERANCE
            and abs(self.evenness - exact.evenness) <= TOLERANCE
            and self.identity >= exact.identity - TOLERANCE
        )


@dataclass
class Made:
    """A row's pictures, by person, expression and strength; CPU seconds; samples through the transformer."""

    pictures: list[Image.Image] = field(default_factory=list)
    seconds: float = 0.0
    forwards: int = 0


Sweep = Callable[[Editor, Image.Image, str], list[Image.Image]]


def edited(num_steps: int, shift: float | None = None) -> Sweep:
    """The product's own way."""

    def sweep(editor: Editor, image: Image.Image, expression: str) -> list[Image.Image]:
        return editor.edit(
            image, expression, strengths=STRENGTHS, steps=num_steps, shift=shift, seed=SEED
        ).images

    return sweep


def shared(num_steps: int, num_shared: int, anchors: Sequence[int]) -> Sweep:
    """The first steps by the strengths at `anchors` alone; the others begin between them, in proportion."""

    def sweep(editor: Editor, image: Image.Image, expression: str) -> list[Image.Image]:
        engine = editor.engine
        assert isinstance(engine, QwenEngine)
        target = target_of(Request(expression, strengths=STRENGTHS), engine, "human")
        job = EditJob(image, neutral_text(engine.info, "human"), (target,), SEED, num_steps, domain="human")
        prompts, reference = engine._encode(job)
        samples, _, _ = samples_of(job, prompts, engine._control)
        denoiser = engine._denoiser(job, reference)
        tokens = _denoised(denoiser, samples, num_steps, num_shared, anchors)
        images = decode_latents(engine.parts.vae, unpack(tokens, *denoiser.latent_size), clamp=False)
        details = engine._details(job, reference)
        return to_pictures(images if details is None else keep_details(images.float(), *details))

    return sweep


@torch.inference_mode()
def _denoised(
    denoiser: Denoiser, samples: Sequence[Sample], num_steps: int, num_shared: int, anchors: Sequence[int]
) -> Tensor:
    sigmas = denoiser.schedule.sigmas(num_steps)
    channels = denoiser.reference.shape[-1] // 4
    noise = pack(make_noise([SEED], (channels, *denoiser.latent_size)))
    tokens = noise.expand(len(anchors), -1, -1)
    for step in range(num_steps):
        if step == num_shared:
            tokens = _between(tokens, anchors, len(samples))
        acting = [samples[index] for index in anchors] if step < num_shared else samples
        velocity = denoiser.velocity(tokens, sigmas[step], [sample.terms for sample in acting])
        tokens = euler_step(tokens, velocity, sigmas[step], sigmas[step + 1])
    return tokens if num_shared < num_steps else _between(tokens, anchors, len(samples))


def _between(tokens: Tensor, anchors: Sequence[int], count: int) -> Tensor:
    """For each of `count` evenly spaced strengths the tokens between those of the anchors around it."""
    rows = []
    for index in range(count):
        right = next((place for place, anchor in enumerate(anchors) if anchor >= index), len(anchors) - 1)
        left = max(0, right - 1)
        width = anchors[right] - anchors[left]
        share = min(1.0, (index - anchors[left]) / width) if width else 0.0
        rows.append(torch.lerp(tokens[left], tokens[right], share))
    return torch.stack(rows)


def way_of(row: str, num_steps: int) -> tuple[Sweep, Acceleration]:
    """What a row of the table runs."""
    name, _, level = row.partition("=")
    share = eval_share(level) if "/" in level else 0.0
    count, last = max(1, round(share * num_steps)), len(STRENGTHS) - 1
    if name in STEP_CACHES:
        return edited(num_steps), Acceleration(step_cache=row)
    if row in PRESET_NAMES:
        preset = PRESETS[row]
        return edited(preset.steps, preset.shift), Acceleration()
    match name:
        case "exact":
            return edited(num_steps), Acceleration()
        case "fuse":
            return edited(num_steps), Acceleration(fuse=True)
        case "steps":
            return edited(count), Acceleration()
        case "shared":
            return shared(num_steps, count, [last // 2]), Acceleration()
        case "anchors":
            return shared(num_steps, count, [0, last]), Acceleration()
        case "halves":
            return shared(num_steps, num_steps, [0, last // 2, last]), Acceleration()
    raise SystemExit(f"no row {row!r}: choose from {', '.join(ROWS)}")


def eval_share(text: str) -> float:
    """`1/4` as a number."""
    above, _, below = text.partition("/")
    return int(above) / int(below)


def make(row: str, people: Sequence[Image.Image], expressions: Sequence[str], num_steps: int) -> Made:
    """All sweeps of a row, after one that is not timed."""
    sweep, acceleration = way_of(row, num_steps)
    adapter = str(model_path() / "adapters" / "human.safetensors")
    editor = Editor.from_pretrained("embedded", adapter=adapter, device="cpu", acceleration=acceleration)
    sweep(editor, people[0], expressions[0])
    made = Made()
    engine = editor.engine
    assert isinstance(engine, QwenEngine)

    def count(_module: object, _arguments: object, options: dict[str, Tensor]) -> None:
        made.forwards += len(options["hidden_states"])

    last = engine.parts.transformer.transformer_blocks[-1]
    last.attn.register_forward_pre_hook(count, with_kwargs=True)
    start = time.process_time()
    for image in people:
        for expression in expressions:
            made.pictures += sweep(editor, image, expression)
    made.seconds = time.process_time() - start
    return made


def psnr(made: Made, exact: Made) -> float:
    """Of all pictures together, dB; infinite where they are equal."""
    errors = [
        np.mean((np.asarray(a, np.float32) - np.asarray(b, np.float32)) ** 2)
        for a, b in zip(made.pictures, exact.pictures, strict=True)
    ]
    error = float(np.mean(errors))
    return 10 * float(np.log10(255**2 / error)) if error else float("inf")


class Scorer:
    """The embedded judge and face encoders, over all sweeps of a row."""

    def __init__(self, people: Sequence[Image.Image], expressions: Sequence[str]) -> None:
        self._judge, self._meter = EmbeddedJudge(), open_meter(("embedded",), drawn=True)
        self._sources = [self._meter.know(image) for image in people]
        self._expressions = expressions

    def scores(self, made: Made) -> Scores:
        """Faces that are not found, and pictures without a verdict, are left out."""
        width = len(STRENGTHS)
        rows, cosines = [], []
        for number in range(0, len(made.pictures), width):
            sweep = made.pictures[number : number + width]
            person, expression = divmod(number // width, len(self._expressions))
            verdicts = self._judge.judge_pictures(sweep)
            name = self._expressions[expression]
            rows.append([found.scores[name] if isinstance(found, Verdict) else np.nan for found in verdicts])
            cosines += [self._cosine(person, picture) for picture in sweep]
        score_QP, strength_P = np.array(rows), np.array(STRENGTHS)
        whole = [row for row in score_QP if np.isfinite(row).all()]
        parts = np.array([evenness(strength_P, row) for row in whole]).reshape(-1, 2)
        even = parts[:, 0].sum() / parts[:, 1].sum() if parts[:, 1].sum() else np.nan
        linearity = float(np.nanmean(pearson(strength_P, score_QP)))
        return Scores(linearity, float(even), float(np.nanmean(cosines)))

    def _cosine(self, person: int, picture: Image.Image) -> float:
        source, found = self._sources[person], self._meter.know(picture)
        if source is None or found is None:
            return float("nan")
        return float(np.mean(list(self._meter.similarities(source, found).values())))


def main() -> None:
    """Print the table, a row as soon as it is made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=whole(), default=4)
    parser.add_argument("--expressions", type=whole(), default=len(EXPRESSIONS))
    parser.add_argument("--steps", type=whole(), default=28)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), metavar="ROW")
    parser.add_argument("--markdown", action="store_true", help="as a table for docs/editing.md")
    options = parser.parse_args()
    torch.set_num_threads(1)  # waiting threads would count as work
    editor = Editor.from_pretrained("embedded", device="cpu")
    people = [
        draw_portrait(
            sample_identity(FIRST_PERSON + number), action_units("neutral"), "human", editor.engine.info.size
        ).image
        for number in range(options.people)
    ]
    expressions = EXPRESSIONS[: options.expressions]
    scorer = Scorer(people, expressions)
    rows = ["exact", *(row for row in options.rows if row != "exact")]
    size = f"{len(people)} people, {len(expressions)} expressions, {len(STRENGTHS)} strengths"
    print(f"{size}, {options.steps} steps")
    num_sweeps = len(people) * len(expressions)
    print(f"safe: CLS and evenness within {TOLERANCE} of exact, ID no more than that below")
    _print_line("row", ["CPU s", "forwards", "PSNR dB", "CLS", "evenness", "ID", "safe"], options.markdown)
    if options.markdown:
        print("| --- " * 8 + "|")
    exact: tuple[Made, Scores] | None = None
    for row in rows:
        made = make(row, people, expressions, options.steps)
        found = scorer.scores(made)
        exact = exact or (made, found)
        safe = "yes" if found.is_safe(exact[1]) else "no"
        told = [f"{made.seconds:.1f}", str(made.forwards), f"{psnr(made, exact[0]):.1f}"]
        told += [f"{score:.3f}" for score in (found.linearity, found.evenness, found.identity)]
        _print_line(row, [*told, safe if num_sweeps >= ENOUGH_SWEEPS else "?"], options.markdown)


def _print_line(row: str, cells: Sequence[str], markdown: bool) -> None:
    if markdown:
        print(f"| {row} | " + " | ".join(cells) + " |", flush=True)
    else:
        print(f"{row:<18}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
