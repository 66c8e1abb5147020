"""`pixelsmile editors`: the table of editors, whole or a row of it."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pixelsmile.cli.display import print_json
from pixelsmile.cli.options import add_json
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import install

if TYPE_CHECKING:
    from pixelsmile.editors.table import Row

_EPILOG = """examples:
  pixelsmile editors list
  pixelsmile editors show flux-kontext-dev
  pixelsmile bench ffe run --editor flux-kontext-dev -o runs/kontext
  pixelsmile edit photo.jpg -e happy --editor nano-banana-pro

Editors that are in no table: folder:PATH, command:LINE, a service with any of its models (`list` names
them), and those that check the measures (pixelsmile bench ffe run --help).
"""
_COLUMNS = ("name", "paper", "run by", "strength", "price")
_UNKNOWN = "not known"


def list_parser() -> CommandParser:
    """`pixelsmile editors list`."""
    summary = "List the editors that --editor takes by name."
    parser = CommandParser("editors list", summary, run_list, _EPILOG)
    parser.add_argument("--markdown", action="store_true", help="as docs/editors.md has it")
    add_json(parser)
    return parser


def show_parser() -> CommandParser:
    """`pixelsmile editors show`."""
    summary = "Tell all that is known of an editor: how it is run, its arguments, licence, price."
    parser = CommandParser("editors show", summary, run_show, _EPILOG)
    parser.add_argument("name", metavar="NAME", help="as `pixelsmile editors list` has it")
    add_json(parser)
    return parser


def run_list(options: argparse.Namespace) -> int:
    """Print the table."""
    from pixelsmile.editors.services import service_lines
    from pixelsmile.editors.table import rows

    if options.json:
        print_json({"editors": [row.model_dump(mode="json") for row in rows().values()]})
    elif options.markdown:
        print(markdown(), end="")
    else:
        cells = [_COLUMNS, *(_cells(row) for row in rows().values())]
        widths = [max(len(line[column]) for line in cells) for column in range(len(_COLUMNS))]
        for line in cells:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        print(f"\nany model of a service:\n{service_lines()}")
        print("what one needs, and what to type: pixelsmile editors show NAME")
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Print a row. InputError for an unknown name."""
    from pixelsmile.editors.table import find_row

    row = find_row(options.name.strip().lower())
    if options.json:
        print_json(row.model_dump(mode="json"))
    else:
        print("\n".join(f"{name:<12} {text}" for name, text in _lines(row)))
    return 0


def markdown() -> str:
    """The table as a page has it."""
    from pixelsmile.editors.table import rows

    heads = ("name", "what it is", "run by", "strength", "licence", "price", "how it was checked here")
    lines = [heads, ("---",) * len(heads)]
    for row in rows().values():
        cells = (f"`{row.name}`", row.title, _run_words(row), _strength_words(row))
        lines.append((*cells, row.licence, _price(row), row.checked))
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def _cells(row: "Row") -> tuple[str, ...]:
    papers = ", ".join(paper.upper() for paper in row.papers) or "-"
    return row.name, papers, _run_words(row), row.strength.by, _price(row)


def _price(row: "Row") -> str:
    if row.price is not None:
        return f"${row.price}"
    return _UNKNOWN if row.run.by == "service" else "-"


def _run_words(row: "Row") -> str:
    from pixelsmile.editors.table import CommandRun, NobodyRun, OwnRun, PipelineRun, ServiceRun

    match row.run:
        case OwnRun():
            return "our engine"
        case PipelineRun(pipeline=pipeline):
            return pipeline
        case ServiceRun(service=service, model=model):
            return f"{service}:{model}"
        case CommandRun(wrapper=wrapper):
            return f"examples/editors/{wrapper}"
        case NobodyRun():
            return "nobody"


def _strength_words(row: "Row") -> str:
    return f"{row.strength.by}: {row.strength.how}" if row.strength.how else row.strength.by


def _lines(row: "Row") -> Iterator[tuple[str, str]]:
    """What is known, a name and a text each."""
    yield "name", row.name
    yield "", row.title
    for paper, name in row.papers.items():
        yield f"{paper.upper()}-Bench", name
    yield "run by", _run_words(row)
    yield from _run_lines(row)
    yield "prompts", ", ".join(row.prompts)
    if row.expressions is not None:
        yield "expressions", f"{', '.join(row.expressions)} alone"
    yield "strength", _strength_words(row)
    yield "size", row.size
    yield "licence", row.licence
    if row.run.by == "service":
        yield "price", f"${row.price} an edit, at most" if row.price is not None else _UNKNOWN
    yield "environment", row.environment
    yield "memory", row.memory or ("at the service" if row.run.by == "service" else _UNKNOWN)
    for other in row.also:
        yield "also", f"--editor {other}"
    yield "checked", row.checked
    for what in row.unsure:
        yield "unsure", what
    for line in _steps(row):
        yield "type", line


def _steps(row: "Row") -> Iterator[str]:
    """What a person with the key, the GPU or the checkout types, one after the other."""
    from pixelsmile.editors.table import CommandRun, NobodyRun, PipelineRun, ServiceRun, image_services

    run, more = row.run, ""
    match run:
        case NobodyRun():
            return
        case ServiceRun(service=service):
            yield f"{install('judges')}  # once, in the checkout of pixelsmile"
            yield f"export {image_services()[service].key}=..."
            more = " --max-cost 20" if row.price is not None else " --price DOLLARS --max-cost 20"
        case PipelineRun(gated=True):
            yield "hf auth login  # once, when its licence is accepted"
        case CommandRun():
            yield f"cd pixelsmile  # its checkout, set up once as {run.readme} says"
    named = f"--editor {row.name}{more}"
    expression = row.expressions[0] if row.expressions else "happy"
    yield f"pixelsmile edit photo.jpg -e {expression} --face largest {named} -o edits"
    if "ffe" in row.papers or not row.papers:
        yield f"pixelsmile bench ffe run --benchmark FFE-Bench {named} -o runs/{row.name}"
    if "fed" in row.papers:
        yield f"pixelsmile bench fed run --benchmark FED-Bench --sources SFEW {named} -o runs/{row.name}-fed"


def _run_lines(row: "Row") -> Iterator[tuple[str, str]]:
    from pixelsmile.editors.table import CommandRun, NobodyRun, OwnRun, PipelineRun, ServiceRun

    run = row.run
    if isinstance(run, OwnRun | PipelineRun):
        if run.model is not None:
            yield "model", run.model
        if run.revision is not None:
            yield "revision", run.revision
    match run:
        case OwnRun(adapters=adapters) if adapters is not None:
            yield "adapters", ", ".join(adapters) or "none"
        case PipelineRun():
            if run.unpinned is not None:
                yield "revision", f"not pinned: {run.unpinned}"
            if run.gated:
                yield "gated", f"accept its licence at https://huggingface.co/{run.model}"
            yield "arguments", ", ".join(f"{name}={value!r}" for name, value in run.arguments.items())
        case ServiceRun():
            if run.size is not None:
                yield "asked for", f"size {run.size}"
            if run.extra:
                yield "asked for", ", ".join(f"{name}={value!r}" for name, value in run.extra.items())
        case CommandRun():
            yield "starts", run.command
        case NobodyRun(why=why):
            yield "", why
