"""`pixelsmile edit`: portraits and expressions in, sweeps of rising strength out."""

import argparse
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import loading, print_json, progress, remark, silence_libraries
from pixelsmile.cli.edit_options import DEFAULT_NUM_FRAMES, edit_parser
from pixelsmile.cli.named_editor import chosen_editor, opened_editor
from pixelsmile.cli.options import asked_model, memory_errors, signer_of
from pixelsmile.cli.parsing import CommandParser, parts_of
from pixelsmile.errors import InputError, PixelSmileError

if TYPE_CHECKING:
    from pixelsmile.editing.edit_files import EditFiles, OutputFormat
    from pixelsmile.editing.editor import Editor
    from pixelsmile.editing.model_choice import ModelChoice
    from pixelsmile.editing.photographs import Photograph
    from pixelsmile.editing.requests import FaceRequest, Request
    from pixelsmile.editing.session import Edit

ALL = "all"


def parser() -> CommandParser:
    """The options; every value is checked as far as that goes without loading a model."""
    return edit_parser(run)


def run(options: argparse.Namespace) -> int:
    """Edit pictures. What can be refused is refused before the model loads.

    All files of a photograph appear, or none; those of the photographs before it stay.
    """
    named = None if options.editor is None else chosen_editor(options)
    edit = read_edit(options)
    from pixelsmile.editing.model_choice import load_editor
    from pixelsmile.editing.photographs import open_photographs, with_faces
    from pixelsmile.editing.session import FaceFinder
    from pixelsmile.store.publication import check_place

    asked = asked_model(options)
    is_ours = named is None or named.kind == "own"
    if named is not None and is_ours:
        from pixelsmile.editors.choice import own_model

        asked = own_model(named, asked)
    if is_ours:
        asked.check_files()
    output = None if options.output is None else Path(options.output)
    photographs = open_photographs([Path(photo) for photo in options.photos], edit, output)
    for photograph in photographs:
        check_place(photograph.folder, edit.file_names, force=options.force)
    say = partial(remark, quiet=options.quiet)
    finder = FaceFinder(options.detector, say)
    with memory_errors("add --batch-size 1, --offload model, or --quantization 4bit"):
        if named is not None and not is_ours:
            with opened_editor(options, named) as editor:
                _edit_all(editor, options, edit, with_faces(photographs, edit, finder))
            return 0
        choice = _choice(options, asked, photographs)
        photographs = with_faces(photographs, edit, finder)
        editor = load_editor(choice, say, partial(loading, quiet=options.quiet))
        _edit_all(editor, options, edit, photographs)
    return 0


def _choice(
    options: argparse.Namespace, asked: "ModelChoice", photographs: "Sequence[Photograph]"
) -> "ModelChoice":
    from pixelsmile.editing.folders import GEOMETRIC
    from pixelsmile.editing.model_choice import choose_model
    from pixelsmile.editing.photographs import all_drawn

    with loading("the libraries", options.quiet):
        choice = choose_model(asked, drawn=all_drawn(photographs, is_named=asked.model is not None))
        if choice.model != GEOMETRIC:  # which needs none of them
            silence_libraries()
    return choice


def read_edit(options: argparse.Namespace) -> "Edit":
    """What the options ask for, checked as far as that goes without a picture."""
    from pixelsmile.editing.face_edits import PasteOptions
    from pixelsmile.editing.session import Edit
    from pixelsmile.faces.crops import DEFAULT_CONTEXT
    from pixelsmile.faces.masks import load_masker
    from pixelsmile.results import check_grid

    form = _file_form(options)
    strengths = form.all_strengths(options.strengths)
    faces = _face_requests(options, strengths)
    requests = [] if any(face.request for face in faces) else _requests(options, strengths)
    if options.grid:
        check_grid(max(1, len(requests)), len(options.strengths))
    return Edit(
        requests,
        options.strengths,
        faces,
        form,
        PasteOptions(
            context=options.context or DEFAULT_CONTEXT,
            guard_drift=not options.no_drift_guard,
            masker=None if options.parser is None else load_masker(options.parser),
        ),
        {
            "seed": options.seed,
            "steps": options.steps,
            "size": options.size,
            "domain": options.domain,
            "conditioning": options.conditioning,
            "batch_size": options.batch_size,
            "shift": options.shift,
            "neutralise": options.neutralise,
            "guidance": options.guidance,
            "negative_prompt": options.negative_prompt,
        },
    )


def _face_requests(options: argparse.Namespace, strengths: Sequence[float]) -> "list[FaceRequest]":
    """Either one --face and expressions for it, or several --face with an expression each. InputError."""
    from pixelsmile.editing.requests import parse_face_request

    faces = [parse_face_request(text, strengths) for text in options.face]
    own = [face for face in faces if face.request]
    if own and len(own) < len(faces):
        bare = next(face.text for face in faces if face not in own)
        raise InputError(f"--face {bare} has no expression, the others have: write --face {bare}=happy")
    if own and (options.expression or options.blend or options.units or options.prompt):
        raise InputError("--face has expressions of its own: leave out -e, --blend, --units and --prompt")
    if not own and len(faces) > 1:
        first = faces[0].text
        raise InputError(
            f"several --face need an expression each, like --face {first}=happy; or use --face all"
        )
    if own and any(face.choice.kind == "all" for face in own) and len(own) > 1:
        raise InputError("--face all leaves no other face: give it alone")
    if own and any(face.choice.kind == "whole" for face in own):
        raise InputError("--face whole has no expression of its own: give it alone, and -e happy")
    return faces


