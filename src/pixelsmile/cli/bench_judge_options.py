"""The options of `pixelsmile bench ffe judge` and `fed judge`."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.parsing import CommandParser, one_of, positive_number, whole_number
from pixelsmile.errors import InputError
from pixelsmile.limits import parse_json, shown

if TYPE_CHECKING:
    from pixelsmile.judges.choosing import JudgeOptions

NO_ENCODERS = "none"
_MAX_TEMPERATURE = 2.0
_SERVER = ("temperature", "seed", "key_env", "extra", "timeout", "max_output_tokens", "max_side")
REPRESENTATIONS = ("scores", "landmarks", "embedding", "none")
_WHO = """judges:
  photo                     photographs of people, on this machine (default for photographs):
                            happy, sad, angry, fear, disgust, surprised and neutral
  embedded                  drawn portraits, on this machine (default for the embedded benchmark)
  gemini:MODEL              the Gemini API, key in GEMINI_API_KEY
  openai:MODEL              OpenAI, key in OPENAI_API_KEY
  openai:MODEL@ADDRESS      any server that speaks its protocol: vLLM, SGLang, Ollama, hosted ones
  scripted:FILE             JSON lines: {"picture": SHA-256 of its pixels, "answer": ...}

encoders:
  embedded                  three of them, for drawn portraits (for the embedded benchmark: default)
  dlib                      for photographs (other benchmarks: default); a scale of its own
  arcface adaface facenet   published weights (pixelsmile models list); auraface for commercial use
  KIND=PATH or PATH         a file, or a folder that says its kind
  none                      identity is not measured
"""
_FFE_EPILOG = """
examples:
  pixelsmile bench ffe judge runs/first
  pixelsmile bench ffe judge runs/ours --judge gemini:gemini-3.1-pro-preview \\
      --max-requests 500 --encoders none
  pixelsmile bench ffe judge runs/ours --judge openai:qwen2.5vl:7b@http://localhost:11434/v1 \\
      --encoders arcface adaface facenet

The same command again does what is left, and asks once more about edits without a verdict,
but for those that the judge refused (--ask-again).
"""
_FED_EPILOG = """
marks from a script:
  {"question": SHA-256 (Question.sha256), "answer": {"reason": "...", "mark": 7.5}}

what the change of an expression is measured by:
  scores                    twelve scores, by the judge (default): it sees three more pictures
  landmarks                 five points of the face, where the detector finds them
  embedding[=CLIP]          an image encoder: the embedded one for drawn portraits, else CLIP
                            from the hub or a folder
  none                      REG is not measured, and nothing has a score

examples:
  pixelsmile bench fed judge runs/first
  pixelsmile bench fed judge runs/ours --judge gemini:gemini-3.1-pro-preview \\
      --encoders arcface --max-concurrency 32
  pixelsmile bench fed judge runs/ours --judge openai:my-model@http://localhost:8000/v1 \\
      --encoders arcface --representation landmarks

