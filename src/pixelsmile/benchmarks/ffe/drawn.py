"""The embedded benchmark: drawn portraits, with the truth about every edit that is asked for."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, replace

from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.drawn_people import PICTURE_PX, Shown
from pixelsmile.benchmarks.ffe.drawn_plan import VERSION, Planned, planned_tasks
from pixelsmile.benchmarks.tasks import Task
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, Domain, check_strength, target_prompt
from pixelsmile.hashing import sha256_json
from pixelsmile.portraits import Portrait

NUM_TASKS_A_STYLE = 240


class DrawnBenchmark:
    """The first tasks of the plan in `drawn_plan`, the styles by turns; pictures are drawn when asked for.

    num_samples: tasks in all; NUM_TASKS_A_STYLE of each style by default. Fewer are the first of more.
    InputError for no tasks or no styles.
    """

    def __init__(self, num_samples: int | None = None, styles: Sequence[Domain] = DOMAINS) -> None:
        self.styles: tuple[Domain, ...] = tuple(style for style in DOMAINS if style in styles)
        if not self.styles or len(self.styles) != len(styles):
            raise InputError(f"styles {tuple(styles)!r}: name each of {', '.join(DOMAINS)} at most once")
        if num_samples is None:
            num_samples = NUM_TASKS_A_STYLE * len(self.styles)
        if num_samples < 1:
            raise InputError(f"num_samples {num_samples!r}: a benchmark has at least one task")
        by_turns = itertools.chain.from_iterable(zip(*map(planned_tasks, self.styles), strict=True))
        planned = tuple(itertools.islice(by_turns, num_samples))
        self._shown = {task.source: task.shown for task in planned}
        self._tasks = tuple(map(_task, planned))

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, each with a source of its own."""
        return self._tasks

    def shown(self, source: str) -> Shown:
        """What the source of that name shows; InputError for a name that is none."""
        try:
            return self._shown[source]
        except KeyError:
            raise InputError(
                f"the embedded benchmark has no source {source!r}: it was made smaller"
            ) from None

    def picture(self, source: str) -> Image.Image:
        """The source picture, PICTURE_PX a side."""
        return self.shown(source).portrait().image

    def portrait(self, source: str, expression: str, strength: float, variant: int = 0) -> Portrait:
        """The person of that source with any expression at any strength (0..2), and the truth about it.

        What the source already shows does not count: at strength 0 the face is at rest.
        """
        drawn = replace(
            self.shown(source), expression=expression, strength=check_strength(strength), variant=variant
        )
        return drawn.portrait()

    def truth(self, task: Task, strength: float, variant: int = 0) -> Portrait:
        """What a perfect editor makes of a task: the target at `strength`, from neutral on.

        Strength 0 is the neutral face (paper, below Eq. 5), also where the source shows a slight
        expression: what is in the way of the target has to go. Every variant is equally true.
        """
        return self.portrait(task.source, task.target, strength, variant)

    def to_record(self) -> dict[str, JsonValue]:
        """Name, and a hash of who is shown and what is asked; the code's hash stands for the drawing."""
        defined = [
            {**task.as_json(), "shown": asdict(self._shown[task.source]), "picture_px": PICTURE_PX}
            for task in self._tasks
        ]
        return {
            "name": VERSION,
            "origin": "embedded",
            "num_tasks": len(self._tasks),
            "sha256": sha256_json(defined),
        }


def _task(planned: Planned) -> Task:
    style = planned.shown.style
    prompt = target_prompt(planned.target, style)
    return Task(planned.source, planned.target, style, prompt, planned.shown.face_box())
