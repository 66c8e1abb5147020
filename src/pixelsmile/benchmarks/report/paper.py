"""What sets a run apart from the paper's own, where it was asked for the paper's settings (`--paper`).

What the paper leaves open follows its authors' code: 50 steps without guidance in bfloat16, one seed for all,
the whole picture at 512 x 512 pixels. A run under other conditions is no worse, but its numbers are not those
of the paper's tables: each difference is a line.
"""

from collections.abc import Iterator, Mapping

from pixelsmile.benchmarks.ffe.results import RunResults
from pixelsmile.editors.own import PAPER, PAPER_MODEL

_ENCODERS = {"arcface", "adaface", "facenet"}
_DTYPE = "bfloat16"
_JUDGE = "gemini-3-pro"


def paper_remarks(runs: Mapping[str, RunResults]) -> list[str]:
    """A sentence for each difference of each run (by label) that was asked for the paper's settings."""
    return [
        f"{label} was asked for the paper's settings: {difference}."
        for label, run in runs.items()
        if run.spec.editor.get("paper")
        for difference in _differences(run)
    ]


def _differences(run: RunResults) -> Iterator[str]:
    editor = run.spec.editor
    yield from _of_the_model(editor)
    settings = PAPER.recorded_as()
    for name, wanted in settings.items():
        if editor.get(name, wanted) != wanted:
            yield f"{name} is {editor[name]}, not {wanted}"
    if editor.get("dtype") != _DTYPE:
        yield f"numbers are {editor.get('dtype')}, not {_DTYPE}"
    if editor.get("quantization"):
        yield f"the weights are in {editor['quantization']}, not in 16 bits"
    strengths = ", ".join(f"{strength:g}" for strength in run.spec.strengths)
    yield f"the strengths are {strengths}, and the paper does not say its own"
    yield from _of_the_measures(run)
    yield "pictures that are not square are edited whole, the authors' code takes the square in their middle"
    yield "the authors' code has the stock pipeline draw its 512 px source at about 1024 x 1024"


def _of_the_model(editor: Mapping[str, object]) -> Iterator[str]:
    if editor.get("model") != PAPER_MODEL:
        yield f"the base is {editor.get('model')}, not {PAPER_MODEL}"
    adapters = editor.get("adapters") or []
    if not adapters:
        yield "there is no adapter"
    elif isinstance(adapters, list) and len(adapters) > 1:
        yield f"{len(adapters)} adapters act, not one"
    yield "the adapter that is published is a preview, the paper's is not"


def _of_the_measures(run: RunResults) -> Iterator[str]:
    if _JUDGE not in run.judge_id:
        yield f"the judge is {run.judge_id}; the paper's, {_JUDGE}-preview, was shut down in March 2026"
    found = set() if run.identity is None else set(run.identity.encoders)
    if found != _ENCODERS:
        measured = ", ".join(sorted(found)) or "nothing"
        yield f"identity is measured with {measured}, not with {', '.join(sorted(_ENCODERS))}"