The same command again does what is left, and asks once more about edits without a mark,
but for those that the judge refused (--ask-again).
"""


def ffe_parser() -> CommandParser:
    """The parser; every value is checked as far as that goes without loading a judge or an encoder."""
    summary = "Have the edits of a run judged, and measure their likeness to the source."
    parser = CommandParser("bench ffe judge", summary, _WHO + _FFE_EPILOG)
    _add_all(parser, "who judges; given more than once: one after the other, and reports can take their mean")
    return parser


def fed_parser() -> CommandParser:
    """The same for FED-Bench."""
    summary = "Have the edits of a run marked, and measure likeness, background and change of expression."
    parser = CommandParser("bench fed judge", summary, _WHO + _FED_EPILOG)
    _add_all(parser, "who marks; given more than once: one after the other")
    group = parser.add_argument_group("what else is measured")
    group.add_argument(
        "--representation",
        type=_representation,
        default="scores",
        metavar="WHAT",
        help="of an expression, for its change: scores (default), landmarks, embedding or none",
    )
    group.add_argument(
        "--resize",
        action="store_true",
        help="bring edits of another size to the source's to compare backgrounds (default: unscored)",
    )
    return parser


def _representation(text: str) -> str:
    kind, equals, source = text.partition("=")
    checked = one_of("representation", REPRESENTATIONS)(kind)
    if equals and (checked != "embedding" or not source):
        raise InputError(f"--representation {text!r}: only embedding takes a model, as in embedding=FOLDER")
    return text


def _add_all(parser: CommandParser, who: str) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of the run")
    parser.add_argument(
        "--judge",
        action="append",
        metavar="JUDGE",
        help=who,
    )
    parser.add_argument(
        "--cache", metavar="FILE", help="share verdicts between runs (default: one of the run)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the summary")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress and no remarks")
    _add_likeness(parser)
    add_server_options(parser)
    add_refusal_options(parser)


def _add_likeness(parser: CommandParser) -> None:
    group = parser.add_argument_group("likeness")
    group.add_argument("--encoders", nargs="+", metavar="ENCODER", help="who compares the faces")
    group.add_argument(
        "--detector",
        default="auto",
        metavar="NAME",
        help="who finds them: auto (default), scrfd, yunet, embedded (drawn portraits), or an ONNX file",
    )
    group.add_argument("--device", metavar="DEVICE", help="of the encoders (default: a GPU if there is one)")
    group.add_argument(
        "--force", action="store_true", help="measure all again where other encoders or detectors did before"
    )


def add_refusal_options(parser: CommandParser) -> None:
    group = parser.add_argument_group("where a judge refuses a picture")
    group.add_argument("--ask-again", action="store_true", help="also about what was refused before")
    group.add_argument(
        "--max-refusals",
        type=whole_number("max-refusals", 1),
        default=5,
        metavar="N",
        help="stop after so many in a row (default 5); fewer leave those edits without a verdict",
    )


def add_server_options(parser: CommandParser) -> None:
    group = parser.add_argument_group("for judges behind a server")
    group.add_argument(
        "--max-concurrency",
        type=whole_number("max-concurrency", 1, 1024),
        default=8,
        metavar="N",
        help="requests at once (default 8)",
    )
    group.add_argument(
        "--max-requests",
        type=whole_number("max-requests", 0),
        metavar="N",
        help="stop before more are sent, all judges together",
    )
    group.add_argument(
        "--max-tokens",
        type=whole_number("max-tokens", 0),
        metavar="N",
        help="stop before more are used, input and output, all judges together",
    )
    group.add_argument(
        "--temperature",
        type=_temperature,
        metavar="T",
        help="0 to 2, or `model` for the model's own (default: 0 for openai, the model's own for gemini)",
    )
    group.add_argument("--seed", type=whole_number("seed", 0), metavar="N", help="where the server takes one")
    group.add_argument("--key-env", metavar="NAME", help="the environment variable that has the key")
    group.add_argument(
        "--extra",
        type=_extra,
        metavar="JSON",
        help="further fields of each request, as '{\"top_p\": 0.9}'; a null takes a field out",
    )
    group.add_argument(
        "--timeout", type=positive_number("timeout"), metavar="SECONDS", help="of a request (default 120)"
    )
    group.add_argument(
        "--max-output-tokens",
        type=whole_number("max-output-tokens", 1),
        metavar="N",
        help="of an answer, with what the model thinks (default 8192)",
    )
    group.add_argument(
        "--max-side",
        type=whole_number("max-side", 32),
        metavar="PX",
        help="larger pictures are scaled down to this (default 1024)",
    )


def judge_options(options: argparse.Namespace, names: list[str]) -> "JudgeOptions":
    """What is set for the judges; InputError where it is set and none of them would take it."""
    from pixelsmile.judges.budget import Budget
    from pixelsmile.judges.choosing import JudgeOptions, server_named
    from pixelsmile.judges.providers.limits import Limits

    given = {name: value for name in _SERVER if (value := getattr(options, name)) is not None}
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


def _extra(text: str) -> Mapping[str, Any]:
    found = parse_json(text, f"--extra {shown(text)}")
    if not isinstance(found, dict):
        raise InputError(f"--extra {shown(text)} is no JSON object: write it like '{{\"top_p\": 0.9}}'")
    return found
