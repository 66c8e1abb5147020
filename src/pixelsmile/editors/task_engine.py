"""Any editor in the place of an engine: faces are chosen, cut out, pasted back and recorded as for ours."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image

from pixelsmile.editing.engine import EditJob, EngineInfo, EngineResult, Progress, Target
from pixelsmile.editors.editor import EditOutcome, Fault, Task, TaskEditor
from pixelsmile.errors import InputError, PixelSmileError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain, target_prompt

DEFAULT_SIZE_PX = 1024  # root of the area at which most of them work
_MAX_RATIO = 1.05  # of the forms of an edit and its source, which differ as sides are multiples of 16 or 32
_UNSCORED = "unscored: "  # before what a benchmark leaves out, and why
_ADVICE: dict[Fault, str] = {
    "refused": ": show it another picture, or give --prompt in other words",
    "unreachable": ": see that it runs, then run this again",
    "failed": ": run this again, or name another editor",
}


@dataclass(frozen=True)
class _Photograph:
    """A `Picture` that is at hand."""

    image: Image.Image

    def load(self) -> Image.Image:
        return self.image

    def sha256(self) -> str:
        raise NotImplementedError("editors are given pictures, and ask for no hash")


class TaskEngine:
    """An `Engine` that has `editor` make each sweep; close it after use.

    name: what the editor is called. size: root of the area of the pictures that it is given, in pixels; what
    it makes may have any size of that form, or of any_form where it was pressed into another. It takes
    expressions and, where the editor reads words, prompts; no blends.
    """

    multiple_px = 16

    def __init__(
        self, editor: TaskEditor, name: str, size: int = DEFAULT_SIZE_PX, *, any_form: bool = False
    ) -> None:
        self._editor, self._name, self._any_form = editor, name, any_form
        self._runner = asyncio.Runner()
        record = editor.to_record()
        arguments = record.get("arguments")
        steps = arguments.get("num_inference_steps") if isinstance(arguments, dict) else None
        self.info = EngineInfo(
            model=name,
            device=str(record.get("device", "")),
            dtype=str(record.get("dtype", "")),
            size=size,
            steps=steps if isinstance(steps, int) else 0,
            domains=editor.capabilities.domains,
            note=editor.capabilities.note,
            record=record,
        )

    def close(self) -> None:
        """Let the editor go."""
        self._runner.run(self._editor.close())
        self._runner.close()

    def stream(self, job: EditJob) -> Iterator[Progress | EngineResult]:
        """See `Engine`. InputError for what the editor does not take, PixelSmileError for no edit."""
        self._check(job)
        total = sum(len(target.weights) for target in job.targets)
        done, images = 0, []
        for target in job.targets:
            strengths = [weight for (weight,) in target.weights]
            made: dict[float, Image.Image] = {}
            for outcome in self._outcomes(job, target, tuple(dict.fromkeys(strengths))):
                made[outcome.strength] = self._fitting(outcome, job.image)
                done += 1
                yield Progress("denoise", done, total)
            if missing := [strength for strength in strengths if strength not in made]:
                raise PixelSmileError(f"{self._name} gave neither an edit nor a reason at {missing[0]:g}")
            images.append([made[strength] for strength in strengths])
        yield EngineResult(images, ("words",) * len(images), (), 1)

    def _fitting(self, outcome: EditOutcome, source: Image.Image) -> Image.Image:
        """The edit in the form of its source. PixelSmileError for none, and for one of another form."""
        edit, name = outcome.image, self._name
        if edit is None:
            said = (outcome.failure or "").removeprefix(_UNSCORED)
            advice = _ADVICE[outcome.fault] if said != outcome.failure else ""
            raise PixelSmileError(f"{name} made no edit at strength {outcome.strength:g}: {said}{advice}")
        ratio = (edit.width * source.height) / (edit.height * source.width)
        if not (self._any_form or 1 / _MAX_RATIO <= ratio <= _MAX_RATIO):
            raise PixelSmileError(
                f"{name} gave {edit.width} x {edit.height} px for a picture of {source.width} x "
                f"{source.height}, and what has another form fits nowhere: edit a square face with --face, "
                "ask a service for that form with --server-size, or name another editor"
            )
        size = edit.width, max(1, round(edit.width * source.height / source.width))
        return edit if size == edit.size else edit.resize(size, Image.Resampling.LANCZOS)

    def _outcomes(self, job: EditJob, target: Target, strengths: tuple[float, ...]) -> Iterator[EditOutcome]:
        """Those of one sweep, as they come; given up, the sweep is."""
        asked = self._editor.edit(self._task(job, target), job.image, strengths, job.seed)
        try:
            with suppress(StopAsyncIteration):
                while True:
                    yield self._runner.run(_next(asked))
        finally:
            self._runner.run(_given_up(asked))

    def _task(self, job: EditJob, target: Target) -> Task:
        domain: Domain = "anime" if job.domain == "anime" else "human"
        (prompt,) = target.prompts
        # Words of one's own have no target: neutral, which is in none of them, leaves them as they are.
        name = next((name for name in EXPRESSIONS if target_prompt(name, domain) == prompt), NEUTRAL)
        if name == NEUTRAL and prompt != job.neutral and not self._editor.capabilities.words:
            raise InputError(f"{self._name} reads no words: name an expression")
        return Task("photograph", name, domain, prompt, picture=_Photograph(job.image))

    def _check(self, job: EditJob) -> None:
        for target in job.targets:
            if len(target.prompts) != 1:
                raise InputError(f"{self._name} takes no blends: name an expression, or --prompt")
            if not self._editor.capabilities.continuous and target.weights != ((1.0,),):
                raise InputError(f"{self._name} takes no strength: ask for -s 1")
        given = {
            "steps": job.num_steps != self.info.steps,
            "conditioning": job.conditioning != "auto",
            "shift": job.shift is not None,
            "batch_size": job.batch_size is not None,
        }
        if unused := [name for name, is_given in given.items() if is_given]:
            raise InputError(f"{self._name} does not use {', '.join(unused)}: leave it out")


async def _next(outcomes: AsyncGenerator[EditOutcome, None]) -> EditOutcome:
    return await anext(outcomes)


async def _given_up(outcomes: AsyncGenerator[EditOutcome, None]) -> None:
    await outcomes.aclose()
