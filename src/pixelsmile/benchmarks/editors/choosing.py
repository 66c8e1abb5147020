"""The editor that a person names: ours, a folder, a command, or one that checks the measures."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pixelsmile.benchmarks.editors.drawn import SANITY_EDITORS, sanity_editor
from pixelsmile.benchmarks.editors.drawn_fed import fed_sanity_editor
from pixelsmile.benchmarks.editors.own_settings import OwnSettings
from pixelsmile.benchmarks.fed.triplets import FedBenchmark
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.benchmarks.editors.editor import BenchmarkEditor
    from pixelsmile.benchmarks.tasks import Benchmark

OWN = "pixelsmile"

Kind = Literal["own", "folder", "command", "sanity"]


@dataclass(frozen=True)
class EditorChoice:
    """What was asked for. argument: the folder, the command, or the name of a sanity editor."""

    kind: Kind
    argument: str = ""


def parse_editor(text: str, sanity: Sequence[str] = SANITY_EDITORS) -> EditorChoice:
    """`pixelsmile`, `folder:PATH`, `command:LINE`, one of `sanity`; InputError with the nearest otherwise.

    sanity: the benchmark's own, SANITY_EDITORS or FED_SANITY_EDITORS.
    """
    word, colon, argument = text.partition(":")
    word = word.strip().lower()
    if colon and word == "folder":
        return EditorChoice("folder", _given(argument, "folder:PATH"))
    if colon and word == "command":
        return EditorChoice("command", _given(argument, 'command:"python my_editor.py"'))
    if not colon and word == OWN:
        return EditorChoice("own")
    if not colon and word in sanity:
        return EditorChoice("sanity", word)
    raise InputError(f"unknown editor {text!r}: {_suggestion(word, sanity)}")


def open_editor(
    choice: EditorChoice,
    benchmark: "Benchmark",
    own: OwnSettings,
    folder: Path,
    strengths: Sequence[float],
    timeout_s: float | None = None,
) -> "BenchmarkEditor":
    """The editor, ready to work; close it after use.

    own: how ours is loaded. folder: the run's, for the log of a command. strengths: of the run. timeout_s:
    how long a command may be silent (None: its own default). Raises what the editors' own makers raise.
    """
    match choice.kind:
        case "own":
            from pixelsmile.benchmarks.editors.own import OwnEditor

            return OwnEditor.load(own, strengths)
        case "folder":
            from pixelsmile.benchmarks.editors.folder import FolderEditor

            return FolderEditor(Path(choice.argument))
        case "command":
            from pixelsmile.benchmarks.editors.command import DEFAULT_TIMEOUT_S, CommandEditor

            return CommandEditor(choice.argument, folder, timeout_s=timeout_s or DEFAULT_TIMEOUT_S)
        case "sanity":
            open_sanity = fed_sanity_editor if isinstance(benchmark, FedBenchmark) else sanity_editor
            return open_sanity(choice.argument, benchmark)


def _given(argument: str, example: str) -> str:
    if not argument.strip():
        raise InputError(f"nothing after the colon: write {example}")
    return argument.strip()


def _suggestion(word: str, sanity: Sequence[str]) -> str:
    forms = {OWN: OWN, "folder": "folder:PATH", "command": 'command:"python my_editor.py"'}
    forms |= {name: name for name in sanity}
    matches = difflib.get_close_matches(word, forms, n=1, cutoff=0.55)
    return f"did you mean {forms[matches[0]]}?" if matches else f"choose from {', '.join(forms.values())}"
