"""Pictures of FED-Bench: a task with its ground truth and the edits of several runs, each with its parts."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from pixelsmile.benchmarks.fed.components import STRENGTH
from pixelsmile.benchmarks.fed.results import FedResults, ScoredEdit
from pixelsmile.benchmarks.report.fed_numbers import COMPONENT_NUMBERS, goodness
from pixelsmile.benchmarks.report.html import Html, tag
from pixelsmile.benchmarks.report.pictures import Thumbnails
from pixelsmile.benchmarks.report.strips import excerpt
from pixelsmile.benchmarks.report.text import UNKNOWN, format_number
from pixelsmile.benchmarks.run_folder import EditKey, EditRecord


class FedAlbum:
    """The pictures of one run, and what was found out about each edit."""

    def __init__(self, label: str, run: FedResults) -> None:
        self.label, self.run = label, run
        self._pictures = Thumbnails(run.folder)

    def source(self, scored: ScoredEdit) -> Html:
        """What the editor got, or a box that says that it is not there."""
        return self._picture(self.run.source_file(scored), "source")

    def truth(self, scored: ScoredEdit) -> Html:
        """What was asked for."""
        return self._picture(self.run.truth_file(scored), "ground truth")

    def edit(self, scored: ScoredEdit) -> Html:
        """What was made, or a box with the reason why there is none."""
        made = self._made.get((scored.task.source, scored.task.target, STRENGTH))
        if made is None or made.file is None:
            return tag("div", scored.edit.unscored_reason(), class_="no-picture")
        return self._pictures.edit(made, f"{scored.edit.sample}, edit of {self.label}")

    def parts(self, scored: ScoredEdit) -> Html:
        """The six components as bars, full where they are best, and the score; why it is missing."""
        constants = self.run.summary.constants
        rows = []
        for number in COMPONENT_NUMBERS:
            value = scored.edit.components[number.name]
            full = 0.0 if value is None else goodness(number.name, value, constants)
            meter = tag("meter", value=round(full, 3), min=0, max=1, aria_hidden="true")
            words = tag("span", format_number(value, number.digits))
            title = scored.edit.reasons.get(number.name, number.meaning)
            rows.append(tag("li", tag("span", number.label), meter, words, title=title))
        score = tag("p", tag("b", "Score"), tag("b", format_number(scored.score)), class_="score")
        reason = scored.edit.unscored_reason()
        why = None if reason is None or scored.file is None else tag("p", tag("span", reason), class_="why")
        return tag("div", score, tag("ul", *rows, class_="parts"), why)

    @cached_property
    def _made(self) -> Mapping[EditKey, EditRecord]:
        return self.run.folder.edits()

    def _picture(self, file: Path, words: str) -> Html:
        if not file.is_file():
            return tag("div", f"no {words}: the file is not there", class_="no-picture")
        return self._pictures.image(file, words)


def task_strip(why: str, albums: Sequence[FedAlbum], task: Sequence[ScoredEdit]) -> Html:
    """One task: source, ground truth, the edit of each run in the order of `albums`."""
    first = task[0]
    caption = tag(
        "figcaption",
        tag("strong", why),
        f" · {first.edit.sample} → {first.edit.expression} ",
        tag("span", first.edit.granularity, class_="muted"),
        tag("q", first.task.prompt, class_="asked"),
    )
    given = (
        tag("div", albums[0].source(first), tag("p", "source"), class_="tile given"),
        tag("div", albums[0].truth(first), tag("p", "ground truth"), class_="tile given"),
    )
    tiles = (
        tag("div", album.edit(scored), tag("p", tag("b", album.label)), album.parts(scored), class_="tile")
        for album, scored in zip(albums, task, strict=True)
    )
    return tag(
        "figure", caption, tag("div", *given, *tiles, class_="strip roomy", tabindex=0), class_="sweep"
    )


def edit_case(album: FedAlbum, scored: ScoredEdit, verdict: str) -> Html:
    """Source, ground truth and edit in a row, the components, and the markers' own words."""
    said = [
        tag("blockquote", tag("b", f"{number.label} "), excerpt(scored.words[number.name]))
        for number in COMPONENT_NUMBERS
        if number.name in scored.words
    ]
    pictures = (album.source(scored), album.truth(scored), album.edit(scored))
    return tag(
        "article",
        tag("div", *pictures, class_="triple"),
        tag("p", tag("strong", verdict), f" · {scored.edit.sample} → {scored.edit.expression}"),
        tag("p", tag("q", scored.task.prompt), class_="muted"),
        album.parts(scored),
        tag("details", tag("summary", "what the judge said"), *said) if said else None,
        class_="card",
    )


def unscored_cases(albums: Mapping[str, FedAlbum], num: int) -> list[Html]:
    """The first edits of each run without a score, with the reason."""
    parts = []
    for label, album in albums.items():
        found = [each for each in album.run.edits if each.score is None]
        if not found:
            continue
        items = (
            tag("li", f"{each.edit.sample} → {each.edit.expression}, {each.edit.granularity}: {_why(each)}")
            for each in found[:num]
        )
        more = tag("p", f"… and {len(found) - num} more.", class_="muted") if len(found) > num else None
        heading = tag("h4", f"{label}: edits without a score")
        parts.append(tag("div", heading, tag("ul", *items, class_="unscored"), more))
    return parts


def _why(scored: ScoredEdit) -> str:
    reasons = dict.fromkeys(scored.edit.reasons.values())
    return excerpt("; ".join(reasons)) or UNKNOWN
