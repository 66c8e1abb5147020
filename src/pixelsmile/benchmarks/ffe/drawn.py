"""The embedded benchmark: drawn portraits, with the truth about every edit that is asked for."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.drawn_people import LOOKS, PICTURE_PX, People, Shown
from pixelsmile.benchmarks.tasks import Task
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain, check_strength, target_prompt
from pixelsmile.hashing import sha256_json
from pixelsmile.portraits import NUM_VARIANTS, Portrait

# Which drawn portraits the embedded benchmark shows, and what it asks of each: "drawn-ffe-1".
#
# A list without end for each domain, from which a benchmark takes the first ones, the domains by turns:
#
# - Targets come in rounds of 16: each expression once, those of the confusing pairs twice. Half a round of
#   both domains together holds the same 16.
# - The people have the looks of `drawn_people`, for every target alike.
# - Four sources in five are neutral. The fifth already shows another expression than the target, slightly.
# - Everybody appears once. The seeds begin at FIRST_SEEDS; nothing in this project is trained on them.


VERSION = "drawn-ffe-1"
FIRST_SEEDS: dict[Domain, int] = {"human": 8_000_000, "anime": 8_500_000}
SLIGHT_EVERY = 5  # one source in so many is not neutral
SLIGHT_STRENGTHS = (0.2, 0.4)  # of what it shows

ROUND: tuple[str, ...] = (
    *("fear", "happy", "angry", "shy", "surprised", "sad", "disgust", "confused"),
    *("angry", "contempt", "fear", "sleepy", "disgust", "confident", "surprised", "anxious"),
)


@dataclass(frozen=True)
class Planned:
    """A task before it is drawn: the source's name, what it shows, and the expression asked for."""

    source: str
    shown: Shown
    target: str


def planned_tasks(domain: Domain) -> Iterator[Planned]:
    """The tasks of a domain, in their order, without end."""
    people = People(FIRST_SEEDS[domain])
    for place in itertools.count():
        round_, lane = divmod(place, len(ROUND))
        # Steps of 3 meet every look within ten lanes; the slight sources fall on other looks in each lane.
        look = LOOKS[(round_ + 3 * lane) % len(LOOKS)]
        slight = (round_ + lane) % SLIGHT_EVERY == 0
        target = ROUND[(lane + len(ROUND) // len(DOMAINS) * DOMAINS.index(domain)) % len(ROUND)]
        rng = random.Random(f"{VERSION} {domain} {place}")
        expression, strength = _slight_expression(target, rng) if slight else (NEUTRAL, 0.0)
        shown = Shown(people.next_with(look), domain, expression, strength, rng.randrange(NUM_VARIANTS))
        yield Planned(f"{domain}-{place:04}", shown, target)


def _slight_expression(target: str, rng: random.Random) -> tuple[str, float]:
    expression = rng.choice([name for name in EXPRESSIONS if name != target])
    return expression, round(rng.uniform(*SLIGHT_STRENGTHS), 2)


NUM_TASKS_A_DOMAIN = 240


class DrawnBenchmark:
    """The first tasks of the plan in `drawn_plan`, the domains by turns; pictures are drawn when asked for.

    num_samples: tasks in all; NUM_TASKS_A_DOMAIN of each domain by default. Fewer are the first of more.
    InputError for no tasks or no domains.
    """

    def __init__(self, num_samples: int | None = None, domains: Sequence[Domain] = DOMAINS) -> None:
        self.domains: tuple[Domain, ...] = tuple(domain for domain in DOMAINS if domain in domains)
        if not self.domains or len(self.domains) != len(domains):
            raise InputError(f"domains {tuple(domains)!r}: name each of {', '.join(DOMAINS)} at most once")
        if num_samples is None:
            num_samples = NUM_TASKS_A_DOMAIN * len(self.domains)
        if num_samples < 1:
            raise InputError(f"num_samples {num_samples!r}: a benchmark has at least one task")
        by_turns = itertools.chain.from_iterable(zip(*map(planned_tasks, self.domains), strict=True))
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
    domain = planned.shown.domain
    prompt = target_prompt(planned.target, domain)
    return Task(planned.source, planned.target, domain, prompt, planned.shown.face_box())