def _requests(options: argparse.Namespace, strengths: Sequence[float]) -> "list[Request]":
    """The sweeps by expressions, blends, units, prompts; what is asked for twice is made once."""
    from pixelsmile.editing.requests import Request
    from pixelsmile.expressions import parse_blend
    from pixelsmile.portraits.action_units import parse_units

    requests = [Request(name, strengths=strengths) for name in _expressions(options.expression)]
    requests += [Request(blend=parse_blend(text), strengths=strengths) for text in options.blend]
    requests += [Request(units=parse_units(text), strengths=strengths) for text in options.units]
    requests += [Request(prompt=_prompt(text), strengths=strengths) for text in options.prompt]
    if not requests:
        raise InputError(
            "nothing to change: add -e happy, --blend happy=0.6,surprised=0.4, --units jaw_drop=0.4 or "
            "--prompt TEXT"
        )
    return [request for index, request in enumerate(requests) if request not in requests[:index]]


def _expressions(texts: Sequence[str]) -> list[str]:
    from pixelsmile.expressions import EXPRESSIONS, parse_expression

    names: list[str] = []
    for given in texts:
        if "=" in given:
            raise InputError(f"weights make a blend: write --blend {given}, or -e {given.partition('=')[0]}")
    for text in (part for given in texts for part in parts_of(given)):
        names += EXPRESSIONS if text.lower() == ALL else [parse_expression(text)]
    return names


def _prompt(text: str) -> str:
    if prompt := " ".join(text.split()):
        return prompt
    raise InputError(f"the prompt {text!r} is empty: describe the expression")


def _file_form(options: argparse.Namespace) -> "OutputFormat":
    """What the files are. InputError, StrengthError."""
    from pixelsmile.editing.edit_files import OutputFormat
    from pixelsmile.results import PictureFormat, check_animation, frame_strengths

    animations = tuple(dict.fromkeys([*(["gif"] if options.gif else []), *options.animate]))
    if not animations and options.frames is not None:
        raise InputError("--frames counts the frames of an animation: add --gif, or --animate gif,webp,mp4")
    for animation in animations:
        check_animation(animation)
    num_frames = options.frames or DEFAULT_NUM_FRAMES
    frames = tuple(frame_strengths(options.strengths, num_frames)) if animations else ()
    form = PictureFormat(options.format, options.quality)
    return OutputFormat(
        form, options.grid, animations, frames, mark=not options.no_mark, signer=signer_of(options)
    )


def _edit_all(
    editor: "Editor", options: argparse.Namespace, edit: "Edit", photographs: "Sequence[Photograph]"
) -> None:
    """Edit one photograph after the other; a failure says how many are done, whose files are kept."""
    from pixelsmile.editing.photographs import named

    num_between = len(edit.form.all_strengths(edit.strengths)) - len(edit.strengths)
    if num_between:
        remark(
            f"animations edit {num_between} more strengths of each sweep: --frames takes fewer", options.quiet
        )
    for index, one in enumerate(photographs):
        try:
            _edit_one(editor, options, edit, one)
        except PixelSmileError as error:
            if len(photographs) == 1:
                raise
            done = f"{index} of {len(photographs)} photographs are done and kept, the others are not"
            raise type(error)(f"{named(one.path, error)} ({done})") from error


def _edit_one(editor: "Editor", options: argparse.Namespace, edit: "Edit", one: "Photograph") -> None:
    from pixelsmile.editing.edit_files import EditFiles
    from pixelsmile.editing.engine import Progress

    started = time.monotonic()
    files = None
    with progress(options.quiet, "reading the picture", "steps") as show:
        for event in edit.save(editor, one.source(), one.faces, one.folder, force=options.force):
            if isinstance(event, EditFiles):
                files = event
            elif isinstance(event, Progress) and event.stage == "denoise":
                show(event.done, event.total, what="editing")
    assert files is not None  # the last event
    _report(options, one, files, time.monotonic() - started)


def _report(
    options: argparse.Namespace, photograph: "Photograph", files: "EditFiles", seconds: float
) -> None:
    """One line of JSON, or the paths and a remark, as soon as a photograph is done."""
    if options.json:
        record = {key: files.settings[key] for key in ("model", "device", "notes")}
        record |= {"photo": str(photograph.path), "seconds": round(seconds, 2)}
        print_json({**record, **files.as_dict()})
        return
    for path in files.paths():
        print(path, flush=True)
    count = len(files.pictures)
    mark = "" if options.no_mark else ", marked as edits (--no-mark leaves that out)"
    remark(f"{count} picture{'s' if count > 1 else ''} in {seconds:.1f} s{mark}", options.quiet)
