"""`pixelsmile edit`: a portrait and expressions in, sweeps of rising strength out."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.edit_options import edit_parser
from pixelsmile.errors import DeviceError

if TYPE_CHECKING:
    from pixelsmile.cli.edit_faces import FaceOrder
    from pixelsmile.cli.edit_orders import Order
    from pixelsmile.cli.model_choice import ModelChoice
    from pixelsmile.editing.edit_files import EditFiles, EditResult, Source
    from pixelsmile.editing.editor import EditOptions, Editor
    from pixelsmile.editing.face_edits import PasteOptions
    from pixelsmile.faces.face import Face


def run(arguments: Sequence[str]) -> int:
    """Edit one picture. What can be refused is refused before the model loads; all files appear, or none."""
    options = edit_parser().parse_args(arguments)
    if options.quiet:
        logging.getLogger("pixelsmile").setLevel(logging.ERROR)
    from pixelsmile.cli.edit_faces import check_face_orders, find_faces, parse_face_order, read_paste
    from pixelsmile.cli.edit_orders import default_folder, read_orders
    from pixelsmile.cli.model_choice import check_model_options, check_picture, choose_model
    from pixelsmile.cli.progress import Display, silence_libraries
    from pixelsmile.editing.edit_files import NamedSweep, file_names, read_source, write_files
    from pixelsmile.publication import staged
    from pixelsmile.results import check_domain, check_grid

    face_orders = [parse_face_order(text) for text in options.face]
    check_face_orders(face_orders, options)
    orders = read_orders(options)
    if options.grid:
        check_grid(len(orders), len(options.strengths))
    slugs = [order.slug for order in orders]
    names = file_names(slugs, options.strengths, grid=options.grid, gif=options.gif)
    photo = Path(options.photo)
    source = read_source(photo)
    check_domain(photo, source.portrait, options.domain or source.domain)
    folder = Path(options.output) if options.output is not None else default_folder(photo, orders)
    started = time.monotonic()
    with staged(folder, names, force=options.force) as stage, _memory_errors():
        with Display(options.quiet).loading("the libraries"):
            silence_libraries()
            check_model_options(options)
            choice = choose_model(options.model, options.device)
        check_picture(choice, photo, is_drawn=source.is_drawn)
        faces = find_faces(face_orders, source, options.detector, partial(_remark, options))
        paste = read_paste(options, faces, source.image.size)
        editor = _load(options, choice)
        results = _edit(editor, options, source, orders, faces, paste)
        sweeps = [
            NamedSweep(order.label, order.slug, result) for order, result in zip(orders, results, strict=True)
        ]
        files = write_files(stage, sweeps, grid=options.grid, gif=options.gif)
    _report(options, files, results, time.monotonic() - started)
    return 0


def _load(options: argparse.Namespace, choice: "ModelChoice") -> "Editor":
    from pixelsmile.cli.progress import Display
    from pixelsmile.editing.folders import find_model

    if choice.reason is not None:
        _remark(options, choice.reason)
    find_model(choice.model)  # a download shows its own progress, and a bad folder is refused early
    with Display(options.quiet).loading(choice.model):
        from pixelsmile.editing.editor import Editor

        return Editor.from_pretrained(
            choice.model,
            adapter=options.adapter,
            device=options.device,
            dtype=options.dtype,
            offload=options.offload,
            quantise=options.quantise,
        )


def _edit(
    editor: "Editor",
    options: argparse.Namespace,
    source: "Source",
    orders: Sequence["Order"],
    faces: Sequence[tuple["FaceOrder", list["Face"]]],
    paste: "PasteOptions",
) -> list["EditResult"]:
    from pixelsmile.cli.edit_faces import edit_faces
    from pixelsmile.cli.progress import Display
    from pixelsmile.editing.requests import Request

    info = editor.engine.info
    if info.note and not source.is_drawn:
        _remark(options, f"model {info.model}: {info.note}")
    how: EditOptions = {
        "seed": options.seed,
        "steps": options.steps,
        "size": options.size,
        "domain": options.domain or source.domain,
        "conditioning": options.conditioning,
        "batch_size": options.batch_size,
        "shift": options.shift,
    }
    if faces:
        events = edit_faces(editor, source, faces, orders, options.strengths, paste, how)
    else:
        requests = [
            Request(order.expression, order.blend, order.prompt, options.strengths) for order in orders
        ]
        events = editor.stream(source, requests, **how)
    return Display(options.quiet).results(events)


def _report(
    options: argparse.Namespace, files: "EditFiles", results: Sequence["EditResult"], seconds: float
) -> None:
    settings = results[0].settings
    if options.json:
        record = {"model": settings["model"], "device": settings["device"], "notes": settings["notes"]}
        print(json.dumps({**record, "seconds": round(seconds, 2), **files.as_dict()}))
        return
    for path in files.paths():
        print(path)
    count = len(files.pictures)
    _remark(options, f"{count} picture{'s' if count > 1 else ''} in {seconds:.1f} s")


@contextmanager
def _memory_errors() -> Iterator[None]:
    """One line where a GPU is too small, in place of the allocator's page."""
    try:
        yield
    except RuntimeError as error:
        import torch

        if not isinstance(error, torch.OutOfMemoryError):
            raise
        raise DeviceError(
            "the GPU has too little free memory: add --batch-size 1, --offload model, or --quantise 4bit"
        ) from error


def _remark(options: argparse.Namespace, text: str) -> None:
    if not options.quiet:
        print(f"pixelsmile: {text}", file=sys.stderr)
