"""Options that several commands take, declared once: what is written and said, and where a model runs."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixelsmile.cli.parsing import one_of, positive_number, whole_number
from pixelsmile.editing.options import (
    DTYPE_NAMES,
    MAX_SEED,
    MAX_SIZE_PX,
    MAX_STEPS,
    MIN_SIZE_PX,
    OFFLOADS,
    QUANTIZATIONS,
)
from pixelsmile.errors import DeviceError
from pixelsmile.expressions import DOMAINS

if TYPE_CHECKING:
    from pixelsmile.editing.model_choice import ModelChoice

NONE = "none"
Options = argparse._ActionsContainer  # a parser, or a group of its options


def add_json(to: Options, instead_of: str = "") -> None:
    to.add_argument(
        "--json",
        action="store_true",
        help=f"print one JSON object{instead_of and f' instead of {instead_of}'}",
    )


def add_quiet(to: Options) -> None:
    to.add_argument("-q", "--quiet", action="store_true", help="no progress and no remarks")


def add_force(to: Options, what: str = "files that exist") -> None:
    to.add_argument("--force", action="store_true", help=f"replace {what}")


def add_seed(to: Options, what: str, maximum: int | None = MAX_SEED) -> None:
    to.add_argument(
        "--seed", type=whole_number("seed", 0, maximum), default=0, metavar="N", help=f"{what} (default 0)"
    )


def add_size(to: Options, what: str, default: int | None, minimum: int = MIN_SIZE_PX) -> None:
    size = "the model's own" if default is None else default
    to.add_argument(
        "--size",
        type=whole_number("size", minimum, MAX_SIZE_PX),
        default=default,
        metavar="PX",
        help=f"{what} (default{': ' if default is None else ' '}{size})",
    )


def add_one_face(to: Options) -> None:
    """--face, of commands that look at one face of a picture."""
    to.add_argument(
        "--face",
        metavar="WHICH",
        help="which face: as for `edit`, but for all and whole (default: the only one)",
    )


def add_detector(to: Options) -> None:
    to.add_argument(
        "--detector",
        default="auto",
        metavar="NAME",
        help="auto (default), mesh, scrfd, yunet, cascade, embedded (drawn portraits), or an ONNX file",
    )


def add_adapter(to: Options) -> None:
    to.add_argument(
        "--adapter",
        action="append",
        metavar="FILE[=SCALE]",
        help="a LoRA file and its scale (default 1), in place of the model's own; may be given more than "
        "once; none: the model alone",
    )


def add_sampling(to: Options) -> None:
    """--steps and --shift."""
    to.add_argument("--steps", type=whole_number("steps", 1, MAX_STEPS), metavar="N", help="sampling steps")
    to.add_argument(
        "--shift",
        type=positive_number("shift"),
        metavar="X",
        help="fixed shift of the noise levels, for few-step adapters that ask for one (often 3)",
    )


def add_device(to: Options) -> None:
    """--device, and what else makes a model fit it. offload is None where it is not given."""
    to.add_argument("--device", metavar="DEVICE", help="cpu, cuda, cuda:1 (default: a GPU if there is one)")
    to.add_argument(
        "--dtype",
        type=one_of("dtype", DTYPE_NAMES),
        metavar="DTYPE",
        help=f"{', '.join(DTYPE_NAMES)} (default: by device)",
    )
    to.add_argument(
        "--offload",
        type=one_of("offload", OFFLOADS),
        metavar="HOW",
        help="to save GPU memory: none (default), model, or sequential (least memory, slow)",
    )
    to.add_argument(
        "--quantization",
        type=one_of("quantization", QUANTIZATIONS),
        metavar="BITS",
        help="8bit or 4bit weights, on a GPU",
    )


def asked_model(options: argparse.Namespace) -> "ModelChoice":
    """What --model, --adapter and the options of `add_device` ask for."""
    from pixelsmile.editing.model_choice import ModelChoice

    return ModelChoice(
        options.model,
        options.adapter,
        options.device,
        options.dtype,
        options.offload or "none",
        options.quantization,
    )


@contextmanager
def memory_errors(advice: str) -> Iterator[None]:
    """One line where a GPU is too small, in place of the allocator's page. DeviceError."""
    try:
        yield
    except RuntimeError as error:
        import torch

        if not isinstance(error, torch.OutOfMemoryError):
            raise
        raise DeviceError(f"the GPU has too little free memory: {advice}") from error


def add_domain(to: Options, *, both: bool, what: str = "") -> None:
    """--domain; `both` where the two may be mixed. what: begins its help."""
    to.add_argument(
        "--domain",
        type=one_of("domain", (*DOMAINS, *(("both",) if both else ()))),
        default="both" if both else "human",
        metavar="DOMAIN",
        help=(what and f"{what}: ")
        + ("human, anime or both (default)" if both else "human (default) or anime"),
    )


def add_instructions(to: Options) -> None:
    """--instructions, of FED-Bench: the words in two granularities."""
    to.add_argument(
        "--instructions",
        type=one_of("instructions", ("dense", "simple", "both")),
        default="both",
        metavar="WHICH",
        help="dense, simple or both (default)",
    )
