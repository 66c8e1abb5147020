"""Limits of `screen`: set on some people, and tested on others, with planted faults.

    python perf/screens.py limits [--people 150]      # of each measure: whom which limit cuts
    python perf/screens.py test [--people 600]        # recall and precision with the limits that ship
    python perf/screens.py limits PICTURES...         # of photographs, edited by the geometric editor:
    python perf/screens.py test PICTURES... [--sheet FILE]    # every second person, and the others

What is planted: `planted.py`, `planted_photographs.py`. A limit is put where the share of clean rows that it
cuts and the share of faulty ones that it leaves are least together, in the middle of the stretch where they
are. Intervals: Wilson, 95 %.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from counts import picture_file, whole
from PIL import Image, ImageDraw
from planted import BASE_FAULT, BASE_REASON, FED_FAULTS, SWEEP_FAULTS, Maker, Planted
from planted_photographs import Photographs

from pixelsmile.dataset import preset_path
from pixelsmile.dataset.config import BuildConfig, FaceSettings
from pixelsmile.dataset.edit_config import ScreenLimits, ScreenSettings
from pixelsmile.dataset.faces import Faces
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.screen import JOINED, Screen
from pixelsmile.dataset.screen_checks import is_judged
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.images import load_image
from pixelsmile.judges.embedded.judge import EmbeddedJudge
from pixelsmile.judges.judge import NoVerdict, Verdict
from pixelsmile.judges.photo.judge import PhotoJudge
from pixelsmile.judges.photo.scores import CATEGORIES
from pixelsmile.store.configuration import read_configuration
from pixelsmile.workers.pool import Workers

FIRST_LIMITS, FIRST_TEST = 27_000_000, 28_000_000  # seeds of people that nothing else draws
NO_LIMITS = dict.fromkeys(set(ScreenLimits.model_fields) - {"judged_from"})
UNLIMITED = ScreenSettings.model_validate({"drawn": NO_LIMITS, "human": NO_LIMITS, "keep_unjudged": True})
_OF_SWEEPS = ("max_excess", "max_drop", "max_step_ratio")


def shipped_for(what: str) -> ScreenSettings:
    """The limits of the configuration that makes such a set."""
    if (name := {"pairs": "fed-miniature", "sweeps": "ffe-miniature"}.get(what)) is None:
        return ScreenSettings()
    return read_configuration(preset_path(name), BuildConfig).screen or ScreenSettings()


def judged_label(row: Row) -> bool:
    """Whether its scores alone say what it shows."""
    return row.expression != NEUTRAL and is_judged(row, ScreenLimits())


_WRONG = ("wrong expression", "label swapped", BASE_FAULT)
# Of each limit its measure, the faults that it is to cut, and the rows that it looks at.
LIMITS: dict[str, tuple[str, tuple[str, ...], Callable[[Row], bool]]] = {
    "min_sharpness_share": ("sharpness_share", ("blur",), lambda row: True),
    "max_face_scale": ("face_scale", ("zoomed",), lambda row: True),
    "min_fit": ("label_fit", (*_WRONG, "too weak"), judged_label),
    "max_excess": ("label_excess", ("too strong",), judged_label),
    "max_other": ("other_excess", _WRONG, judged_label),
    "min_neutral": ("label_score", _WRONG, lambda row: row.expression == NEUTRAL),
    "min_score_change": ("score_change", ("no change",), lambda row: True),
    "min_face_change": ("face_change", ("no change",), lambda row: True),
    "min_identity": ("identity_cosine", ("swapped identity",), lambda row: True),
    "max_background": ("background_rmse", ("changed background",), lambda row: True),
    "min_nearest_change": ("nearest_change", ("duplicate",), lambda row: True),
    "max_drop": ("sweep_drop", ("exchanged strengths",), lambda row: True),
    "max_step_ratio": ("step_ratio", ("one jump",), lambda row: True),
}
_SHEET_PX = 192
SWEEPS_IN = 4  # for each so many people of pairs one of sweeps
QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)


@cache
def judges() -> tuple[EmbeddedJudge, PhotoJudge]:
    return EmbeddedJudge(), PhotoJudge()


def judged(folder: Path, rows: Sequence[Row]) -> list[Row]:
    """What `annotate` writes."""
    of_drawn, of_photographs = judges()
    found = []
    for row in rows:
        image = load_image(folder / (row.picture or ""))
        scores: tuple[float | None, ...] | None = None
        if row.is_drawn:
            (verdict,) = of_drawn.judge_pictures([image])
            if isinstance(verdict, Verdict):
                scores = tuple(verdict.scores[name] for name in EXPRESSIONS)
        elif not isinstance(look := of_photographs.look(image), NoVerdict):
            scores = tuple(
                float(score) if name in CATEGORIES else None
                for name, score in zip(EXPRESSIONS, look.scores, strict=True)
            )
        found.append(row if scores is None else row.updated(scores=scores))
    return found


def screened(folder: Path, settings: ScreenSettings, rows: Sequence[Row]) -> list[Row]:
    """A group through faces (the base), the judge and the screen."""
    faces = FaceSettings()
    base = rows[0] if rows[0].embedding is not None else Faces(folder, faces)(rows[0])
    if base.reason is not None:
        return [base]
    return Screen(folder, settings, faces)(judged(folder, [base, *rows[1:]]))


def made(
    groups: Iterator[list[Planted]], folder: Path, settings: ScreenSettings, workers: Workers
) -> list[Planted]:
    """The rows as the screen leaves them, with their faults. Groups whose base is none are left out."""
    faults: dict[str, str | None] = {}

    def batches() -> Iterator[list[Row]]:
        for group in groups:
            faults.update({planted.row.id: planted.fault for planted in group})
            yield [planted.row for planted in group]

    done: list[Row] = []
    try:
        for rows in workers.map(partial(screened, folder, settings), batches(), lambda row: row):
            done += rows if len(rows) > 1 else ()
    except KeyboardInterrupt:
        print("interrupted: what follows counts what was done")
    return [Planted(row, faults[row.id]) for row in done]


def wilson(hits: int, num: int) -> tuple[float, float]:
    """95 %."""
    z, share = 1.96, hits / num
    middle, half = share + z * z / (2 * num), z * np.sqrt(share * (1 - share) / num + (z / (2 * num)) ** 2)
    low, high = ((middle + side * half) / (1 + z * z / num) for side in (-1, 1))
    return max(0.0, low), min(1.0, high)


def share(hits: int, num: int) -> str:
    """`.95 (.91 to .97) of 120`."""
    if num == 0:
        return "-"
    low, high = wilson(hits, num)
    return f"{hits / num:.3f} ({low:.3f} to {high:.3f}) of {num:,}"


def best_limit(clean: np.ndarray, faulty: np.ndarray, is_least: bool) -> float:
    """Where the two shares are least together, in the middle of that stretch."""
    sign = 1 if is_least else -1
    clean, faulty = np.sort(sign * clean), np.sort(sign * faulty)
    places = np.unique(np.concatenate([clean, faulty]))
    between = np.concatenate([places[:1], (places[1:] + places[:-1]) / 2, places[-1:]])
    cut = np.searchsorted(clean, between) / len(clean)
    left = 1 - np.searchsorted(faulty, between) / len(faulty)
    costs = cut + left
    best = np.flatnonzero(costs <= costs.min() + 1e-9)
    run = best[: 1 + next((k for k, gap in enumerate(np.diff(best)) if gap > 1), len(best) - 1)]
    return float(sign * (between[run[0]] + between[run[-1]]) / 2)


def tell_limit(name: str, rows: Sequence[Planted], shipped: ScreenLimits) -> None:
    """One measure: its distribution on clean and faulty rows, the limits, and what they cut."""
    field, faults, is_looked_at = LIMITS[name]
    wrong = {one.row.id for one in rows if one.fault is not None}
    known = [
        (getattr(one.row, field), one.fault)
        for one in rows
        if getattr(one.row, field) is not None
        and is_looked_at(one.row)
        and (one.fault is not None or name != "min_nearest_change" or one.row.nearest not in wrong)
    ]
    if not known:
        return
    clean = np.array([value for value, fault in known if fault is None])
    faulty = np.array([value for value, fault in known if fault in faults])
    is_least = name.startswith("min")
    print(f"{name}: {field}, at {'least' if is_least else 'most'}")
    for words, values in (("clean", clean), (" or ".join(faults), faulty)):
        if len(values):
            numbers = "  ".join(f"{number:8.3f}" for number in np.quantile(values, QUANTILES))
            print(f"  {numbers}   {words} ({len(values):,})")
    limits = {"ships": getattr(shipped, name)}
    if len(clean) and len(faulty):
        limits["best"] = best_limit(clean, faulty, is_least)
    for words, limit in limits.items():
        if limit is None:
            continue

        def cut(values: np.ndarray, limit: float = limit) -> str:
            return share(int(((values < limit) if is_least else (values > limit)).sum()), len(values))

        print(f"  {words} {limit:.3f}: cuts {cut(clean)} clean, {cut(faulty)} faulty")


@dataclass(frozen=True)
class Told:
    """What was wrong with a row, and what the screen says."""

    fault: str | None
    reasons: frozenset[str]


def told(rows: Sequence[Planted]) -> list[Told]:
    """An edit of a mislabelled base has the base's fault where it has none of its own."""
    wrong = {one.row.id for one in rows if one.row.base is None and one.fault is not None}
    found = []
    for one in rows:
        fault = one.fault or (BASE_FAULT if one.row.base in wrong else None)
        said = one.row.faults.split(JOINED) if one.row.faults is not None else [one.row.reason or ""]
        found.append(Told(fault, frozenset(said) - {""}))
    return found


