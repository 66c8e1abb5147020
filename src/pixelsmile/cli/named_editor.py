"""`edit --editor NAME`: any editor in the place of our engine."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import loading, remark, silence_libraries
from pixelsmile.cli.edit_options import DEFAULT_STRENGTHS
from pixelsmile.cli.editor_options import (
    SERVER_OPTIONS,
    check_options,
    pipeline_settings,
    remote_settings,
)
from pixelsmile.cli.options import ACCELERATIONS
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.editing.editor import Editor
    from pixelsmile.editors.choice import EditorChoice

_OWN_OPTIONS = (
    *("adapter", "control", "shift", "guidance", "negative_prompt", "neutralise", "batch_size"),
    *ACCELERATIONS,
)
_SERVER_OPTIONS = tuple("server_size" if name == "size" else name for name in SERVER_OPTIONS)


def chosen_editor(options: argparse.Namespace) -> "EditorChoice":
    """The editor that --editor names; where nobody says a strength, those that are told words get 1 alone.

    InputError for an editor of no photographs, and for options that it does not use.
    """
    from pixelsmile.editors.choice import parse_editor

    choice = parse_editor(options.editor, ())
    if choice.kind == "folder":
        raise InputError("--editor folder:... has edits of a benchmark alone: name another editor")
    check_options(options, choice, (*_OWN_OPTIONS, "model"), _SERVER_OPTIONS)
    if choice.kind == "own":
        steps = getattr(choice.row.run, "steps", None) if choice.row else None
        options.steps = options.steps or steps
        return choice
    if options.conditioning != "auto":
        raise InputError(f"--conditioning is for --editor pixelsmile, not {options.editor!r}: leave it out")
    by = choice.row.strength.by if choice.row else "words" if choice.kind == "service" else "number"
    if by != "number" and options.strengths is DEFAULT_STRENGTHS:
        options.strengths = (1.0,)
    return choice


@contextmanager
def opened_editor(options: argparse.Namespace, choice: "EditorChoice") -> "Iterator[Editor]":
    """The editor, ready for photographs, closed after the block."""
    from pixelsmile.editing.editor import Editor
    from pixelsmile.editors.choice import open_editor
    from pixelsmile.editors.named import NamedEditor
    from pixelsmile.editors.remote import CACHE_NAME, RemoteEditor
    from pixelsmile.editors.table import PipelineRun
    from pixelsmile.editors.task_engine import DEFAULT_SIZE_PX, TaskEngine

    folder = _kept(options, choice)
    with loading(options.editor, options.quiet):
        if choice.kind == "diffusers":
            silence_libraries()
        editor = open_editor(
            choice,
            (),
            folder,
            (),
            pipeline=pipeline_settings(options),
            remote=remote_settings(options, options.server_size),
            timeout_s=options.timeout,
        )
    run = choice.row.run if choice.row else None
    size = (run.fit.longest_px if isinstance(run, PipelineRun) else None) or DEFAULT_SIZE_PX
    name, any_form = choice.name or options.editor, choice.kind == "diffusers"
    engine = TaskEngine(editor, name, size, any_form=any_form)
    if choice.price and choice.kind == "service":
        remark(f"{engine.info.model} costs up to ${choice.price} an edit", options.quiet)
    try:
        yield Editor(engine)
        asked = editor.inner if isinstance(editor, NamedEditor) else editor
        if isinstance(asked, RemoteEditor) and not asked.budget.spending.num_requests:
            kept = f"kept in {folder / CACHE_NAME}"
            remark(
                f"nothing was asked: it made this before, {kept}; without that file it does so again",
                options.quiet,
            )
    finally:
        engine.close()


def _kept(options: argparse.Namespace, choice: "EditorChoice") -> Path:
    """Where answers are kept, so that none is paid for twice, and the log of a command.

    Each address has a folder of its own: a model of one name may be another at the next.
    """
    from pixelsmile.hashing import sha256_bytes
    from pixelsmile.remote import split_address
    from pixelsmile.store.weight_hashes import user_cache_folder

    cache = user_cache_folder()
    folder = Path(options.output or ".") if cache is None else cache / "pixelsmile" / "edits"
    address = split_address(choice.argument)[1] if choice.kind == "service" else None
    if cache is not None and address is not None:
        folder /= sha256_bytes(address.encode())[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder
