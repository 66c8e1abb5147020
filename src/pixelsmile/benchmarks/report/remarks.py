"""What runs are called side by side, and what to know before their numbers are compared."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from pydantic import JsonValue

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.ffe.results import RunResults
from pixelsmile.benchmarks.report.paper import paper_remarks
from pixelsmile.benchmarks.run_folder import RunFolder, Spec
from pixelsmile.errors import InputError
from pixelsmile.store.json_lines import escaped

R = TypeVar("R", RunResults, FedResults)


def run_labels(runs: Sequence[RunFolder]) -> tuple[str, ...]:
    """A different name for each run: its editor's, with the folder where editors share one.

    InputError where a folder is given twice.
    """
    places = Counter(run.path.resolve() for run in runs)
    if twice := [place for place, count in places.items() if count > 1]:
        raise InputError(f"{str(twice[0])!r} is given twice: name each run once")
    names = [_editor_name(run.spec()) for run in runs]
    labels = [
        name if names.count(name) == 1 else f"{name} ({escaped(run.path.name)})"
        for name, run in zip(names, runs, strict=True)
    ]
    if len(set(labels)) == len(labels):
        return tuple(labels)
    return tuple(f"{name} ({escaped(str(run.path))})" for name, run in zip(names, runs, strict=True))


def ffe_remarks(runs: Mapping[str, RunResults]) -> list[str]:
    """What the judges say of themselves, then a sentence for each thing in which the runs (by label) differ
    and that a comparison rests on, and for what sets runs apart from the paper's that were to be like it."""
    judges = (settings.as_json() for run in runs.values() for settings in run.judges.values())
    return [*_judge_remarks(judges), *_differences(runs, ffe_terms), *paper_remarks(runs)]


def fed_remarks(runs: Mapping[str, FedResults]) -> list[str]:
    """The same for runs of FED-Bench."""
    judges = (record for run in runs.values() for record in run.markers.values())
    return [*_judge_remarks(judges), *_differences(runs, fed_terms)]


def ffe_terms(run: RunResults) -> dict[str, str]:
    """What its numbers rest on, in words, by what that is: runs compare directly where all of it is alike."""
    return {
        "judges": run.judge_id,
        "benchmarks": benchmark_words(run),
        "settings": run.spec.setting,
        "strengths": strength_words(run),
        "measures of identity": identity_words(run),
    }


def fed_terms(run: FedResults) -> dict[str, str]:
    """The same for a run of FED-Bench."""
    return {
        "judges": run.judge_id,
        "benchmarks": benchmark_words(run),
        "measures of identity": f"{', '.join(run.identity_encoders)} of {identity_words(run)}",
        "measures of the background": _background_words(run),
        "representations of the expression": gain_words(run),
        "ways of giving PQ": f"by the judge{'' if run.damage is None else ' and by damage'}",
        "constants": f"normalisation {run.summary.constants.version}",
    }


def benchmark_words(run: RunResults | FedResults) -> str:
    """The benchmark's name, and the start of the hash of its content."""
    about = run.spec.benchmark
    digest = about.get("sha256")
    return str(about.get("name", "unnamed")) + (f" {str(digest)[:8]}" if digest else "")


def strength_words(run: RunResults) -> str:
    return ", ".join(f"{strength:g}" for strength in run.spec.strengths)


def identity_words(run: RunResults | FedResults, digits: int = 8) -> str:
    """The encoders that measured identity, with the start of their hashes, and who found the faces."""
    if run.identity is None:
        return "not measured"
    encoders = ", ".join(
        f"{name} {digest[:digits]}".strip() for name, digest in run.identity.encoders.items()
    )
    return f"{encoders}; faces by {run.identity.detector}"


def gain_words(run: FedResults) -> str:
    """In what the change of the expression is measured."""
    return "not measured" if run.representation is None else run.representation.id


def _background_words(run: FedResults) -> str:
    """Who finds the face that the background is around, and what becomes of other sizes."""
    found = run.background
    if found is None:
        return "not measured"
    detector = f"faces by {found.detector} {(found.detector_sha256 or '')[:8]}"
    return f"{detector}, grown {found.grow:g} times; edits of another size {found.other_sizes}"


def _editor_name(spec: Spec) -> str:
    """What the editor calls itself."""
    return str(spec.editor.get("name") or spec.editor.get("kind") or "unnamed editor")


def _judge_remarks(records: Iterable[Mapping[str, JsonValue]]) -> list[str]:
    """A sentence for each judge whose identity has a remark."""
    return sorted(
        {
            f"Judge {record.get('provider')}:{record.get('model')}: {record['remark']}."
            for record in records
            if record.get("remark")
        }
    )


def _differences(runs: Mapping[str, R], terms: Callable[[R], Mapping[str, str]]) -> list[str]:
    """Who differs in what."""
    sentences = []
    by_label = {label: terms(run) for label, run in runs.items()}
    for what in next(iter(by_label.values())):
        found: dict[str, list[str]] = {}
        for label, seen in by_label.items():
            found.setdefault(seen[what], []).append(label)
        if len(found) > 1:
            parts = "; ".join(f"{', '.join(labels)}: {words}" for words, labels in found.items())
            sentences.append(
                f"The runs have different {what}, so their numbers do not compare directly ({parts})."
            )
    return sentences