def tell_test(rows: Sequence[Planted], expected: dict[str, tuple[str, ...]]) -> None:
    """Recall and precision of each reason, and of all together."""
    known = told(rows)
    print(f"{'fault':<22} {'found by its own screen':<34} found at all")
    for fault, reasons in expected.items():
        those = [one for one in known if one.fault == fault]
        own = sum(not one.reasons.isdisjoint(reasons) for one in those)
        at_all = sum(bool(one.reasons) for one in those)
        print(f"{fault:<22} {share(own, len(those)):<34} {share(at_all, len(those))}")
    print(f"\n{'reason':<22} {'of rows told, have its fault':<34} have any fault")
    for reason in sorted({reason for one in known for reason in one.reasons}):
        those = [one for one in known if reason in one.reasons]
        own = sum(reason in expected.get(one.fault or "", ()) for one in those)
        faulty = sum(one.fault is not None for one in those)
        print(f"{reason:<22} {share(own, len(those)):<34} {share(faulty, len(those))}")
    cut, left = ([one for one in known if bool(one.reasons) == is_cut] for is_cut in (True, False))
    num_cut, num_left = (sum(one.fault is not None for one in part) for part in (cut, left))
    num_faulty = num_cut + num_left
    print(f"\nall together: recall {share(num_cut, num_faulty)}, precision {share(num_cut, len(cut))}")
    print(f"clean rows cut {share(len(cut) - num_cut, len(known) - num_faulty)}")
    print(f"faulty before {share(num_faulty, len(known))}, after {share(num_left, len(left))}")


