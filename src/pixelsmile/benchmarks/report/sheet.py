"""The frame of a report: a head, links to its sections, the sections, and all numbers as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixelsmile.benchmarks.report.html import Html, document, join, json_block, package_text, tag

_PACKAGE = "pixelsmile.benchmarks.report"


@dataclass(frozen=True)
class Section:
    """A part of a page. name: what its link leads to."""

    name: str
    title: str
    content: Html


def sheet(
    title: str,
    head: Html,
    sections: Sequence[Section],
    numbers: Mapping[str, Any],
    styles: Sequence[str] = (),
) -> str:
    """The page. styles: the names of style sheets beside this file, on top of those of every report."""
    links = (tag("a", part.title, href=f"#{part.name}") for part in sections)
    body = tag(
        "main",
        head,
        tag("nav", *links, aria_label="Sections"),
        *(tag("section", tag("h2", part.title), part.content, id=part.name) for part in sections),
    )
    sheets = [package_text(_PACKAGE, file) for file in ("base.css", "report.css", *styles)]
    return document(title, join((body, json_block("numbers", numbers))), styles=sheets)


def specification(records: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> Html:
    """Those entries of each record, folded, by its label: what the edits and the numbers depend on."""
    parts = []
    for label, record in records.items():
        text = json.dumps({name: record[name] for name in names}, indent=1, ensure_ascii=False)
        parts.append(tag("details", tag("summary", label), tag("pre", text)))
    words = "All numbers of this page are in it as JSON, in the script element with the id “numbers”."
    return join((*parts, tag("p", words, class_="muted")))
