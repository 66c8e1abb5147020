"""The embedded FFE-Bench, "drawn-ffe-1": drawn portraits, with the truth about every edit that is asked for.

A list without end for each domain, from which a benchmark takes the first ones, the domains by turns:

- Targets come in rounds of 16: each expression once, those of the confusing pairs twice. Half a round of
  both domains together holds the same 16.
- The people have the traits of `drawn_people`, for every target alike.
- Four sources in five are neutral. The fifth already shows another expression than the target, slightly.
- Everybody appears once. The seeds begin at FIRST_SEEDS; nothing in this project is trained on them.

Whatever a source shows, the truth at strength 0 is the neutral face (paper, below Eq. 5): what is in the way
of the target has to go. Every variant of an expression is equally true.
"""

import itertools
import random
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.drawn_people import TRAITS, People, first_by_turns
from pixelsmile.editors.drawn_portrait import PICTURE_PX, DrawnPortrait
from pixelsmile.editors.editor import Task
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain, target_prompt
from pixelsmile.hashing import sha256_json
from pixelsmile.portraits import NUM_VARIANTS

VERSION = "drawn-ffe-1"
FIRST_SEEDS: dict[Domain, int] = {"human": 8_000_000, "anime": 8_500_000}
NUM_TASKS_A_DOMAIN = 240
SLIGHT_EVERY = 5  # one source in so many is not neutral
SLIGHT_STRENGTHS = (0.2, 0.4)  # of what it shows

ROUND: tuple[str, ...] = (
    *("fear", "happy", "angry", "shy", "surprised", "sad", "disgust", "confused"),
    *("angry", "contempt", "fear", "sleepy", "disgust", "confident", "surprised", "anxious"),
)


def drawn_ffe_benchmark(num_samples: int | None = None, domains: Sequence[Domain] = DOMAINS) -> Benchmark:
    """The first tasks; their pictures are drawn when asked for.

    num_samples: tasks in all; NUM_TASKS_A_DOMAIN of each domain by default. Fewer are the first of more.
    InputError for no tasks or no domains.
    """
    num_tasks = NUM_TASKS_A_DOMAIN * len(domains) if num_samples is None else num_samples
    drawn = first_by_turns(_endless, num_tasks, domains, "task")
    return Benchmark(VERSION, "embedded", tuple(task for task, _ in drawn), lambda: _description(drawn))


def _endless(domain: Domain) -> Iterator[tuple[Task, DrawnPortrait]]:
    """The tasks of a domain with their pictures, in their order, without end."""
    people = People(FIRST_SEEDS[domain])
    for place in itertools.count():
        round_, lane = divmod(place, len(ROUND))
        # Steps of 3 meet all traits within ten lanes; the slight sources fall on others in each lane.
        traits = TRAITS[(round_ + 3 * lane) % len(TRAITS)]
        slight = (round_ + lane) % SLIGHT_EVERY == 0
        target = ROUND[(lane + len(ROUND) // len(DOMAINS) * DOMAINS.index(domain)) % len(ROUND)]
        rng = random.Random(f"{VERSION} {domain} {place}")
        shown, strength = _slight_expression(target, rng) if slight else (NEUTRAL, 0.0)
        picture = DrawnPortrait(
            people.next_with(traits), domain, shown, strength, rng.randrange(NUM_VARIANTS)
        )
        prompt, box = target_prompt(target, domain), picture.face_box()
        yield Task(f"{domain}-{place:04}", target, domain, prompt, box, picture=picture), picture


def _slight_expression(target: str, rng: random.Random) -> tuple[str, float]:
    expression = rng.choice([name for name in EXPRESSIONS if name != target])
    return expression, round(rng.uniform(*SLIGHT_STRENGTHS), 2)


def _description(drawn: Sequence[tuple[Task, DrawnPortrait]]) -> dict[str, JsonValue]:
    """A hash of who is shown and what is asked; the code's hash stands for the drawing."""
    defined = [
        {**task.as_json(), "shown": picture.as_json(), "picture_px": PICTURE_PX} for task, picture in drawn
    ]
    return {"num_tasks": len(drawn), "sha256": sha256_json(defined)}
