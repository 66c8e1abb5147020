"""The pages of reports, of the templates in templates/."""

import json
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from pixelsmile.benchmarks.report.charts import color_class
from pixelsmile.benchmarks.report.tables import (
    COMPONENTS,
    WARNING,
    Footnotes,
    bootstrap_words,
    format_interval,
    format_number,
    goodness,
    level_words,
)
from pixelsmile.benchmarks.run_folder import EditKey, EditRecord, RunFolder
from pixelsmile.images import load_image
from pixelsmile.results.page import data_uri, page_environment, page_of

_SIDE_PX = 224
_EXCERPT_LETTERS = 420


def render(template: str, title: str, data: Mapping[str, Any], script: str = "", **values: Any) -> str:
    """`page_of` a template of the folder. data: lies in the page, each under its id."""
    return page_of(_templates().get_template(template), title, dict(data), script, **values)


class Pictures:
    """The pictures of one run as its page shows them: data URIs, each read once, or words in their place."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._uris: dict[Path, str] = {}

    @cached_property
    def made(self) -> Mapping[EditKey, EditRecord]:
        """Every edit that the run has come to."""
        return self._folder.edits()

    def source(self, source: str, words: str = "source") -> dict[str, str]:
        """What the editor got."""
        return self._given(self._folder.source_file(source), words)

    def truth(self, triplet: str) -> dict[str, str]:
        """What was asked for, in FED-Bench."""
        return self._given(self._folder.truth_file(triplet), "ground truth")

    def edit(self, key: EditKey, words: str, reason: str | None) -> dict[str, str]:
        """What was made; `reason`: why there may be none."""
        record = self.made.get(key)
        if record is None or record.file is None:
            return {"missing": reason or ""}
        if (fault := self._folder.fault_of(record)) is not None:
            return {"missing": f"not shown: the picture {fault}"}
        return self._shown(self._folder.path / record.file, words)

    def _given(self, file: Path, words: str) -> dict[str, str]:
        return self._shown(file, words) if file.is_file() else {"missing": f"no {words}: not begun yet"}

    def _shown(self, file: Path, words: str) -> dict[str, str]:
        if file not in self._uris:
            self._uris[file] = data_uri(load_image(file), _SIDE_PX)
        return {"uri": self._uris[file], "words": words}


def excerpt(text: str) -> str:
    """`text` on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT_LETTERS else line[:_EXCERPT_LETTERS].rstrip() + " …"


def specified(records: Mapping[str, Mapping[str, Any]], names: tuple[str, ...]) -> dict[str, str]:
    """Those entries of each record, by its label, as text: what the edits and the numbers depend on."""
    return {
        label: json.dumps({name: record[name] for name in names}, indent=1, ensure_ascii=False)
        for label, record in records.items()
    }


@cache
def _templates() -> Environment:
    made = page_environment(PackageLoader("pixelsmile.benchmarks.report"))
    made.filters |= {"number": format_number, "interval": format_interval, "excerpt": excerpt}
    made.globals |= {
        "COMPONENTS": COMPONENTS,
        "Footnotes": Footnotes,
        "WARNING": WARNING,
        "bootstrap_words": bootstrap_words,
        "level_words": level_words,
        "color_class": color_class,
        "goodness": goodness,
    }
    return made
