"""Options of commands that ask a judge: how it is asked, what may be spent, and what a refusal ends."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.options import Options
from pixelsmile.cli.parsing import positive_number, whole_number
from pixelsmile.errors import InputError
from pixelsmile.limits import parse_json, shown

if TYPE_CHECKING:
    from pixelsmile.judges.names import JudgeOptions

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


def judge_options(options: argparse.Namespace, names: Sequence[str]) -> "JudgeOptions":
    """What is set for the judges; InputError where it is set and none of them would take it."""
    from pixelsmile.judges.names import JudgeOptions, server_named
    from pixelsmile.remote import Budget, Limits

    given = {name: value for name in _OF_SERVERS if (value := getattr(options, name)) is not None}
    if given and not any(name.startswith(("gemini:", "openai:")) for name in names):
        option = "--" + next(iter(given)).replace("_", "-")
        raise InputError(
            f"{option} is for judges behind a server, and {', '.join(names)} is none: leave it out"
        )
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
    found = parse_json(text, f"--extra {shown(text)}")
    if not isinstance(found, dict):
        raise InputError(f"--extra {shown(text)} is no JSON object: write it like '{{\"top_p\": 0.9}}'")
    return found
