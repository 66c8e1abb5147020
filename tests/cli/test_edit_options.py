"""What is asked for, and the names of the files that it will become."""

from pathlib import Path

import pytest

from pixelsmile.cli.bench_run import ffe_parser
from pixelsmile.cli.edit import parser as edit_parser
from pixelsmile.cli.edit import read_edit
from pixelsmile.cli.edit_options import DEFAULT_STRENGTHS
from pixelsmile.cli.named_editor import chosen_editor
from pixelsmile.cli.options import asked_model
from pixelsmile.cli.serve import parser as serve_parser
from pixelsmile.editing.acceleration import Acceleration
from pixelsmile.editing.photographs import default_folder
from pixelsmile.editing.requests import Request
from pixelsmile.editing.session import Edit
from pixelsmile.errors import ExpressionError, InputError, StrengthError
from pixelsmile.expressions import EXPRESSIONS


def edit_of(*arguments: str) -> Edit:
    return read_edit(edit_parser().parse_args(["face.png", *arguments]))


def expressions(*arguments: str) -> list[str | None]:
    return [request.expression for request in edit_of(*arguments).requests]


def test_expressions_blends_and_prompts():
    edit = edit_of(
        *("--prompt", " a sly  half-smile ", "-e", "Smile", "--blend", "joy=0.6,fear=0.4", "-s", "0,1"),
        *("--units", "jaw_drop=0.4,lip_press=1"),
    )
    assert edit.requests == [
        Request("happy", strengths=(0, 1)),
        Request(blend={"happy": 0.6, "fear": 0.4}, strengths=(0, 1)),
        Request(units={"jaw_drop": 0.4, "lip_press": 1}, strengths=(0, 1)),
        Request(prompt="a sly half-smile", strengths=(0, 1)),
    ]
    assert edit.titles == {
        "happy": "happy",
        "happy0.6+fear0.4": "happy 0.6 + fear 0.4",
        "jaw_drop-0.4-lip_press-1": "jaw_drop 0.4 + lip_press 1",
        "a-sly-half-smile": "a sly half-smile",
    }


def test_faces_with_requests_of_their_own_share_a_sweep():
    edit = edit_of("--face", "1=happy", "--face", "2=sad=0.5,fear=0.5", "-s", "1")
    assert edit.titles == {"1-happy-2-sad-0.5-fear-0.5": "1 happy, 2 sad=0.5,fear=0.5"}
    assert [face.request for face in edit.faces] == [
        Request("happy", strengths=(1,)),
        Request(blend={"sad": 0.5, "fear": 0.5}, strengths=(1,)),
    ]


def test_all_twelve():
    assert expressions("-e", "all") == list(EXPRESSIONS)


@pytest.mark.parametrize(
    "arguments",
    [("-e", "happy,sad"), ("-e", "happy, SMILE,sad"), ("-e", "happy", "-e", "sad,happy")],
)
def test_expressions_in_a_list(arguments):
    assert expressions(*arguments) == ["happy", "sad"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("-s", "0,0.5,1"),
        ("-s", "0", "0.5", "1"),
        ("-s", "0, 0.5", "1"),
        ("-s", "0", "-s", "0.5,1"),
        ("--strengths=0,0.5,1",),
    ],
)
def test_strengths_in_a_list(arguments):
    options = edit_parser().parse_args(["face.png", "-e", "happy", *arguments])
    assert options.strengths == [0.0, 0.5, 1.0]
    assert edit_parser().parse_args(["face.png"]).strengths == DEFAULT_STRENGTHS
    assert ffe_parser().parse_args(["-o", "run", *arguments]).strengths == [0.0, 0.5, 1.0]


def test_what_is_asked_for_twice_is_made_once():
    others = [name for name in EXPRESSIONS if name != "happy"]
    assert list(edit_of("-e", "happy", "-e", "smile", "-e", "all", "-e", "sad").titles) == ["happy", *others]


def test_different_requests_never_share_files():
    edit = edit_of(
        "-e", "happy", *(word for text in ("happy", "Happy!", "!", "grid") for word in ("--prompt", text))
    )
    assert list(edit.titles) == ["happy", "happy-2", "happy-3", "prompt", "grid-2"]


def test_file_names_are_safe():
    (slug,) = edit_of("--prompt", "../../etc/passwd \0 " + "x" * 300).titles
    assert slug.startswith("etc-passwd-xxx")
    assert len(slug) <= 60


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], InputError),
        (["-e", "hapy"], ExpressionError),
        (["--blend", "happy=0.6;sad=0.4"], StrengthError),
        (["--prompt", "  "], InputError),
        (["-e", "happy,"], InputError),
        (["-e", "happy,,sad"], InputError),
        (["-e", "happy=0.6,sad=0.4"], InputError),
        (["-e", "happy", "-s", "0,much"], StrengthError),
        (["-e", "happy", "-s", "0,,1"], InputError),
        (["-e", "happy", "-s", ""], InputError),
        (["-e", "happy", "-s", "nan"], StrengthError),
        (["-e", "happy", "-s", "inf"], StrengthError),
        (["-e", "happy", "-s", "-0.5"], StrengthError),
        (["-e", "happy", "-s", "2.5"], StrengthError),
    ],
)
def test_refusals(arguments, error):
    with pytest.raises(error) as caught:
        edit_of(*arguments)
    assert "\n" not in str(caught.value)


def test_default_folders():
    photo = Path("/pictures/face.png")
    assert default_folder(photo, ["happy", "sad"]) == Path("face-happy-sad")
    assert default_folder(photo, list(EXPRESSIONS)) == Path("face-12-edits")


def test_default_strengths_are_a_rising_sweep():
    assert list(DEFAULT_STRENGTHS) == sorted(set(DEFAULT_STRENGTHS))


def test_what_makes_edits_faster_reaches_the_model():
    given = (
        "--preset",
        "lightning-8",
        "--step-cache",
        "taylor=3",
        "--attention",
        "math",
        "--compile",
        "--fuse",
    )
    serving = serve_parser().parse_args(list(given))
    serving.model = None  # the server has several, and names each
    for options in (
        edit_parser().parse_args(["face.png", "-e", "happy", *given]),
        ffe_parser().parse_args(["-o", "run", *given]),
        serving,
    ):
        assert asked_model(options).acceleration == Acceleration(
            preset="lightning-8", step_cache="taylor=3", attention="math", compile=True, fuse=True
        )
    plain = edit_parser().parse_args(["face.png", "-e", "happy"])
    assert asked_model(plain).acceleration == Acceleration()
    with pytest.raises(InputError, match="unknown step cache 'x'"):
        asked_model(edit_parser().parse_args(["face.png", "-e", "happy", "--step-cache", "x"]))


def test_other_editors_are_not_made_faster_by_it():
    options = edit_parser().parse_args(
        ["face.png", "-e", "happy", "--editor", "flux-kontext-dev", "--step-cache", "taylor"]
    )
    with pytest.raises(InputError, match="--step-cache is for --editor pixelsmile"):
        chosen_editor(options)
