"""The embedded triplets: drawn portraits, with the truth about everything that an editor may make of them."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

from PIL import Image

from pixelsmile.benchmarks.drawn_people import PICTURE_PX, Shown
from pixelsmile.benchmarks.fed.drawn_plan import OTHER_PEOPLE, VERSION, PlannedTriplet, planned_triplets
from pixelsmile.benchmarks.fed.instructions import dense_instruction, simple_instruction
from pixelsmile.benchmarks.fed.triplets import GRANULARITIES, FedBenchmark, FedTriplet, Granularity
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, NEUTRAL, Domain, check_strength
from pixelsmile.hashing import sha256_json
from pixelsmile.portraits import ActionUnits, Portrait, draw_portrait, sample_identity

NUM_TRIPLETS_A_STYLE = 120

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
    """The first triplets of the plan in `drawn_plan`, the styles by turns.

    num_samples: triplets in all; NUM_TRIPLETS_A_STYLE of each style by default. Fewer are the first of more.
    InputError for no triplets or no styles.
    """

    def __init__(
        self,
        num_samples: int | None = None,
        styles: Sequence[Domain] = DOMAINS,
        granularities: Sequence[Granularity] = GRANULARITIES,
    ) -> None:
        self.styles: tuple[Domain, ...] = tuple(style for style in DOMAINS if style in styles)
        if not self.styles or len(self.styles) != len(styles):
            raise InputError(f"styles {tuple(styles)!r}: name each of {', '.join(DOMAINS)} at most once")
        if num_samples is None:
            num_samples = NUM_TRIPLETS_A_STYLE * len(self.styles)
        if num_samples < 1:
            raise InputError(f"num_samples {num_samples!r}: a benchmark has at least one triplet")
        by_turns = itertools.chain.from_iterable(zip(*map(planned_triplets, self.styles), strict=True))
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
        return draw_portrait(planned.truth.identity, units, planned.truth.style, PICTURE_PX)

    def other_person(self, source: str) -> Portrait:
        """The ground truth's expression on another face, in the same place, clothes and pose."""
        truth = self.planned(source).truth
        scene = {name: getattr(truth.identity, name) for name in _SCENE}
        other = replace(sample_identity(truth.identity_seed + OTHER_PEOPLE), **scene)
        return draw_portrait(other, truth.units, truth.style, PICTURE_PX)


def _triplet(planned: PlannedTriplet) -> FedTriplet:
    return FedTriplet(
        planned.name,
        planned.truth.expression,
        planned.truth.style,
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