def contact_sheet(folder: Path, rows: Sequence[Row], path: Path, num: int = 10) -> None:
    """Some rows, kept and rejected ones in turn: the base, the edit, and what was said."""
    bases = {row.id: row for row in rows if row.base is None}
    edits = [row for row in rows if row.base is not None]
    lots = random.Random(0)
    kept, rejected = ([row for row in edits if (row.reason is None) == good] for good in (True, False))
    some = [
        *lots.sample(kept, min(num // 2, len(kept))),
        *lots.sample(rejected, min(num // 2, len(rejected))),
    ]
    sheet = Image.new("RGB", (5 * 2 * _SHEET_PX, 2 * (_SHEET_PX + 40)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, row in enumerate(some):
        x, y = place % 5 * 2 * _SHEET_PX, place // 5 * (_SHEET_PX + 40)
        for column, shown in enumerate((bases[row.base or ""], row)):
            image = load_image(folder / (shown.picture or ""))
            x0, y0, x1, y1 = bases[row.base or ""].face_box or (0, 0, *image.size)
            grow = 0.6 * max(x1 - x0, y1 - y0)
            image = image.crop((round(x0 - grow), round(y0 - grow), round(x1 + grow), round(y1 + grow)))
            image.thumbnail((_SHEET_PX, _SHEET_PX))
            sheet.paste(image, (x + column * _SHEET_PX, y))
        words = f"{row.expression} {row.strength:g}: {row.faults or 'kept'}"
        numbers = f"fit {row.label_fit} id {row.identity_cosine} bg {row.background_rmse}"
        draw.text((x + 4, y + _SHEET_PX + 2), f"{words}\n{numbers}", fill="black")
    sheet.save(path)


def main() -> None:
    """Make, judge, screen, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("limits", "test"))
    parser.add_argument("pictures", nargs="*", type=Path, help="photographs; without any, drawn people")
    parser.add_argument("--people", type=whole(), default=150)
    parser.add_argument("--workers", type=whole(0), default=1)
    parser.add_argument("--sheet", type=picture_file, help="a picture of ten rows is to be written there")
    options = parser.parse_args()
    is_test = options.what == "test"
    first, num = FIRST_TEST if is_test else FIRST_LIMITS, options.people
    with tempfile.TemporaryDirectory() as name, Workers(options.workers) as workers:
        folder, start = Path(name), time.perf_counter()
        sets: dict[str, tuple[Iterator[list[Planted]], dict[str, tuple[str, ...]]]]
        if options.pictures:
            photographs = Photographs(folder, options.pictures)
            places = range(is_test, len(photographs.bases), 2)
            faults = {name: reasons for name, reasons in FED_FAULTS.items() if name != "label swapped"}
            sets = {"photographs": (photographs.groups(places), faults)}
        else:
            pairs, sweeps = (Maker(folder, seed) for seed in (first, first + 1))
            faults = {**FED_FAULTS, BASE_FAULT: (BASE_REASON,)}
            sets = {
                "pairs": (pairs.fed(first, num), faults),
                "sweeps": (sweeps.sweeps(first + num, max(1, num // SWEEPS_IN)), SWEEP_FAULTS),
            }
        found = {}
        for what, (groups, _) in sets.items():
            found[what] = made(groups, folder, shipped_for(what) if is_test else UNLIMITED, workers)
        for what, rows in found.items():
            print(f"{len(rows):,} rows of {what}, {time.perf_counter() - start:.0f} s in all")
            if is_test:
                tell_test(rows, sets[what][1])
        if not is_test:
            first_set = next(iter(found))
            shipped = ScreenSettings().human if options.pictures else ScreenSettings().drawn
            for limit in LIMITS:
                tell_limit(limit, found.get("sweeps" if limit in _OF_SWEEPS else first_set, []), shipped)
        if options.sheet is not None:
            contact_sheet(folder, [one.row for rows in found.values() for one in rows], options.sheet)


if __name__ == "__main__":
    main()
