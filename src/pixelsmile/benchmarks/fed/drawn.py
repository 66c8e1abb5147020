"""The embedded triplets: drawn portraits, with the truth about everything that an editor may make of them."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import NamedTuple

from PIL import Image

from pixelsmile.benchmarks.drawn_people import LOOKS, PICTURE_PX, People, Shown
from pixelsmile.benchmarks.fed.triplets import GRANULARITIES, FedBenchmark, FedTriplet, Granularity
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, NEUTRAL, Domain, check_strength
from pixelsmile.hashing import sha256_json
from pixelsmile.portraits import NUM_VARIANTS, ActionUnits, Portrait, draw_portrait, sample_identity

# Which drawn portraits the embedded triplets show, and what each asks for: "drawn-fed-1".
#
# A list without end for each domain, from which a benchmark takes the first ones, the domains by turns:
#
# - Rounds of 42 hold each pair of two classes once, as source and ground truth; in every 7 each class is
#   both once. Half a round of both domains together holds the same 42, and any 7 in a row each ground truth
#   once.
# - Both expressions are drawn at a strength from STRENGTHS, in any variant; neutral has neither.
# - The people have the looks of `drawn_people`, for every class alike. Everybody appears once. The seeds
#   begin at FIRST_SEEDS; nothing in this project is trained on them, and drawn-ffe-1 shows others.


VERSION = "drawn-fed-1"
FIRST_SEEDS: dict[Domain, int] = {"human": 8_200_000, "anime": 8_700_000}
OTHER_PEOPLE = 100_000  # as far from the seed of a person is that of the other one who takes their place
STRENGTHS = (0.6, 1.0)

ROUND: tuple[str, ...] = ("happy", "fear", NEUTRAL, "disgust", "surprised", "sad", "angry")


@dataclass(frozen=True)
class PlannedTriplet:
    """A triplet before it is drawn: the same person, with what the face shows and what it should show."""

    name: str
    source: Shown
    truth: Shown


def planned_triplets(domain: Domain) -> Iterator[PlannedTriplet]:
    """The triplets of a domain, in their order, without end."""
    people = People(FIRST_SEEDS[domain])
    num_classes, num_turns = len(ROUND), len(ROUND) - 1
    place_of_domain = DOMAINS.index(domain)
    for place in itertools.count():
        block, lane = divmod(place, num_classes)
        # Half a round apart, and so that the classes of one domain follow on those of the other.
        turn = 1 + (block + place_of_domain * num_turns // len(DOMAINS)) % num_turns
        target = ROUND[(lane + place_of_domain * (num_classes + 1) // len(DOMAINS)) % num_classes]
        shown = ROUND[(ROUND.index(target) + turn) % num_classes]
        # Of all such steps, 7 and 8 spread the looks most evenly over the classes of sources and truths.
        person = people.next_with(LOOKS[(7 * block + 8 * lane) % len(LOOKS)])
        rng = random.Random(f"{VERSION} {domain} {place}")
        source, truth = _shown(person, domain, shown, rng), _shown(person, domain, target, rng)
        yield PlannedTriplet(f"{domain}-{place:04}", source, truth)


def _shown(person: int, domain: Domain, expression: str, rng: random.Random) -> Shown:
    strength, variant = round(rng.uniform(*STRENGTHS), 2), rng.randrange(NUM_VARIANTS)
    if expression == NEUTRAL:
        strength, variant = 0.0, 0
    return Shown(person, domain, expression, strength, variant)


# The words for drawn ground truths: simple ones name the expression, dense ones say what moves, and how far.
#
# A dense instruction mentions every action unit of the truth above LEAST_MENTIONED, by region of the face.


LEAST_MENTIONED = 0.1
_SLIGHT_BELOW, _CLEAR_FROM, _STRONG_FROM = 0.3, 0.5, 0.75

_SUBJECTS: dict[Domain, str] = {"human": "person", "anime": "character"}
_LOOKS = {"fear": "afraid", "disgust": "disgusted"}  # where the adjective is not the name
_FEELINGS = {"happy": "happiness", "sad": "sadness", "angry": "anger", "surprised": "surprise"}  # likewise
_DEGREES = ((0.7, "restrained but clear"), (0.85, "pronounced"), (float("inf"), "full"))  # below a strength
_KEEP = "Keep the identity, the pose, the hair, the clothes, the lighting and the background as they are."
_AT_REST = (
    "Let the whole face rest: brows level, eyes open and looking ahead, mouth closed with level corners."
)


class Movement(NamedTuple):
    """What a unit does, with `{}` for how far: nothing for a middling movement, words for the others."""

    words: str
    strong: str
    slight: str = " a little"
    clear: str = " clearly"

    def told(self, intensity: float) -> str:
        """In the imperative, at an intensity above 0."""
        if intensity >= _STRONG_FROM:
            return self.words.format(self.strong)
        if intensity >= _CLEAR_FROM:
            return self.words.format(self.clear)
        return self.words.format(self.slight if intensity < _SLIGHT_BELOW else "")


# By region; of a signed unit the movement with + is the positive one. Left and right are the viewer's.
MOVEMENTS: dict[str, dict[str, Movement]] = {
    "brows": {
        "inner_brow_raise": Movement("raise the inner ends of the brows{}", " high"),
        "outer_brow_raise": Movement("raise the outer ends of the brows{}", " high"),
        "brow_lower": Movement("lower the brows{} and draw them together", " hard"),
        "brow_tilt+": Movement("lift the right brow{} and lower the left one", " high"),
        "brow_tilt-": Movement("lift the left brow{} and lower the right one", " high"),
    },
    "eyes": {
        "upper_lid_raise": Movement("raise the upper eyelids{} so that the eyes widen", " high"),
        "lid_tighten": Movement("tighten the eyelids{}", " hard"),
        "eyes_closed": Movement("lower the upper eyelids{}", " until the eyes are almost shut"),
        "gaze_x+": Movement("turn the gaze{} to the right", " far"),
        "gaze_x-": Movement("turn the gaze{} to the left", " far"),
        "gaze_y+": Movement("lower the gaze{}", " far"),
        "gaze_y-": Movement("raise the gaze{}", " far"),
    },
    "cheeks": {
        "cheek_raise": Movement("lift the cheeks{} so that they push up the lower eyelids", " high"),
        "nose_wrinkle": Movement("wrinkle the nose{}", " hard"),
        "blush": Movement("redden the cheeks{}", " deeply"),
        "sweat": Movement("put{} drops of sweat on the temple", " large", " a few small", " many"),
    },
    "mouth": {
        "lip_corner_pull": Movement("pull the corners of the mouth up{} into a smile", " wide", " slightly"),
        "smirk+": Movement("pull the right corner of the mouth up{}", " hard"),
        "smirk-": Movement("pull the left corner of the mouth up{}", " hard"),
        "dimple": Movement("dimple the cheeks{} beside the mouth", " deeply"),
        "lip_corner_depress": Movement("pull the corners of the mouth down{}", " far"),
        "upper_lip_raise": Movement("raise the upper lip{}", " high"),
        "lower_lip_depress": Movement("pull the lower lip down{} to bare the lower teeth", " far"),
        "lip_pucker": Movement("pucker the lips{}", " tightly"),
        "lip_stretch": Movement("stretch the mouth{} sideways", " wide"),
        "lip_press": Movement("press the lips together{}", " hard"),
        "lips_part": Movement("part the lips{}", " wide"),
    },
    "jaw": {
        "jaw_drop": Movement("drop the jaw{}", " so that the mouth opens wide"),
        "chin_raise": Movement("push up the chin{} with the lower lip", " hard"),
    },
}


def simple_instruction(truth: Shown) -> str:
    """`Make the person look happy.`; `character` takes the place of `person` for anime."""
    look = _LOOKS.get(truth.expression, truth.expression)
    return f"Make the {_SUBJECTS[truth.domain]} look {look}."


def dense_instruction(source: Shown, truth: Shown) -> str:
    """What to let go of, what to do instead, how strongly, and what to leave alone."""
    sentences = []
    if source.expression != NEUTRAL:
        sentences.append(f"Let go of the expression of {_feeling(source.expression)}.")
    if truth.expression == NEUTRAL:
        return " ".join((*sentences, _AT_REST, _KEEP))
    sentences += [_sentence(movements) for movements in told_movements(truth.units)]
    degree = next(word for below, word in _DEGREES if truth.strength < below)
    sentences.append(f"The result is a {degree} expression of {_feeling(truth.expression)}.")
    return " ".join((*sentences, _KEEP))


def told_movements(units: ActionUnits) -> list[list[str]]:
    """The movements above LEAST_MENTIONED in words, region by region; regions at rest are left out."""
    told = (
        [
            movement.told(intensity)
            for name, movement in movements.items()
            if (intensity := _intensity(units, name)) > LEAST_MENTIONED
        ]
        for movements in MOVEMENTS.values()
    )
    return [phrases for phrases in told if phrases]


def _intensity(units: ActionUnits, name: str) -> float:
    value: float = getattr(units, name.rstrip("+-"))
    return -value if name.endswith("-") else value


def _feeling(expression: str) -> str:
    return _FEELINGS.get(expression, expression)


def _sentence(phrases: Sequence[str]) -> str:
    text = _listed(phrases)
    return f"{text[:1].upper()}{text[1:]}."


def _listed(phrases: Iterable[str]) -> str:
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last


NUM_TRIPLETS_A_DOMAIN = 120

_SIGNED = ("brow_tilt", "smirk", "gaze_x", "gaze_y")
_MOST = 2.0  # the intensity that portraits are drawn up to
# What belongs to the scene and not to the person: it stays where another person takes the place.
_SCENE = (
    *("seed", "clothes", "clothes_color", "background", "background_colors"),
    *("shift_x", "shift_y", "turn", "tilt", "scale"),
)


@dataclass(frozen=True)
class DrawnPicture:
    """A portrait that is drawn when asked for."""

    shown: Shown

    def load(self) -> Image.Image:
        return self.shown.portrait().image

    def sha256(self) -> str:
        """Of who is shown with which expression; the code's hash stands for the drawing."""
        return sha256_json({**asdict(self.shown), "picture_px": PICTURE_PX})


