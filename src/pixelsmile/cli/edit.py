"""`pixelsmile edit`: portraits and expressions in, sweeps of rising strength out."""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from pixelsmile.cli.display import loading, print_json, progress, remark, silence_libraries
from pixelsmile.cli.edit_options import edit_parser
from pixelsmile.cli.options import memory_errors
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import InputError, PixelSmileError

if TYPE_CHECKING:
    from pixelsmile.cli.edit_faces import FaceOrder
    from pixelsmile.cli.edit_orders import Order
    from pixelsmile.cli.edit_photographs import Photograph
    from pixelsmile.cli.model_choice import ModelChoice
    from pixelsmile.editing.edit_files import EditFiles, EditResult, FileForm, Source
    from pixelsmile.editing.editor import EditOptions, Editor
    from pixelsmile.editing.engine import Progress
    from pixelsmile.editing.face_edits import PasteOptions
    from pixelsmile.faces.face import Face


@dataclass(frozen=True)
class Plan:
    """What is made of every photograph: sweeps, and files of these names."""

    orders: "Sequence[Order]"
    form: "FileForm"
    names: Sequence[str]


@dataclass(frozen=True)
class Prepared:
    """A photograph with the faces that are edited in it, and how they return into it."""

    photograph: "Photograph"
    faces: "Sequence[tuple[FaceOrder, list[Face]]]"
    paste: "PasteOptions"


def parser() -> CommandParser:
    """The options; every value is checked as far as that goes without loading a model."""
    return edit_parser(run)


def run(options: argparse.Namespace) -> int:
    """Edit pictures. What can be refused is refused before the model loads.

    All files of a photograph appear, or none; those of the photographs before it stay.
    """
    from pixelsmile.cli.edit_faces import check_face_orders, parse_face_order
    from pixelsmile.cli.edit_orders import read_form, read_orders
    from pixelsmile.cli.edit_photographs import open_photographs
    from pixelsmile.cli.model_choice import check_device, check_files, choose_model
    from pixelsmile.editing.edit_files import file_names
    from pixelsmile.editing.folders import GEOMETRIC
    from pixelsmile.results import check_grid
    from pixelsmile.store.publication import check_place

    face_orders = [parse_face_order(text) for text in options.face]
    check_face_orders(face_orders, options)
    orders = read_orders(options)
    if options.grid:
        check_grid(len(orders), len(options.strengths))
    slugs = [order.slug for order in orders]
    form = read_form(options)
    plan = Plan(orders, form, file_names(slugs, options.strengths, form))
    check_files(options)
    photographs = open_photographs(options, orders, form.picture)
    for photograph in photographs:
        check_place(photograph.folder, plan.names, force=options.force)
    with memory_errors("add --batch-size 1, --offload model, or --quantization 4bit"):
        with loading("the libraries", options.quiet):
            drawn = _all_drawn(options, photographs)
            if drawn or options.device is not None or options.model not in (None, GEOMETRIC):
                check_device(options)
            choice = choose_model(options.model, options.device, drawn=drawn)
            if choice.model != GEOMETRIC:  # which needs none of them
                silence_libraries()
                check_device(options)
        prepared = _prepare(options, face_orders, photographs)
        _edit_all(_load(options, choice), options, plan, prepared)
    return 0


def _all_drawn(options: argparse.Namespace, photographs: "Sequence[Photograph]") -> bool:
    """Whether the pictures are drawn portraits. InputError for both kinds where nobody named a model."""
    drawn = [photograph.path for photograph in photographs if photograph.is_drawn]
    if options.model is None and 0 < len(drawn) < len(photographs):
        raise InputError(
            f"{str(drawn[0])!r} was drawn by pixelsmile, others here were not, and each kind has a model of "
            "its own: edit them apart, or name a --model"
        )
    return len(drawn) == len(photographs)


def _prepare(
    options: argparse.Namespace,
    face_orders: "Sequence[FaceOrder]",
    photographs: "Sequence[Photograph]",
) -> list[Prepared]:
    """The faces of every photograph; a refusal names all those in which they cannot be found."""
    from pixelsmile.cli.edit_faces import find_faces, read_paste, warn_of_misses
    from pixelsmile.cli.edit_photographs import Refusals

    say = cache(partial(remark, quiet=options.quiet))  # the same for many photographs is said once
    prepared = []
    refusals = Refusals(len(photographs) > 1)
    for photograph in photographs:
        with refusals.of(photograph.path):
            source = photograph.source()
            faces = find_faces(face_orders, source, options.detector, say)
            paste = read_paste(options, faces, source.image.size)
            warn_of_misses(faces, source, options.detector, say)
            prepared.append(Prepared(photograph, faces, paste))
    refusals.end()
    return prepared


