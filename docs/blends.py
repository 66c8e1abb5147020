"""All pairwise blends of the six basic expressions: blends.png, and in blends.json which are plausible.

    python docs/blends.py [--people 8] [--adapter FILE] [--out docs]

As section 5.6 of the paper, which counts 9 of 15 as plausible, judged by eye. Here the embedded judge scores
blends of equal parts on test identities, and beside them the drawn truth: the action units of both at half
strength, added. A blend counts as plausible where both parts reach at least half of the score that they
have in the truth, and .05 (of a truth that hardly shows a part, half is nothing), and no third expression
scores above both; means over people. The truth itself is held to the same: where another expression outdoes
both parts of a drawn blend, no edit can be told to be one.
"""

import argparse
import json
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pixelsmile.editing.editor import Editor
from pixelsmile.editing.requests import Request
from pixelsmile.errors import InputError, PixelSmileError
from pixelsmile.expressions import BASIC_SIX, EXPRESSIONS
from pixelsmile.judges.embedded.judge import EmbeddedJudge
from pixelsmile.judges.judge import Verdict
from pixelsmile.portraits import action_units, draw_portrait, sample_identity
from pixelsmile.store.publication import check_place

DOCS = Path(__file__).parent
FILES = ("blends.png", "blends.json")
FIRST_PERSON, SHOWN_PERSON = 1_000_100, 1_000_010  # test identities: the editor was never trained on them
PART = 0.5  # of each expression
LEAST_SHARE = 0.5  # of the truth's score
LEAST_SCORE = 0.05  # of either part, whatever the truth has
SIZE, MARGIN = 256, 22
PAIRS = tuple(combinations(BASIC_SIX, 2))


def blends(editor: Editor, seed: int) -> tuple[list[Image.Image], list[Image.Image]]:
    """The single expressions and the blends of one person, from a neutral portrait."""
    source = draw_portrait(sample_identity(seed), action_units("happy", 0.0), "human", SIZE).image
    single = [Request(expression=name, strengths=(1.0,)) for name in BASIC_SIX]
    both = [Request(blend={a: PART, b: PART}, strengths=(1.0,)) for a, b in PAIRS]
    images = [result.images[0] for result in editor.edit_many(source, [*single, *both])]
    return images[: len(single)], images[len(single) :]


def truths(seed: int) -> list[Image.Image]:
    """The same blends, drawn."""
    identity = sample_identity(seed)
    return [
        draw_portrait(identity, action_units(a, PART).plus(action_units(b, PART)), "human", SIZE).image
        for a, b in PAIRS
    ]


def mean_scores(judge: EmbeddedJudge, images: list[list[Image.Image]]) -> np.ndarray:
    """(pairs, expressions) of pictures by person; those without a verdict are left out.

    InputError where nobody's blend of a pair has one.
    """
    found_NPE = np.full((len(images), len(PAIRS), len(EXPRESSIONS)), np.nan)
    for person_PE, of_person in zip(found_NPE, images, strict=True):
        for place, outcome in enumerate(judge.judge_pictures(of_person)):
            if isinstance(outcome, Verdict):
                person_PE[place] = [outcome.scores[name] for name in EXPRESSIONS]
    for pair, without in zip(PAIRS, np.isnan(found_NPE).all(axis=(0, 2)), strict=True):
        if without:
            raise InputError(f"no blend of {' and '.join(pair)} gets a verdict: try more --people")
    return np.asarray(np.nanmean(found_NPE, axis=0))


def plausible(pair: tuple[str, str], edited: np.ndarray, truth: np.ndarray) -> bool:
    """See the top of this file."""
    parts = [EXPRESSIONS.index(name) for name in pair]
    others = np.delete(edited, parts)
    reached = all(edited[part] >= max(LEAST_SHARE * truth[part], LEAST_SCORE) for part in parts)
    return bool(reached and others.max() <= edited[parts].max())


def sheet(single: list[Image.Image], both: list[Image.Image], good: list[bool]) -> Image.Image:
    """Single expressions on the diagonal, blends below it; what is not plausible is marked."""
    side, cell = SIZE // 2, SIZE // 2 + MARGIN
    page = Image.new("RGB", (len(BASIC_SIX) * side + MARGIN, len(BASIC_SIX) * cell), "white")
    draw = ImageDraw.Draw(page)

    def put(image: Image.Image, row: int, column: int, words: str, colour: str = "#222222") -> None:
        corner = (column * side + MARGIN // 2, row * cell + MARGIN)
        page.paste(image.resize((side - 4, side - 4), Image.Resampling.LANCZOS), corner)
        draw.text((corner[0] + 2, corner[1] - 16), words, fill=colour, font=ImageFont.load_default(12))

    for index, (name, image) in enumerate(zip(BASIC_SIX, single, strict=True)):
        put(image, index, index, name)
    for (a, b), image, is_good in zip(PAIRS, both, good, strict=True):
        words, colour = (f"{a} + {b}", "#222222") if is_good else (f"({a} + {b})", "#999999")
        put(image, BASIC_SIX.index(b), BASIC_SIX.index(a), words, colour)
    return page


def main() -> None:
    """Write the picture and the numbers, and print which blends are plausible."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--adapter", default=None, help="a file, or none; default: the model's own")
    parser.add_argument("--out", type=Path, default=DOCS, help="the folder of both files; default: docs")
    arguments = parser.parse_args()
    if arguments.people < 1:
        parser.error("argument --people: give one or more")
    try:
        check_place(arguments.out, FILES, force=True)
        measure(arguments.people, arguments.adapter, arguments.out)
    except PixelSmileError as error:
        parser.error(str(error))


def measure(num_people: int, adapter: str | None, folder: Path) -> None:
    """See `main`."""
    editor, judge = Editor.from_pretrained("embedded", adapter=adapter), EmbeddedJudge()
    people = range(FIRST_PERSON, FIRST_PERSON + num_people)
    edited = mean_scores(judge, [blends(editor, seed)[1] for seed in people])
    drawn = mean_scores(judge, [truths(seed) for seed in people])
    good = [plausible(pair, *rows) for pair, *rows in zip(PAIRS, edited, drawn, strict=True)]
    possible = [plausible(pair, truth, truth) for pair, truth in zip(PAIRS, drawn, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    sheet(*blends(editor, SHOWN_PERSON), good).save(folder / FILES[0], optimize=True)
    rows = [
        {
            "blend": f"{a}+{b}",
            "plausible": is_good,
            "truth_plausible": is_possible,
            "scores": [round(float(scores[EXPRESSIONS.index(name)]), 3) for name in (a, b)],
            "truth": [round(float(truth[EXPRESSIONS.index(name)]), 3) for name in (a, b)],
            "highest_other": round(
                float(np.delete(scores, [EXPRESSIONS.index(a), EXPRESSIONS.index(b)]).max()), 3
            ),
        }
        for (a, b), is_good, is_possible, scores, truth in zip(
            PAIRS, good, possible, edited, drawn, strict=True
        )
    ]
    for row in rows:
        print(json.dumps(row))
    print(f"{sum(good)} of {len(good)} blends are plausible; drawn, {sum(possible)} are")
    record = {"people": num_people, "first_person": FIRST_PERSON, "blends": rows}
    (folder / FILES[1]).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
