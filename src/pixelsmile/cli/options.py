"""Options of several commands, declared once: what is written, where a model runs, how judges are asked."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.parsing import number_from, one_of, positive_number, whole_number
from pixelsmile.editing.options import (
    ATTENTIONS,
    DTYPE_NAMES,
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_SIZE_PX,
    MAX_STEPS,
    MIN_SIZE_PX,
    OFFLOADS,
    PRESET_NAMES,
    QUANTIZATIONS,
)
from pixelsmile.errors import DeviceError, InputError
from pixelsmile.expressions import DOMAINS

if TYPE_CHECKING:
    from pixelsmile.editing.model_choice import ModelChoice
    from pixelsmile.judges.names import JudgeOptions
    from pixelsmile.provenance.certificates import Signer

NONE = "none"
ACCELERATIONS = ("preset", "step_cache", "attention", "compile", "fuse")  # options of `add_acceleration`
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


def add_control(to: Options) -> None:
    to.add_argument(
        "--control",
        metavar="FOLDER",
        help="what turns strengths into edits in place of interpolation: the folder of a control that was "
        "trained on the model, as `train k-slider` makes one",
    )


def add_sampling(to: Options) -> None:
    """--steps, --shift and --guidance."""
    to.add_argument("--steps", type=whole_number("steps", 1, MAX_STEPS), metavar="N", help="sampling steps")
    to.add_argument(
        "--shift",
        type=positive_number("shift"),
        metavar="X",
        help="fixed shift of the noise levels, for few-step adapters that ask for one (often 3)",
    )
    to.add_argument(
        "--guidance",
        type=number_from("guidance", 1, MAX_GUIDANCE),
        metavar="X",
        help="classifier-free guidance (true_cfg_scale), 1 is none and takes half the time (default: 1 with "
        "an adapter, what its card says for a base alone)",
    )


def add_marks(to: Options) -> None:
    """--no-mark and --sign, of whatever gives pictures to people."""
    to.add_argument(
        "--no-mark",
        action="store_true",
        help="leave the pixels without the imperceptible mark by which `pixelsmile verify` knows an edit, "
        "also after JPEG, scaling and cropping (default: every picture that differs from its source has it)",
    )
    to.add_argument(
        "--sign",
        nargs=2,
        metavar=("CERTIFICATE", "KEY"),
        help="sign every file with C2PA content credentials (PEM files; needs the extra `sign`; `pixelsmile "
        "certificate` makes some to try)",
    )


def signer_of(options: argparse.Namespace) -> "Signer | None":
    """Who signs; found fit for it before any work. InputError."""
    if options.sign is None:
        return None
    from pixelsmile.provenance.credentials import open_signer

    certificate, key = map(Path, options.sign)
    return open_signer(certificate, key)


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
        help="weights in fewer bits: fp8 (on any device), or 8bit and 4bit (on a GPU, with bitsandbytes)",
    )


def add_acceleration(to: Options) -> None:
    """What makes our models faster; `asked_model` reads it."""
    to.add_argument(
        "--preset",
        type=one_of("preset", PRESET_NAMES),
        metavar="NAME",
        help=f"{' or '.join(PRESET_NAMES)}: few steps, with the adapter that was distilled for them",
    )
    to.add_argument(
        "--step-cache",
        metavar="KIND[=LEVEL]",
        help="tell some forwards from those before: taylor=N computes one of N, first-block=SHARE those that "
        "changed by more",
    )
    to.add_argument(
        "--attention",
        type=one_of("attention", ATTENTIONS),
        metavar="KERNEL",
        help=f"{', '.join(ATTENTIONS)} (default: torch's choice)",
    )
    to.add_argument(
        "--compile",
        action="store_true",
        default=None,
        help="compile the transformer's blocks, which takes a while once",
    )
    to.add_argument(
        "--fuse",
        action="store_true",
        default=None,
        help="merge the adapters into the weights",
    )


def asked_model(options: argparse.Namespace) -> "ModelChoice":
    """What --model, --adapter and the options of `add_device` ask for."""
    from pixelsmile.editing.acceleration import Acceleration
    from pixelsmile.editing.model_choice import ModelChoice

    return ModelChoice(
        options.model,
        options.adapter,
        options.device,
        options.dtype,
        options.offload or "none",
        options.quantization,
        getattr(options, "control", None),
        Acceleration(
            **{name: value for name in ACCELERATIONS if (value := getattr(options, name, None)) is not None}
        ),
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


_MAX_TEMPERATURE = 2.0
_OF_SERVERS = ("temperature", "seed", "key_env", "extra", "timeout", "max_output_tokens", "max_side")
JUDGES = """judges:
  photo                     photographs of people, on this machine (default for {photo}):
                            happy, sad, angry, fear, disgust, surprised and neutral
  embedded                  {embedded}
  gemini:MODEL              the Gemini API, key in GEMINI_API_KEY
  openai:MODEL              OpenAI, key in OPENAI_API_KEY
  openai:MODEL@ADDRESS      any server that speaks its protocol: vLLM, SGLang, Ollama, hosted ones
