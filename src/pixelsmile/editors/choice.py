"""The editor that a person names: ours, one of the table, a folder, a command, a service, or a check's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pixelsmile.editing.editor import Editor
from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.editors.command import DEFAULT_TIMEOUT_S, CommandEditor
from pixelsmile.editors.editor import Task, TaskEditor
from pixelsmile.editors.folder import FolderEditor
from pixelsmile.editors.named import NamedEditor
from pixelsmile.editors.own import OwnEditor, OwnSettings
from pixelsmile.editors.pipelines import PipelineEditor, PipelineSettings
from pixelsmile.editors.remote import DEFAULT_CONCURRENCY, RemoteEditor, RemoteSettings
from pixelsmile.editors.sanity import SANITY_EDITORS, SanityEditor
from pixelsmile.editors.services import provider_of
from pixelsmile.editors.table import (
    WRAPPERS,
    CommandRun,
    NobodyRun,
    OwnRun,
    PipelineRun,
    Row,
    ServiceRun,
    find_row,
    image_services,
    nearest,
    rows,
)
from pixelsmile.errors import InputError
from pixelsmile.remote import Budget

OWN = "pixelsmile"
WRAPPER_TIMEOUT_S = 1800.0  # foreign models are large, and loaded before the first answer

Kind = Literal["own", "folder", "command", "service", "diffusers", "sanity"]


@dataclass(frozen=True)
class EditorChoice:
    """What was asked for. argument: the folder, the command, the model, or the name of a sanity editor.

    service: of a model behind an address, one of `image_services`. name: of the table's row, where the editor
    was named by it.
    """

    kind: Kind
    argument: str = ""
    service: str = ""
    name: str = ""

    @property
    def row(self) -> Row | None:
        """What the table says about it."""
        return find_row(self.name) if self.name else None

    @property
    def takes_strength(self) -> bool:
        """Whether it varies strength, as far as can be said before it is opened."""
        return self.row.strength.by != "nothing" if self.row else self.kind != "service"

    @property
    def price(self) -> Decimal:
        """The most that an edit costs, in dollars, as the table has it; 0 where that is not known."""
        return (self.row.price if self.row else None) or Decimal(0)


def parse_editor(text: str, sanity: Sequence[str] = SANITY_EDITORS, *, is_here: bool = True) -> EditorChoice:
    """An editor by its name: `pixelsmile`, one of the table, folder:PATH, command:LINE, SERVICE:MODEL, or
    one of `sanity`.

    InputError, with the nearest, for other words, and for a row that nobody can run, or not here.
    sanity: those of the benchmark, SANITY_EDITORS or FED_SANITY_EDITORS. is_here: False for one that is only
    spoken of, whose program need not be there.
    """
    word, colon, argument = text.partition(":")
    word = word.strip().lower()
    if colon and word == "folder":
        return EditorChoice("folder", _given(argument, "folder:PATH"))
    if colon and word == "command":
        return EditorChoice("command", _given(argument, 'command:"python my_editor.py"'))
    if colon and word in image_services():
        return EditorChoice("service", _given(argument, image_services()[word].form), word)
    if not colon and word == OWN:
        return EditorChoice("own")
    if not colon and word in sanity:
        return EditorChoice("sanity", word)
    if not colon and word in rows():
        return _chosen(rows()[word], is_here=is_here)
    raise InputError(f"unknown editor {text!r}: {_suggestion(word, sanity)}")


def open_editor(
    choice: EditorChoice,
    tasks: Sequence[Task],
    folder: Path,
    strengths: Sequence[float],
    *,
    load: Callable[[], Editor] = Editor.from_pretrained,
    own: OwnSettings | None = None,
    pipeline: PipelineSettings | None = None,
    remote: RemoteSettings | None = None,
    timeout_s: float | None = None,
    max_concurrency: int | None = None,
) -> TaskEditor:
    """The editor, ready to work on `tasks`; close it after use.

    folder: the run's, for the log of a command and the answers of a server. strengths: of the run. load:
    gives ours, where that is the choice. own, pipeline, remote: how ours is used, a pipeline loaded and a
    model behind an address asked; what they leave open the table says, where the editor is one of it.
    timeout_s: how long a command may be silent. max_concurrency: how many tasks a command or a server gets
    at once (None: its own default).
    Raises what the editors raise when they are made, and InputError for tasks that say too little.
    """
    row = choice.row
    match choice.kind:
        case "own":
            return OwnEditor(load(), own_settings(choice, own or OwnSettings()), strengths)
        case "folder":
            return FolderEditor(Path(choice.argument))
        case "command":
            command = CommandEditor(
                choice.argument,
                folder,
                timeout_s=timeout_s or (WRAPPER_TIMEOUT_S if row else DEFAULT_TIMEOUT_S),
                max_concurrency=max_concurrency or 1,
            )
            return NamedEditor(row, command) if row else command
        case "diffusers":
            assert row is not None
            return NamedEditor(row, PipelineEditor(row, pipeline or PipelineSettings()))
        case "service":
            asked = remote_settings(choice, remote or RemoteSettings())
            service = RemoteEditor(
                provider_of(choice.service, choice.argument, asked, folder),
                folder,
                budget=Budget(asked.max_requests, max_cost=asked.max_cost),
                max_concurrency=max_concurrency or DEFAULT_CONCURRENCY,
            )
            return NamedEditor(row, service) if row else service
        case "sanity":
            editor = SanityEditor(choice.argument)
            editor.check(tasks)
            return editor


def own_settings(choice: EditorChoice, given: OwnSettings) -> OwnSettings:
    """How ours is used, with what the table says where nobody else did."""
    run = choice.row.run if choice.row else None
    if not isinstance(run, OwnRun):
        return given
    wording = run.wording if given.wording == "expression" else given.wording
    return replace(given, steps=given.steps or run.steps, wording=wording)


def own_model(choice: EditorChoice, asked: ModelChoice) -> ModelChoice:
    """The model and the adapters of ours, those of the table where a person names no others."""
    run = choice.row.run if choice.row else None
    if not isinstance(run, OwnRun):
        return asked
    adapter = run.adapters if asked.adapter is None else asked.adapter
    return replace(asked, model=asked.model or run.pinned_model, adapter=adapter)


def remote_settings(choice: EditorChoice, given: RemoteSettings) -> RemoteSettings:
    """How a model behind an address is asked, with what the table says where nobody else did."""
    run = choice.row.run if choice.row else None
    if not isinstance(run, ServiceRun):
        return given
    return replace(
        given,
        size=given.size or run.size,
        extra={**run.extra, **given.extra},
        price=given.price or choice.price,
    )


def _chosen(row: Row, *, is_here: bool) -> EditorChoice:
    match row.run:
        case OwnRun():
            return EditorChoice("own", name="" if row.name == OWN else row.name)
        case PipelineRun():
            return EditorChoice("diffusers", name=row.name)
        case ServiceRun(service=service, model=model):
            return EditorChoice("service", model, service, row.name)
        case CommandRun() as run:
            if is_here:
                _check_wrapper(row.name, run)
            return EditorChoice("command", run.command, name=row.name)
        case NobodyRun(why=why):
            raise InputError(f"{row.name} cannot be run: {why}")


def _check_wrapper(name: str, run: CommandRun) -> None:
    """InputError where a wrapper, or its environment, is not here."""
    folder = Path(WRAPPERS) / run.wrapper
    if not (folder / "edit.py").is_file():
        raise InputError(
            f"{name} runs by {folder}/edit.py, which is not here: start in a checkout of pixelsmile"
        )
    if not Path(run.python).exists():
        raise InputError(
            f"{name} needs an environment of its own, {run.python}: {run.readme} says how to make it; "
            'where yours lies elsewhere, give --editor command:"..."'
        )


def _given(argument: str, example: str) -> str:
    if not argument.strip():
        raise InputError(f"nothing after the colon: write {example}")
    return argument.strip()


def _suggestion(word: str, sanity: Sequence[str]) -> str:
    forms = {"folder": "folder:PATH", "command": 'command:"python my_editor.py"'}
    forms |= {name: service.form for name, service in image_services().items()}
    forms |= {name: name for name in (*sanity, *rows())}
    return nearest(
        word,
        forms,
        f"choose from {OWN}, {', '.join(list(forms.values())[:7])}, ... (see `pixelsmile editors list`)",
    )
