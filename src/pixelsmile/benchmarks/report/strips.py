"""Pictures of a report: sweeps as strips, and single edits with what the judge said of them."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from pixelsmile.benchmarks.metrics import JudgedEdit
from pixelsmile.benchmarks.opinions import current_outcomes
from pixelsmile.benchmarks.report.cases import Point, ShownSweep, Why, leading
from pixelsmile.benchmarks.report.html import Html, tag
from pixelsmile.benchmarks.report.pictures import Thumbnails
from pixelsmile.benchmarks.report.text import format_number
from pixelsmile.benchmarks.results import RunResults
from pixelsmile.benchmarks.run_folder import EditKey, EditRecord
from pixelsmile.judges.verdict import NoVerdict, Outcome

_NUM_LEADING = 3
_EXCERPT_LETTERS = 420


class Album:
    """The pictures of one run, and what its judges said of them."""

    def __init__(self, label: str, run: RunResults) -> None:
        self.label, self._run = label, run
        self._pictures = Thumbnails(run.folder)

    def source(self, source: str) -> Html:
        """The picture, or a box that says that an unfinished run has not come to it."""
        file = self._run.folder.source_file(source)
        if not file.is_file():
            return tag("div", f"no {source}, the source: not begun yet", class_="no-picture")
        return self._pictures.image(file, f"{source}, the source")

    def has(self, edit: JudgedEdit) -> bool:
        """Whether that edit was made."""
        return edit.key in self._made and self._made[edit.key].file is not None

    def edit(self, edit: JudgedEdit) -> Html:
        """The picture, or a box with the reason why there is none."""
        if not self.has(edit):
            return tag("div", edit.no_verdict, class_="no-picture")
        words = f"{edit.sample}, {edit.target} at strength {edit.strength:g}"
        return self._pictures.edit(self._made[edit.key], words)

    def said(self, edit: JudgedEdit) -> str | None:
        """The beginning of the last answer about that edit; of the first judge that gave any."""
        for outcomes in self.outcomes.values():
            outcome = outcomes.get(edit.key)
            if outcome is not None and outcome.transcript:
                return excerpt(outcome.transcript[-1])
        return None

    def unscored(self) -> list[tuple[EditKey, NoVerdict]]:
        """The edits that a judge gave no verdict on."""
        return [
            (key, outcome)
            for outcomes in self.outcomes.values()
            for key, outcome in outcomes.items()
            if isinstance(outcome, NoVerdict)
        ]

    @cached_property
    def outcomes(self) -> Mapping[str, Mapping[EditKey, Outcome]]:
        """What was said of the pictures as they are now, by judge."""
        folder = self._run.folder
        return {judge: current_outcomes(folder, judge, self._made) for judge in self._run.judges}

    @cached_property
    def _made(self) -> Mapping[EditKey, EditRecord]:
        return self._run.folder.edits()


def excerpt(text: str) -> str:
    """`text` on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT_LETTERS else line[:_EXCERPT_LETTERS].rstrip() + " …"


def sweep_strip(album: Album, sweep: ShownSweep, heading: Why | str) -> Html:
    """The source and its edits by rising strength, with score and identity below each."""
    numbers = f"r {format_number(sweep.linearity, 2)} · quality {format_number(sweep.quality, 2)}"
    caption = tag(
        "figcaption",
        tag("strong", heading),
        f" · {sweep.source} → {sweep.target} ",
        tag("span", numbers, class_="muted"),
    )
    first = tag("div", album.source(sweep.source), tag("p", "source"), class_="tile first")
    tiles = (_tile(album, point) for point in sweep.points)
    return tag("figure", caption, tag("div", first, *tiles, class_="strip", tabindex=0), class_="sweep")


def edit_card(album: Album, point: Point, verdict: str) -> Html:
    """Source and edit side by side, what was seen in it, and the judge's own words."""
    edit = point.edit
    bars = (
        tag("li", f"{name} ", tag("meter", value=score, min=0, max=1, aria_hidden="true"), f" {score:.2f}")
        for name, score in leading(edit, _NUM_LEADING)
    )
    said = album.said(edit)
    return tag(
        "article",
        tag("div", album.source(edit.sample), album.edit(edit), class_="pair"),
        tag("p", tag("strong", verdict)),
        tag(
            "p",
            f"{edit.sample}, strength {edit.strength:g}, identity {format_number(point.identity, 2)}",
            class_="muted",
        ),
        tag("ul", *bars, class_="bars"),
        None if said is None else tag("blockquote", said),
        class_="card",
    )


def unscored_list(album: Album, num: int) -> Html:
    """The first edits without a verdict, with the reason and what the judge said."""
    found = album.unscored()
    items: Sequence[Html] = [
        tag(
            "li",
            f"{source} → {target} at {strength:g}: {outcome.reason}. {excerpt(outcome.detail)}",
            tag("blockquote", excerpt(outcome.transcript[-1])) if outcome.transcript else None,
        )
        for (source, target, strength), outcome in found[:num]
    ]
    if not found:
        return Html("")
    more = tag("p", f"… and {len(found) - num} more.", class_="muted") if len(found) > num else None
    return tag(
        "div",
        tag("h4", f"{album.label}: edits without a verdict"),
        tag("ul", *items, class_="unscored"),
        more,
    )


def _tile(album: Album, point: Point) -> Html:
    meter = words = None
    if point.edit.scores is not None:
        meter = tag("meter", value=point.score, min=0, max=1, aria_hidden="true")
        words = f"{format_number(point.score, 2)} · ID {format_number(point.identity, 2)}"
    elif album.has(point.edit):
        words = point.edit.no_verdict
    caption = tag("p", tag("b", f"{point.edit.strength:g}"), tag("span", words))
    return tag("div", album.edit(point.edit), meter, caption, class_="tile")
