"""The card of an export: README.md as hubs show it, with a head for machines."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pixelsmile.dataset.export.distributions import Distributions
from pixelsmile.dataset.export.form import Written, split_of
from pixelsmile.dataset.export.table_columns import IMAGE, SCORES, card_features
from pixelsmile.dataset.export.triplets import INSTRUCTIONS
from pixelsmile.dataset.folder import step_folders
from pixelsmile.dataset.step_folder import KEPT
from pixelsmile.store.manifests import CodeRecord

_HUB_LICENCES = (
    "apache-2.0",
    "mit",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MAX_SOURCES = 50
_READING = {
    "parquet": 'from datasets import load_dataset\n\ndata = load_dataset("{name}")\n'
    'row = data["{split}"][0]\nrow["image"], row["expression"], row["scores"]',
    "webdataset": 'from datasets import load_dataset\n\ndata = load_dataset("{name}", streaming=True)\n'
    'sample = next(iter(data["{split}"]))  # a picture, and what is known of it under "json"',
    "triplets": "pixelsmile triplets check {name}/{split}.jsonl\n"
    "pixelsmile train {preset} --set data.triplets={name}/{split}.jsonl",
    "preferences": 'from datasets import load_dataset\n\ndata = load_dataset("{name}")\n'
    'line = data["{split}"][0]\nline["base"], line["prompt"], line["chosen"], line["rejected"]',
    "ffe": "pixelsmile bench ffe run --benchmark {name}/{split} -o run",
    "fed": "pixelsmile bench fed run --benchmark {name}/{split} -o run",
}


@dataclass(frozen=True)
class Facts:
    """What a card tells. figures: words by the file. folder: of the data set."""

    name: str
    format: str
    numbers: Distributions
    written: Written
    num_people: Mapping[str, int]
    figures: Mapping[str, str]
    folder: Path
    code: CodeRecord

    @property
    def summary(self) -> str:
        """One sentence."""
        n = self.numbers
        kinds = " and ".join(f"{n.pictures[domain]:,} of {_KIND[domain]}" for domain in n.domains())
        edits = f"; {n.num_edits:,} of them edits of others" if n.num_edits else ""
        people = sum(self.num_people.values())
        of = f" that show {people:,} people" if people else ""
        return f"Portraits with facial expressions: {n.num_rows:,} pictures ({kinds}){of}{edits}."


_KIND = {"human": "people", "anime": "anime characters"}


def card(facts: Facts) -> str:
    """The text."""
    head = yaml.safe_dump(_head(facts), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{head}---\n\n" + "\n".join(_lines(facts)) + "\n"


def _head(facts: Facts) -> dict[str, Any]:
    licences = [each.lower() for each in facts.numbers.licences()]
    known = len(licences) == 1 and licences[0] in _HUB_LICENCES
    written = facts.written
    size = next((words for below, words in _SIZES if facts.numbers.num_rows < below), "n>1M")
    head: dict[str, Any] = {
        "pretty_name": facts.name,
        "license": licences[0] if known else "other",
        "task_categories": ["image-to-image"],
        "tags": ["facial-expression", "portraits", "image-editing", "pixelsmile"],
        "size_categories": [size],
    }
    if written.loader is not None:
        files = [{"split": split, "path": path} for split, path in written.files.items()]
        head["configs"] = [{"config_name": "default", "data_files": files}]
    if written.columns:
        head["dataset_info"] = {
            "features": card_features(written.columns),
            "splits": [
                {"name": split, "num_bytes": written.num_bytes[split], "num_examples": number}
                for split, number in written.counts.items()
            ],
        }
    return head


def _lines(facts: Facts) -> Iterator[str]:
    yield from (f"# {facts.name}", "", facts.summary, "")
    yield from _contents(facts)
    yield from _pictures_of(facts)
    yield from _provenance(facts)
    yield from _steps(facts)
    yield from _reading(facts)
    yield from _limits(facts)


def _contents(facts: Facts) -> Iterator[str]:
    written, unit = facts.written, facts.written.unit
    yield from ("## What is in it", "")
    rows = [
        (name, f"{number:,}", _people(facts.num_people[split_of(name)]))
        for name, number in written.counts.items()
    ]
    yield from _table(("split", f"{unit}s", "people"), rows)
    if len(facts.num_people) > 1:
        yield from ("", "No person is in two splits.")
    if written.left_out:
        yield from ("", "Left out of this form, as it has no place for them:", "")
        yield from (f"- {number:,} {reason}" for reason, number in written.left_out.items())
    if written.columns:
        columns = ", ".join(f"`{name}`" for name in written.columns)
        yield from (
            "",
            f"Columns: {columns}. `{IMAGE}` is the file as it came or was made (`sha256` is its hash).",
        )
        if SCORES in written.columns:
            yield f"`{SCORES}`: for each of twelve expressions, 0 to 1; none where nobody has judged."
    yield ""


def _pictures_of(facts: Facts) -> Iterator[str]:
    if facts.figures:
        yield from ("## Distributions", "")
    for file, words in facts.figures.items():
        yield from (f"![{words}]({file})", "")


def _provenance(facts: Facts) -> Iterator[str]:
    n = facts.numbers
    yield from ("## Where it is from", "")
    found = n.sources.most_common(_MAX_SOURCES)
    yield from _table(
        ("source", "pictures", "licence", "origin"),
        [(source, f"{number:,}", licence, origin) for (source, licence, origin), number in found],
    )
    if len(n.sources) > _MAX_SOURCES:
        yield f"\nand {len(n.sources) - _MAX_SOURCES:,} more."
    yield ""
    for words, counter in (("Edits made by", n.editors), ("Scores by", n.judges)):
        if counter:
            yield f"{words} {_counts(counter)}.\n"
    yield (
        "Every picture has its source, its name there, origin, licence, SHA-256, and for an edit its base, "
        "prompt and editor beside it. An edit has the licence and origin of its base."
    )
    yield ""


def _steps(facts: Facts) -> Iterator[str]:
    yield from ("## How it was made", "")
    rows = []
    for step_folder in step_folders(facts.folder):
        manifest = step_folder.manifest()
        if manifest is None:
            continue
        reasons: Counter[str] = Counter()
        for counts in manifest.counts.values():
            reasons.update(counts)
        kept = reasons.pop(KEPT, 0)
        rows.append((step_folder.name, f"{kept:,}", _counts(reasons) if reasons else "none"))
    yield from _table(("step", "kept", "rejected"), rows)
    libraries = ", ".join(f"{name} {version}" for name, version in facts.code.libraries.items())
    yield from (
        "",
        f"Built with pixelsmile {facts.code.version} (Python {facts.code.python}; {libraries}).",
        "",
    )


def _reading(facts: Facts) -> Iterator[str]:
    split = next(iter(facts.written.counts))
    language = "python" if facts.written.loader in ("parquet", "webdataset", "json") else "sh"
    text = _READING[facts.format].format(
        name=facts.name if "/" in facts.name else f"./{facts.name}",  # else a loader of that name is taken
        split=split,
        preset="fed" if split.endswith(INSTRUCTIONS) else "human",
    )
    yield from ("## How to read it", "", f"```{language}", text, "```", "")


def _limits(facts: Facts) -> Iterator[str]:
    yield from ("## What to keep in mind", "")
    n = facts.numbers
    if n.num_edits:
        yield "- Edits are synthetic pictures of faces. They say nothing about what the people felt or did."
    if n.judges:
        yield "- Scores are a judge's, not people's: see its agreement with people before you rely on them."
    if licences := [each for each in n.licences() if each == "not said"]:
        yield f"- Of {n.licences()[licences[0]]:,} pictures no licence is known."
    yield "- The figures show whom it holds few of; what is trained on it will know those least."


def _people(number: int) -> str:
    return f"{number:,}" if number else "not known"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} ({number:,})" for name, number in counter.most_common())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"