"""


def add_refusals(parser: argparse.ArgumentParser) -> None:
    """What is done where a judge refuses a picture."""
    group = parser.add_argument_group("where a judge refuses a picture")
    group.add_argument("--ask-again", action="store_true", help="also about what was refused before")
    group.add_argument(
        "--max-refusals",
        type=whole_number("max-refusals", 1),
        default=5,
        metavar="N",
        help="stop after so many in a row (default 5); fewer leave those edits without a verdict",
    )


def add_server(parser: argparse.ArgumentParser) -> None:
    """How judges behind a server are asked, and what may be spent on them."""
    group = parser.add_argument_group("for judges behind a server")
    whole = (
        ("--max-concurrency", (1, 1024), 8, "N", "requests at once (default 8)"),
        ("--max-requests", (0,), None, "N", "stop before more are sent, all judges together"),
        ("--max-tokens", (0,), None, "N", "stop before more are used, input and output, all judges together"),
        ("--seed", (0,), None, "N", "where the server takes one"),
        ("--max-output-tokens", (1,), None, "N", "of an answer, with what the model thinks (default 8192)"),
        ("--max-side", (32,), None, "PX", "larger pictures are scaled down to this (default 1024)"),
    )
    for option, limits, default, metavar, help_ in whole:
        group.add_argument(
            option, type=whole_number(option[2:], *limits), default=default, metavar=metavar, help=help_
        )
    group.add_argument(
        "--temperature",
        type=_temperature,
        metavar="T",
        help="0 to 2, or `model` for the model's own (default: 0 for openai, the model's own for gemini)",
    )
    add_request(group, '{"top_p": 0.9}')
    group.add_argument(
        "--timeout", type=positive_number("timeout"), metavar="SECONDS", help="of a request (default 120)"
    )


def add_request(to: Options, example: str) -> None:
    """--key-env and --extra, of whatever stands behind an address. example: of further fields."""
    to.add_argument("--key-env", metavar="NAME", help="the environment variable that has the key")
    to.add_argument(
        "--extra",
        type=_json_fields,
        metavar="JSON",
        help=f"further fields of each request, as '{example}'; a null takes a field out",
    )


def judge_options(options: argparse.Namespace, names: Sequence[str]) -> "JudgeOptions | None":
    """What is set for the judges; None for those on this machine, which take none of it.

    InputError where something is set that none of them would take.
    """
    from pixelsmile.judges.names import EMBEDDED, PHOTO, JudgeOptions, server_named

    given = {name: value for name in _OF_SERVERS if (value := getattr(options, name)) is not None}
    if given and not any(name.startswith(("gemini:", "openai:")) for name in names):
        option = "--" + next(iter(given)).replace("_", "-")
        raise InputError(
            f"{option} is for judges behind a server, and {', '.join(names)} is none: leave it out"
        )
    if set(names) <= {EMBEDDED, PHOTO}:
        return None
    from pixelsmile.remote import Budget, Limits

    if "key_env" in given and len({server_named(name) for name in names} - {None}) > 1:
        raise InputError(
            "--key-env is for one server, and the judges are at several: have them judge one after the other"
        )
    settings: dict[str, Any] = {name: given[name] for name in ("seed", "key_env") if name in given}
    if "temperature" in given:
        settings["temperature"] = None if given["temperature"] == "model" else given["temperature"]
    limits = {"timeout": "timeout_s", "max_output_tokens": "max_output_tokens", "max_side": "max_side_px"}
    return JudgeOptions(
        budget=Budget(options.max_requests, options.max_tokens),
        limits=Limits(**{field: given[name] for name, field in limits.items() if name in given}),
        settings=settings,
        extra=given.get("extra", {}),
    )


def _temperature(text: str) -> float | str:
    if text == "model":
        return text
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= _MAX_TEMPERATURE:
        raise InputError(f"temperature {text!r}: use a number from 0 to {_MAX_TEMPERATURE:g}, or `model`")
    return number


def _json_fields(text: str) -> Mapping[str, Any]:
    """The fields of --extra, a JSON object; InputError for other text."""
    from pixelsmile.limits import parse_json, shown

    found = parse_json(text, f"--extra {shown(text)}")
    if not isinstance(found, dict):
        raise InputError(f"--extra {shown(text)} is no JSON object: write it like '{{\"top_p\": 0.9}}'")
    return found
