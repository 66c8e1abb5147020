"""The editor that a person names: ours, a folder, a command, a service, or one that checks the measures."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pixelsmile.editing.editor import Editor
from pixelsmile.editors.command import DEFAULT_TIMEOUT_S, CommandEditor
from pixelsmile.editors.editor import Task, TaskEditor
from pixelsmile.editors.folder import FolderEditor
from pixelsmile.editors.own import OwnEditor, OwnSettings
from pixelsmile.editors.remote import DEFAULT_CONCURRENCY, RemoteEditor, RemoteSettings
from pixelsmile.editors.sanity import SANITY_EDITORS, SanityEditor
from pixelsmile.editors.services import IMAGE_SERVICES, provider_of
from pixelsmile.errors import InputError
from pixelsmile.remote import Budget

OWN = "pixelsmile"

Kind = Literal["own", "folder", "command", "service", "sanity"]


@dataclass(frozen=True)
class EditorChoice:
    """What was asked for. argument: the folder, the command, the model, or the name of a sanity editor.

    service: of a model behind an address, one of IMAGE_SERVICES.
    """

    kind: Kind
    argument: str = ""
    service: str = ""


def parse_editor(text: str, sanity: Sequence[str] = SANITY_EDITORS) -> EditorChoice:
    """An editor by its name: `pixelsmile`, folder:PATH, command:LINE, SERVICE:MODEL, or one of `sanity`.

    InputError, with the nearest, for other words.
    sanity: those of the benchmark, SANITY_EDITORS or FED_SANITY_EDITORS.
    """
    word, colon, argument = text.partition(":")
    word = word.strip().lower()
    if colon and word == "folder":
        return EditorChoice("folder", _given(argument, "folder:PATH"))
    if colon and word == "command":
        return EditorChoice("command", _given(argument, 'command:"python my_editor.py"'))
    if colon and word in IMAGE_SERVICES:
        return EditorChoice("service", _given(argument, IMAGE_SERVICES[word].form), word)
    if not colon and word == OWN:
        return EditorChoice("own")
    if not colon and word in sanity:
        return EditorChoice("sanity", word)
    raise InputError(f"unknown editor {text!r}: {_suggestion(word, sanity)}")


def open_editor(
    choice: EditorChoice,
    tasks: Sequence[Task],
    folder: Path,
    strengths: Sequence[float],
    *,
    load: Callable[[], Editor] = Editor.from_pretrained,
    own: OwnSettings | None = None,
    remote: RemoteSettings | None = None,
    timeout_s: float | None = None,
    max_concurrency: int | None = None,
) -> TaskEditor:
    """The editor, ready to work on `tasks`; close it after use.

    folder: the run's, for the log of a command and the answers of a server. strengths: of the run. load:
    gives ours, where that is the choice. own, remote: how ours is used, and a model behind an address asked.
    timeout_s: how long a command may be silent. max_concurrency: how many tasks a command or a server gets
    at once (None: its own default).
    Raises what the editors raise when they are made, and InputError for tasks that say too little.
    """
    match choice.kind:
        case "own":
            return OwnEditor(load(), own or OwnSettings(), strengths)
        case "folder":
            return FolderEditor(Path(choice.argument))
        case "command":
            return CommandEditor(
                choice.argument,
                folder,
                timeout_s=timeout_s or DEFAULT_TIMEOUT_S,
                max_concurrency=max_concurrency or 1,
            )
        case "service":
            remote = remote or RemoteSettings()
            return RemoteEditor(
                provider_of(choice.service, choice.argument, remote, folder),
                folder,
                budget=Budget(remote.max_requests, max_cost=remote.max_cost),
                max_concurrency=max_concurrency or DEFAULT_CONCURRENCY,
            )
        case "sanity":
            editor = SanityEditor(choice.argument)
            editor.check(tasks)
            return editor


def _given(argument: str, example: str) -> str:
    if not argument.strip():
        raise InputError(f"nothing after the colon: write {example}")
    return argument.strip()


def _suggestion(word: str, sanity: Sequence[str]) -> str:
    forms = {OWN: OWN, "folder": "folder:PATH", "command": 'command:"python my_editor.py"'}
    forms |= {name: service.form for name, service in IMAGE_SERVICES.items()}
    forms |= {name: name for name in sanity}
    matches = difflib.get_close_matches(word, forms, n=1, cutoff=0.55)
    return f"did you mean {forms[matches[0]]}?" if matches else f"choose from {', '.join(forms.values())}"
