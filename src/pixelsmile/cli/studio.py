"""`pixelsmile studio`: expressions by sliders, in a browser."""

import argparse
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from pixelsmile.cli.display import remark
from pixelsmile.cli.options import add_device, add_marks, add_quiet
from pixelsmile.cli.parsing import CommandParser, positive_number, whole_number
from pixelsmile.cli.serve import add_models, be_discreet, is_local, offered
from pixelsmile.errors import InputError, install

_EPILOG = """examples:
  pixelsmile studio
  pixelsmile studio --open --port 9000
  pixelsmile studio --model Qwen/Qwen-Image-Edit-2511 --adapter PixelSmile.safetensors
  pixelsmile studio --host 0.0.0.0 --password-file people.txt
"""


def run(options: argparse.Namespace) -> int:
    """Show the studio until a signal. What can be refused is refused before anything is loaded."""
    if find_spec("gradio") is None:
        raise InputError(f"the studio needs gradio: {install('studio')}")
    from pixelsmile.web.studio.serving import Door, read_passwords, serve

    passwords = {} if options.password_file is None else read_passwords(Path(options.password_file))
    models, form = offered(options)
    door = Door(options.host, options.port, options.share, passwords, options.open, options.max_size)
    be_discreet(options.quiet)
    say = partial(remark, quiet=options.quiet)
    if not passwords and (options.share or not is_local(options.host)):
        say("anybody who reaches this address can use it: --password-file asks for a password")
    serve(models, form, door, say, max_loaded=options.max_loaded)
    return 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser("studio", "Edit faces with sliders, on a page in your browser.", run, _EPILOG)
    parser.add_argument(
        "--port", type=whole_number("port", 0, 65535), default=7860, metavar="N", help="(7860; 0: any)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    group = parser.add_argument_group("who can use it (by default you, on this machine)")
    group.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (127.0.0.1)")
    group.add_argument(
        "--share",
        action="store_true",
        help="make a public address for it, through a tunnel of the makers of Gradio: pictures pass there",
    )
    group.add_argument(
        "--password-file", metavar="FILE", help="NAME:PASSWORD, one person a line (default: nobody is asked)"
    )
    group.add_argument(
        "--max-size",
        type=positive_number("max-size"),
        default=64.0,
        metavar="MB",
        help="of an uploaded picture (default 64)",
    )
    add_models(parser)
    add_device(parser.add_argument_group("the machine"))
    add_marks(parser.add_argument_group("what says that pictures are edits"))
    add_quiet(parser)
    return parser
