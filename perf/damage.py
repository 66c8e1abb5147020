"""Does damage order what it should? Drawn truth, autoencoder, slight blur, the editor, and planted faults.

    python perf/damage.py [--people 8] [--expressions 3] [--model embedded] [--sheet damage.png]

For people that nobody was trained on, in both domains, every kind of picture is measured. Prints each kind's
quartiles, the paired differences of what follows on each other with 95 % intervals over people, and the two
ends of the scale by which damage earns marks. --sheet: all pictures, sorted by their damage, each beside its
nearest drawing: look whether you agree.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from counts import picture_file, whole
from PIL import Image, ImageDraw, ImageFilter

from pixelsmile.benchmarks.metrics.measure import Bootstrap, coverage, difference, estimate, mean_measure
from pixelsmile.editing.autoencoder import decode_latents, encode_images
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.folders import find_model
from pixelsmile.editing.pictures import to_pictures, to_tensor
from pixelsmile.editing.requests import Request
from pixelsmile.errors import ModelError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, Domain
from pixelsmile.portraits import ActionUnits, Identity, action_units, draw_portrait, render, sample_identity
from pixelsmile.portraits.damage import LOOK_PX, Damage, damage_of
from pixelsmile.portraits.nearest import DrawnPerson

FIRST_SEED = 7_700_000  # nobody else's
TRUTH, AUTOENCODER, BLUR, EDIT = "truth", "through the autoencoder", "slight blur", "edit"
BROW, MOUTH, DROPS, GLASSES = "doubled brow", "torn mouth", "smeared drops", "cut glasses"
PLANTED = (BROW, MOUTH, DROPS, GLASSES)
KINDS = (TRUTH, AUTOENCODER, BLUR, EDIT, *PLANTED)
ORDER = (TRUTH, AUTOENCODER, BLUR, EDIT, "planted faults")
BLUR_PX = 1.0  # the Gaussian's deviation
SMEAR_PX = 14
TILE_PX, COLUMNS = 110, 6
SOUND, RUINED = 0.9, 0.25  # shares of the pictures, at the ends of the scale


@dataclass(frozen=True)
class Case:
    """A person with an expression, drawn."""

    seed: int
    domain: Domain
    expression: str

    @property
    def identity(self) -> Identity:
        return sample_identity(self.seed)

    @property
    def units(self) -> ActionUnits:
        return action_units(self.expression)

    def draw(self, units: ActionUnits | None = None, identity: Identity | None = None) -> np.ndarray:
        """uint8 (S, S, 3)."""
        return render(identity or self.identity, units or self.units, self.domain, LOOK_PX)


@dataclass(frozen=True)
class Looked:
    """A picture and what was found."""

    case: Case
    kind: str
    picture: np.ndarray
    found: Damage


def pictures(case: Case, edit: np.ndarray, engine: QwenEngine) -> Iterator[tuple[str, np.ndarray]]:
    """One of each kind; cut glasses of those who wear any."""
    truth = case.draw()
    yield TRUTH, truth
    yield AUTOENCODER, reconstruction(engine, truth)
    yield BLUR, np.asarray(Image.fromarray(truth).filter(ImageFilter.GaussianBlur(BLUR_PX)))
    yield EDIT, edit
    yield BROW, doubled_brow(case)
    yield MOUTH, torn_mouth(case)
    yield DROPS, smeared_drops(case)
    if case.identity.glasses != "none":
        yield GLASSES, cut_glasses(case)


def doubled_brow(case: Case) -> np.ndarray:
    """The brows of two drawings, one above the other."""
    units, (left, right, *_) = case.units, landmarks(case)
    is_raised = units.inner_brow_raise > 0.6
    raised = ActionUnits(inner_brow_raise=1.2, outer_brow_raise=1.2)
    other = units.plus(ActionUnits(brow_lower=1.2) if is_raised else raised)
    above = int(min(left[1], right[1]) - 0.18 * np.linalg.norm(right - left))
    picture = case.draw()
    picture[:above] = np.minimum(picture[:above], case.draw(other)[:above])
    return picture


def torn_mouth(case: Case) -> np.ndarray:
    """One half of the mouth open, the other shut."""
    left, right, nose, *corners = landmarks(case)
    is_open = case.units.jaw_drop > 0.4 or case.units.lips_part > 0.5
    other = case.draw(action_units("sad" if is_open else "surprised"))
    across, below = int(np.mean(corners, axis=0)[0]), int(nose[1] + 0.1 * np.linalg.norm(right - left))
    picture = case.draw()
    picture[below:, across:] = other[below:, across:]
    return picture


def smeared_drops(case: Case) -> np.ndarray:
    """White smears where drops of sweat would be."""
    dry = case.draw(replace(case.units, sweat=0.0))
    wet = case.draw(replace(case.units, sweat=1.5))
    smear = np.abs(wet.astype(int) - dry).sum(-1) > 20
    for step in range(1, SMEAR_PX):
        smear |= np.roll(smear, step, axis=0)
    soft = Image.fromarray((smear * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2))
    white = 0.7 * np.asarray(soft)[..., None] / 255
    return np.asarray(dry * (1 - white) + 255 * white).astype(np.uint8)


def cut_glasses(case: Case) -> np.ndarray:
    """Half of the glasses."""
    left, right, *_ = landmarks(case)
    across = int((left[0] + right[0]) / 2)
    picture = case.draw()
    picture[:, :across] = case.draw(identity=replace(case.identity, glasses="none"))[:, :across]
    return picture


def landmarks(case: Case) -> np.ndarray:
    """5 x 2, in pixels."""
    return draw_portrait(case.identity, case.units, case.domain, LOOK_PX).truth.landmarks_5


@torch.inference_mode()
def reconstruction(engine: QwenEngine, picture: np.ndarray) -> np.ndarray:
    """The picture after the autoencoder alone."""
    latents_BCHW = encode_images(engine.parts.vae, to_tensor(Image.fromarray(picture)))
    return np.asarray(to_pictures(decode_latents(engine.parts.vae, latents_BCHW))[0])


def look(people: int, num_expressions: int, model: str) -> Iterator[Looked]:
    """Every picture of everybody."""
    editor = Editor.from_pretrained(model, adapter="none")
    assert isinstance(editor.engine, QwenEngine)
    for index in range(people):
        for domain in DOMAINS:
            seed = FIRST_SEED + index
            names = [EXPRESSIONS[(5 * index + 7 * i) % len(EXPRESSIONS)] for i in range(num_expressions)]
            person = DrawnPerson(sample_identity(seed), domain)
            rest = Image.fromarray(render(person.identity, ActionUnits(), domain, LOOK_PX))
            edits = editor.edit_many(
                rest, [Request(name, None, None, (1.0,)) for name in names], domain=domain
            )
            for name, edit in zip(names, edits, strict=True):
                case = Case(seed, domain, name)
                for kind, picture in pictures(case, np.asarray(edit.images[0]), editor.engine):
                    yield Looked(case, kind, picture, damage_of(Image.fromarray(picture), person))


def report(looked: Sequence[Looked]) -> Iterator[str]:
    """Quartiles, differences and the scale, as lines."""
    for domain in DOMAINS:
        yield f"{domain}: damage, lower quartile, median, upper quartile; lopsided, median"
        for kind in KINDS:
            some = [each.found for each in looked if (each.case.domain, each.kind) == (domain, kind)]
            if some:
                quartiles = np.quantile([found.damage for found in some], (0.25, 0.5, 0.75))
                words = " ".join(f"{value:6.1f}" for value in quartiles)
                lopsided = np.median([found.lopsided for found in some])
                yield f"  {kind:24}{words}   {lopsided:6.1f}   n {len(some)}"
        for worse, better in zip(ORDER[1:], ORDER, strict=False):
            yield f"  {worse} - {better}: {_difference(looked, domain, worse, better)}"
    sound = [each.found.damage for each in looked if each.kind == AUTOENCODER]
    ruined = [each.found.damage for each in looked if each.kind in PLANTED]
    ends = np.quantile(sound, SOUND), np.quantile(ruined, RUINED)
    yield f"scale: full marks up to {ends[0]:.1f}, none from {ends[1]:.1f}"


def _difference(looked: Sequence[Looked], domain: Domain, worse: str, better: str) -> str:
    """The mean over pictures of one person and expression, paired; people are drawn again."""
    values: defaultdict[Case, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for each in looked:
        kind = ORDER[-1] if each.kind in PLANTED else each.kind
        if each.case.domain == domain:
            values[each.case][kind].append(each.found.damage)
    one, other = (np.array([np.mean(found[kind]) for found in values.values()]) for kind in (worse, better))
    return paired_difference(one, other, [case.seed for case in values])


def paired_difference(one_N: np.ndarray, other_N: np.ndarray, seeds: Sequence[int], digits: int = 1) -> str:
    """The mean of `one` less that of `other`, where both are numbers; whose seed it is is drawn again."""
    is_there_N = np.isfinite(one_N) & np.isfinite(other_N)
    people, sample_N = np.unique(np.array(seeds)[is_there_N], return_inverse=True)
    if np.array_equal(one_N[is_there_N], other_N[is_there_N]):
        return "none"
    rests_on = coverage("edits", sample_N, np.ones(len(sample_N), bool), ())
    measures = [mean_measure(each[is_there_N], sample_N, len(people), rests_on) for each in (one_N, other_N)]
    plan = Bootstrap(method="percentile")
    found = estimate(difference(*measures), plan, plan.draw(len(people)))
    if found.value is None or found.low is None or found.high is None:
        return found.note or "undefined"
    return f"{found.value:+.{digits}f} ({found.low:+.{digits}f} to {found.high:+.{digits}f})"


def sheet(looked: Sequence[Looked]) -> Image.Image:
    """All pictures, by rising damage, each beside its nearest drawing."""
    ranked = sorted(looked, key=lambda each: each.found.damage)
    rows = -(-len(ranked) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * 2 * TILE_PX, rows * TILE_PX), "white")
    draw = ImageDraw.Draw(page)
    for place, each in enumerate(ranked):
        row, column = divmod(place, COLUMNS)
        corner = (column * 2 * TILE_PX, row * TILE_PX)
        for shift, pixels in enumerate((each.picture, each.case.draw(each.found.units))):
            tile = Image.fromarray(pixels).resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
            page.paste(tile, (corner[0] + shift * TILE_PX, corner[1]))
        draw.text((corner[0] + 2, corner[1] + 2), f"{each.found.damage:.1f} {each.kind}", fill="red")
    return page


def main() -> int:
    """Look, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=whole(), default=8, help="in each domain")
    parser.add_argument("--expressions", type=whole(), default=3, help="of each person")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--sheet", type=picture_file, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.expressions > len(EXPRESSIONS):
        parser.error(
            f"argument --expressions: {arguments.expressions} are more than there are: {len(EXPRESSIONS)}"
        )
    try:
        find_model(arguments.model)
    except ModelError as error:
        parser.error(str(error))
    torch.set_num_threads(1)
    looked = list(look(arguments.people, arguments.expressions, arguments.model))
    print("\n".join(report(looked)))
    if arguments.sheet:
        sheet(looked).save(arguments.sheet)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
