"""What runs are called where several stand side by side."""

from collections import Counter
from collections.abc import Sequence

from pixelsmile.benchmarks.run_folder import RunFolder, Spec
from pixelsmile.errors import InputError
from pixelsmile.utf8 import escaped


def run_labels(runs: Sequence[RunFolder]) -> tuple[str, ...]:
    """A different name for each run: its editor's, with the folder where editors share one.

    InputError where a folder is given twice.
    """
    places = Counter(run.path.resolve() for run in runs)
    if twice := [place for place, count in places.items() if count > 1]:
        raise InputError(f"{str(twice[0])!r} is given twice: name each run once")
    names = [editor_name(run.spec()) for run in runs]
    labels = [
        name if names.count(name) == 1 else f"{name} ({escaped(run.path.name)})"
        for name, run in zip(names, runs, strict=True)
    ]
    if len(set(labels)) == len(labels):
        return tuple(labels)
    return tuple(f"{name} ({escaped(str(run.path))})" for name, run in zip(names, runs, strict=True))


def editor_name(spec: Spec) -> str:
    """What the editor calls itself."""
    return str(spec.editor.get("name") or spec.editor.get("kind") or "unnamed editor")
