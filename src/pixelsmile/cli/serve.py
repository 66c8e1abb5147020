"""`pixelsmile serve`: edits, faces and scores over HTTP, in the form of OpenAI's image API."""

import argparse
import ipaddress
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import loading, remark
from pixelsmile.cli.options import (
    add_acceleration,
    add_adapter,
    add_control,
    add_device,
    add_marks,
    add_quiet,
    asked_model,
    signer_of,
)
from pixelsmile.cli.parsing import CommandParser, parts_of, positive_number, whole_number
from pixelsmile.errors import InputError, install

if TYPE_CHECKING:
    from pixelsmile.editing.edit_files import OutputFormat
    from pixelsmile.web.models import Served

_MB, _MP = 2**20, 1_000_000
_EPILOG = """examples:
  pixelsmile serve
  pixelsmile serve --model geometric --port 9000
  pixelsmile serve --model smiles=models/mine --adapter smile.safetensors --key-file keys.txt
  curl -F image=@photo.jpg -F prompt="Make her smile" http://127.0.0.1:8000/v1/images/edits
"""


def run(options: argparse.Namespace) -> int:
    """Serve until a signal. What can be refused is refused before anything is loaded."""
    try:
        from pixelsmile.web.address import listen
        from pixelsmile.web.app import Limits
        from pixelsmile.web.gate import Keys
        from pixelsmile.web.server import make_server
        from pixelsmile.web.server import run as serve
    except ImportError as error:
        if (error.name or "").startswith("pixelsmile"):
            raise
        raise InputError(f"the server needs {error.name}: {install('serve')}") from error
    from pixelsmile.editing.folders import GEOMETRIC

    devices = parts_of(options.device) if options.device else [None]
    options.device = devices[0]
    limits = Limits(
        options.max_queue, round(options.max_size * _MB), round(options.max_pixels * _MP), options.timeout
    )
    keys = None if options.key_file is None else Keys.read(Path(options.key_file))
    models, form = offered(options)
    for choice in models.choices.values():
        for device in devices if choice.model != GEOMETRIC else ():
            replace(choice, device=device).check_device()
    with listen(options.host, options.port) as listening:
        be_discreet(options.quiet)
        with loading("the models", options.quiet or not options.preload):
            server = make_server(
                models,
                limits,
                keys,
                form,
                max_loaded=options.max_loaded,
                devices=tuple(devices) if len(devices) > 1 else (None,),
                load_now=options.preload,
            )
        _say_where(options, listening.getsockname()[1], list(models.choices), keys is not None)
        serve(server, listening)
    return 0


def offered(options: argparse.Namespace) -> tuple["Served", "OutputFormat"]:
    """The models that may be chosen, and how pictures say that they are edits. InputError."""
    from pixelsmile.editing.edit_files import OutputFormat
    from pixelsmile.web.models import served

    options.model = None  # `--model` names several
    form = OutputFormat(mark=not options.no_mark, signer=signer_of(options))
    return served(options.models, asked_model(options)), form


def be_discreet(quiet: bool) -> None:
    """The log has a line a request, and nothing of pictures and words: those go to who sent them."""
    logging.getLogger("pixelsmile").setLevel(logging.ERROR)
    logging.getLogger("pixelsmile.web").setLevel(logging.ERROR if quiet else logging.INFO)


def _say_where(options: argparse.Namespace, port: int, names: list[str], has_keys: bool) -> None:
    say = partial(remark, quiet=options.quiet)
    host = f"[{options.host}]" if ":" in options.host else options.host
    say(f"serving {', '.join(names)} at http://{host}:{port} (the page about it: /docs)")
    if not has_keys and not is_local(options.host):
        say("anybody who reaches this address can use it: --key-file asks for a key")


def is_local(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser("serve", "Serve edits over HTTP, in the form of OpenAI's image API.", run, _EPILOG)
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (127.0.0.1)")
    parser.add_argument(
        "--port", type=whole_number("port", 0, 65535), default=8000, metavar="N", help="(8000; 0: any)"
    )
    add_models(parser).add_argument(
        "--preload", action="store_true", help="load models before the first request"
    )
    add_device(parser.add_argument_group("the machine; --device cuda:0,cuda:1 works on both"))
    add_acceleration(parser.add_argument_group("faster edits"))
    add_marks(parser.add_argument_group("what says that pictures are edits"))
    _add_limits(parser)
    add_quiet(parser)
    return parser


def add_models(parser: CommandParser) -> argparse._ArgumentGroup:
    """Which models there are to choose from, and how many of them stay loaded."""
    group = parser.add_argument_group("models")
    group.add_argument(
        "--model",
        action="append",
        default=[],
        dest="models",
        metavar="MODEL",
        help="geometric, embedded, a hub id, a folder, or NAME=FOLDER; the first is the default; may be "
        "given again (default: geometric for photographs and embedded for drawn portraits; the paper's where "
        "it is downloaded and fits)",
    )
    add_adapter(group)
    add_control(group)
    group.add_argument(
        "--max-loaded",
        type=whole_number("max-loaded", 1),
        default=2,
        metavar="N",
        help="models that stay in memory, on each device (default 2)",
    )
    return group


def _add_limits(parser: CommandParser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument(
        "--key-file",
        metavar="FILE",
        help="keys that open the server, one a line (default: none is asked for)",
    )
    group.add_argument(
        "--max-queue",
        type=whole_number("max-queue", 1, 10_000),
        default=16,
        metavar="N",
        help="requests at once, running and waiting; more get 429 (default 16)",
    )
    group.add_argument(
        "--max-size",
        type=positive_number("max-size"),
        default=32.0,
        metavar="MB",
        help="of a request (default 32)",
    )
    group.add_argument(
        "--max-pixels",
        type=positive_number("max-pixels"),
        default=24.0,
        metavar="MP",
        help="of a picture, in millions (default 24)",
    )
    group.add_argument(
        "--timeout",
        type=positive_number("timeout"),
        default=300.0,
        metavar="SECONDS",
        help="of a request, its wait included (default 300)",
    )