def _edit_all(
    editor: "Editor", options: argparse.Namespace, plan: Plan, prepared: Sequence[Prepared]
) -> None:
    """Edit one photograph after the other; a failure says how many are done, whose files are kept."""
    from pixelsmile.cli.edit_photographs import named
    from pixelsmile.editing.edit_files import NamedSweep, write_files
    from pixelsmile.store.publication import staged

    num_between = len(plan.form.all_strengths(options.strengths)) - len(options.strengths)
    if num_between:
        remark(
            f"animations edit {num_between} more strengths of each sweep: --frames takes fewer", options.quiet
        )
    for index, one in enumerate(prepared):
        started = time.monotonic()
        photograph = one.photograph
        try:
            with staged(photograph.folder, plan.names, force=options.force) as stage:
                results = _edit(editor, options, photograph.source(), plan, one)
                sweeps = [
                    NamedSweep(order.label, order.slug, result)
                    for order, result in zip(plan.orders, results, strict=True)
                ]
                files = write_files(stage, sweeps, options.strengths, plan.form)
        except PixelSmileError as error:
            if len(prepared) == 1:
                raise
            done = f"{index} of {len(prepared)} photographs are done and kept, the others are not"
            raise type(error)(f"{named(photograph.path, error)} ({done})") from error
        _report(options, photograph, files, results, time.monotonic() - started)


def _load(options: argparse.Namespace, choice: "ModelChoice") -> "Editor":
    from pixelsmile.editing.folders import GEOMETRIC, find_model

    if choice.reason is not None:
        remark(choice.reason, options.quiet)
    if choice.model != GEOMETRIC:
        find_model(choice.model)  # a download shows its own progress, and a bad folder is refused early
    with loading(choice.model, options.quiet):
        from pixelsmile.editing.editor import Editor

        return Editor.from_pretrained(
            choice.model,
            adapter=options.adapter,
            device=options.device,
            dtype=options.dtype,
            offload=options.offload or "none",
            quantization=options.quantization,
        )


def _edit(
    editor: "Editor",
    options: argparse.Namespace,
    source: "Source",
    plan: Plan,
    one: Prepared,
) -> list["EditResult"]:
    from pixelsmile.cli.edit_faces import edit_faces
    from pixelsmile.editing.requests import Request

    how: EditOptions = {
        "seed": options.seed,
        "steps": options.steps,
        "size": options.size,
        "domain": options.domain or source.domain,
        "conditioning": options.conditioning,
        "batch_size": options.batch_size,
        "shift": options.shift,
        "neutralise": options.neutralise,
    }
    strengths = plan.form.all_strengths(options.strengths)
    if one.faces:
        events = edit_faces(editor, source, one.faces, plan.orders, strengths, one.paste, how)
    else:
        requests = [
            Request(order.expression, order.blend, order.prompt, strengths, order.units)
            for order in plan.orders
        ]
        events = editor.stream(source, requests, **how)
    return _results(events, options.quiet)


def _results(events: "Iterator[Progress | EditResult]", quiet: bool) -> list["EditResult"]:
    """Run `events` to their end; the results among them, in order."""
    from pixelsmile.editing.edit_files import EditResult

    results = []
    with progress(quiet, "reading the picture", "steps") as show:
        for event in events:
            if isinstance(event, EditResult):
                results.append(event)
            elif event.stage == "denoise":
                show(event.done, event.total, what="editing")
    return results


def _report(
    options: argparse.Namespace,
    photograph: "Photograph",
    files: "EditFiles",
    results: Sequence["EditResult"],
    seconds: float,
) -> None:
    """One line of JSON, or the paths and a remark, as soon as a photograph is done."""
    settings = results[0].settings
    if options.json:
        record = {key: settings[key] for key in ("model", "device", "notes")}
        record |= {"photo": str(photograph.path), "seconds": round(seconds, 2)}
        print_json({**record, **files.as_dict()})
        return
    for path in files.paths():
        print(path, flush=True)
    count = len(files.pictures)
    remark(f"{count} picture{'s' if count > 1 else ''} in {seconds:.1f} s", options.quiet)