class DrawnFedBenchmark(FedBenchmark):
    """The first triplets of the plan in `drawn_plan`, the domains by turns.

    num_samples: triplets in all; NUM_TRIPLETS_A_DOMAIN of each domain by default. Fewer are the first of
    more.
    InputError for no triplets or no domains.
    """

    def __init__(
        self,
        num_samples: int | None = None,
        domains: Sequence[Domain] = DOMAINS,
        granularities: Sequence[Granularity] = GRANULARITIES,
    ) -> None:
        self.domains: tuple[Domain, ...] = tuple(domain for domain in DOMAINS if domain in domains)
        if not self.domains or len(self.domains) != len(domains):
            raise InputError(f"domains {tuple(domains)!r}: name each of {', '.join(DOMAINS)} at most once")
        if num_samples is None:
            num_samples = NUM_TRIPLETS_A_DOMAIN * len(self.domains)
        if num_samples < 1:
            raise InputError(f"num_samples {num_samples!r}: a benchmark has at least one triplet")
        by_turns = itertools.chain.from_iterable(zip(*map(planned_triplets, self.domains), strict=True))
        planned: tuple[PlannedTriplet, ...] = tuple(itertools.islice(by_turns, num_samples))
        self._planned = {triplet.name: triplet for triplet in planned}
        super().__init__(VERSION, "embedded", tuple(map(_triplet, planned)), granularities)

    def planned(self, source: str) -> PlannedTriplet:
        """Who is behind a task's source: what the source shows, and what the truth does."""
        return self._planned[self.triplet_of(source).name]

    def portrait(self, source: str, expression: str, strength: float, variant: int = 0) -> Portrait:
        """The person of that task with any expression at any strength (0..2), and the truth about it."""
        shown = self.planned(source).truth
        checked = check_strength(strength)
        return replace(shown, expression=expression, strength=checked, variant=variant).portrait()

    def truth_at(self, source: str, share: float) -> Portrait:
        """The person on the way from source (0) to ground truth (1), or beyond it, up to 2.

        Action units move in proportion; beyond the truth none turns into its opposite, so that what the
        source showed is gone. InputError for more than all of a neutral truth: there is no such face.
        """
        planned = self.planned(source)
        check_strength(share, "the share of the change")
        if share > 1 and planned.truth.expression == NEUTRAL:
            raise InputError(f"{source!r} asks for a neutral face: there is none beyond it")
        units = _on_the_way(planned.source.units, planned.truth.units, share)
        return draw_portrait(planned.truth.identity, units, planned.truth.domain, PICTURE_PX)

    def other_person(self, source: str) -> Portrait:
        """The ground truth's expression on another face, in the same place, clothes and pose."""
        truth = self.planned(source).truth
        scene = {name: getattr(truth.identity, name) for name in _SCENE}
        other = replace(sample_identity(truth.identity_seed + OTHER_PEOPLE), **scene)
        return draw_portrait(other, truth.units, truth.domain, PICTURE_PX)


def _triplet(planned: PlannedTriplet) -> FedTriplet:
    return FedTriplet(
        planned.name,
        planned.truth.expression,
        planned.truth.domain,
        dense_instruction(planned.source, planned.truth),
        simple_instruction(planned.truth),
        DrawnPicture(planned.source),
        DrawnPicture(planned.truth),
        planned.source.face_box(),
        None if planned.truth.expression == NEUTRAL else planned.truth.strength,
    )


def _on_the_way(source: ActionUnits, truth: ActionUnits, share: float) -> ActionUnits:
    moved = {}
    for unit in fields(ActionUnits):
        start, end = getattr(source, unit.name), getattr(truth, unit.name)
        least = -_MOST if unit.name in _SIGNED else 0.0
        moved[unit.name] = min(max(start + share * (end - start), least), _MOST)
    return ActionUnits(**moved)
