"""The editor of a benchmark's run: opened here, in several processes, or on a Ray cluster."""

import argparse
from functools import partial
from typing import TYPE_CHECKING

from pixelsmile.cli.display import loading, remark, silence_libraries
from pixelsmile.cli.editor_options import pipeline_settings, remote_settings
from pixelsmile.cli.options import asked_model
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.benchmarks.benchmark import Benchmark
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.editing.editor import Editor
    from pixelsmile.editing.model_choice import ModelChoice
    from pixelsmile.editors.choice import EditorChoice
    from pixelsmile.editors.editor import TaskEditor


def open_run_editor(
    options: argparse.Namespace,
    choice: "EditorChoice",
    benchmark: "Benchmark",
    strengths: tuple[float, ...],
    folder: "RunFolder",
) -> "TaskEditor":
    """The editor that the options name, in as many processes as they say."""
    from pixelsmile.editors.choice import open_editor
    from pixelsmile.editors.own import PAPER, OwnSettings

    opener = partial(
        open_editor,
        choice,
        benchmark.tasks,
        folder.path,
        strengths,
        own=PAPER
        if getattr(options, "paper", False)
        else OwnSettings(
            options.steps,
            options.shift,
            region=options.region or "auto",
            wording=getattr(options, "tell", None) or "expression",
            guidance=options.guidance,
        ),
        pipeline=pipeline_settings(options),
        remote=remote_settings(options, options.size),
        timeout_s=options.timeout,
        max_concurrency=options.max_concurrency,
    )
    if options.processes is not None or options.ray is not None:
        editor = _spread(options, choice, benchmark.name, opener)
    else:
        editor = opener(load=lambda: _load(options, choice, benchmark.name))
    if choice.kind == "own" and (note := editor.capabilities.note) and options.benchmark != "embedded":
        remark(f"the model says: {note}", options.quiet)
    if editor.capabilities.degrees and len(strengths) > 1:
        remark(f"{options.editor} is told strengths in words: slightly, moderately, ...", options.quiet)
    return editor


def _spread(
    options: argparse.Namespace, choice: "EditorChoice", benchmark: str, opener: "partial[TaskEditor]"
) -> "TaskEditor":
    """The editor in several processes. InputError for one that computes nothing here."""
    from pixelsmile.editors.spread import spread_editor

    if choice.kind in ("service", "folder"):
        more = ", and ask for more at once with --max-concurrency" if choice.kind == "service" else ""
        raise InputError(
            "--processes and --ray are for editors that compute here, which "
            f"{options.editor!r} does not: leave them out{more}"
        )
    if options.device is not None and ":" in options.device:
        raise InputError(
            f"--device {options.device}: each process has a GPU of its own: name none, as in cuda"
        )
    if choice.kind == "own":
        chosen = _chosen(options, choice, benchmark)
        if chosen.reason is not None:
            remark(chosen.reason, options.quiet)
        opener = partial(opener, load=partial(_load_there, chosen))
    with loading("the first of the editors", options.quiet):
        return spread_editor(opener, options.processes, options.ray)


def _load_there(chosen: "ModelChoice") -> "Editor":
    """Our editor in a process that shows nothing."""
    from pixelsmile.editing.model_choice import load_editor

    silence_libraries()
    return load_editor(chosen, lambda reason: None)


def _load(options: argparse.Namespace, choice: "EditorChoice", benchmark: str) -> "Editor":
    from pixelsmile.editing.model_choice import load_editor

    quiet = options.quiet
    chosen = _chosen(options, choice, benchmark)
    return load_editor(chosen, partial(remark, quiet=quiet), partial(loading, quiet=quiet))


def _chosen(options: argparse.Namespace, choice: "EditorChoice", benchmark: str) -> "ModelChoice":
    """The model of ours that edits."""
    from pixelsmile.benchmarks.benchmark import is_drawn
    from pixelsmile.editing.model_choice import choose_model
    from pixelsmile.editors.choice import own_model

    with loading("the libraries", options.quiet):
        silence_libraries()
        return choose_model(own_model(choice, asked_model(options)), drawn=is_drawn(benchmark))
