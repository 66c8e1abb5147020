"""The options of any editor, for commands that take one by its name: how it is asked, what it may cost."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixelsmile.cli.options import Options, add_request
from pixelsmile.cli.parsing import CommandParser, dollars, positive_number, whole_number
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.editors.choice import EditorChoice
    from pixelsmile.editors.pipelines import PipelineSettings
    from pixelsmile.editors.remote import RemoteSettings

# Options of ours that a stock pipeline takes, too.
PIPELINE_OPTIONS = ("model", "steps", "device", "dtype", "offload", "quantization")
SERVER_OPTIONS = ("max_requests", "max_cost", "price", "size", "key_env", "extra")


def add_editor(group: Options, which: str, default: str | None = None) -> None:
    """--editor, and how long it may take. which: the help."""
    group.add_argument("--editor", default=default, metavar="EDITOR", help=which)
    group.add_argument(
        "--timeout",
        type=positive_number("timeout"),
        metavar="SECONDS",
        help="how long a command may be silent (default 600), or a server take to answer (default 300)",
    )


def add_server(parser: CommandParser, size: str = "--size") -> None:
    """How a model behind an address is asked. size: how the option for the size of its edits is called."""
    group = parser.add_argument_group(
        "for a model behind an address",
        "`pixelsmile editors list` has the services, how --editor names them and the sizes of each",
    )
    group.add_argument(
        "--max-requests", type=whole_number("max-requests", 0), metavar="N", help="stop before more are sent"
    )
    group.add_argument(
        "--max-cost", type=dollars("max-cost"), metavar="DOLLARS", help="stop before more is spent"
    )
    group.add_argument(
        "--price",
        type=dollars("price"),
        metavar="DOLLARS",
        help="the most that one edit costs, for --max-cost (default: as `pixelsmile editors show` has it)",
    )
    group.add_argument(size, metavar="SIZE", help="of the edits, as above (default: the service's own)")
    add_request(group, '{"quality": "high"}')


def check_options(
    options: argparse.Namespace,
    choice: "EditorChoice",
    own: Sequence[str],
    server: Sequence[str] = SERVER_OPTIONS,
) -> None:
    """InputError for options that the editor has no use for. own: those of ours; server: of a service."""
    from pixelsmile.editors.table import image_services

    ours_alone = [name for name in own if name not in PIPELINE_OPTIONS]
    owners = (
        ("pixelsmile", choice.kind == "own", ours_alone),
        ("pixelsmile", choice.kind in ("own", "diffusers"), PIPELINE_OPTIONS),
        (f"{', '.join(image_services())}:...", choice.kind == "service", server),
        ("command:...", choice.kind in ("command", "service"), ("timeout", "max_concurrency")),
    )
    useless = [(owner, name) for owner, is_asked, names in owners if not is_asked for name in names]
    for owner, name in useless:
        if getattr(options, name, None) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} is for --editor {owner}, not {options.editor!r}: leave it out"
            )


def pipeline_settings(options: argparse.Namespace) -> "PipelineSettings":
    """How a stock pipeline is loaded and run."""
    from pixelsmile.editors.pipelines import PipelineSettings

    return PipelineSettings(
        options.model,
        options.steps,
        options.device,
        options.dtype,
        options.offload or "none",
        options.quantization,
    )


def remote_settings(options: argparse.Namespace, size: str | None) -> "RemoteSettings":
    """How a model behind an address is asked. size: of its edits."""
    from pixelsmile.editors.remote import RemoteSettings

    given = {name: getattr(options, name) for name in SERVER_OPTIONS if name != "size"}
    given |= {"size": size, "timeout_s": options.timeout}
    return RemoteSettings(**{name: value for name, value in given.items() if value is not None})
