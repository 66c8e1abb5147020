"""The options of `pixelsmile bench ffe judge` and `fed judge`."""

from pixelsmile.cli.judge_options import JUDGES, add_refusals, add_server
from pixelsmile.cli.options import add_json, add_quiet
from pixelsmile.cli.parsing import CommandParser, Run, one_of
from pixelsmile.errors import InputError

REPRESENTATIONS = ("scores", "landmarks", "embedding", "none")
_WHO = (
    JUDGES.format(
        photo="photographs", embedded="drawn portraits, on this machine (default for the embedded benchmark)"
    )
    + """  scripted:FILE             JSON lines: {"picture": SHA-256 of its pixels, "answer": ...}

encoders:
  embedded                  three of them, for drawn portraits (for the embedded benchmark: default)
  dlib                      for photographs (other benchmarks: default); a scale of its own
  arcface adaface facenet   published weights (pixelsmile models list); auraface for commercial use
  KIND=PATH or PATH         a file, or a folder that says its kind
  none                      identity is not measured
"""
)
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


def ffe_parser(run: Run) -> CommandParser:
    """The parser; every value is checked as far as that goes without loading a judge or an encoder."""
    summary = "Have the edits of a run judged, and measure their likeness to the source."
    parser = CommandParser("bench ffe judge", summary, run, _WHO + _FFE_EPILOG)
    _add_all(parser, "who judges; given more than once: one after the other, and reports can take their mean")
    return parser


def fed_parser(run: Run) -> CommandParser:
    """The same for FED-Bench."""
    summary = "Have the edits of a run marked, and measure likeness, background and change of expression."
    parser = CommandParser("bench fed judge", summary, run, _WHO + _FED_EPILOG)
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
    add_json(parser, "the summary")
    add_quiet(parser)
    _add_likeness(parser)
    add_server(parser)
    add_refusals(parser)


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
