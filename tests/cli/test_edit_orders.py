"""What is asked for, and the names of the files that it will become."""

from pathlib import Path

import pytest

from pixelsmile.cli.bench_run import ffe_parser
from pixelsmile.cli.edit import parser as edit_parser
from pixelsmile.cli.edit_options import DEFAULT_STRENGTHS
from pixelsmile.cli.edit_orders import Order, default_folder, read_orders
from pixelsmile.errors import ExpressionError, InputError, StrengthError
from pixelsmile.expressions import EXPRESSIONS


def orders_of(*arguments: str) -> list[Order]:
    return read_orders(edit_parser().parse_args(["face.png", *arguments]))


def test_expressions_blends_and_prompts():
    happy, blend, prompt = orders_of(
        "--prompt", " a sly  half-smile ", "-e", "Smile", "--blend", "joy=0.6,fear=0.4"
    )
    assert happy == Order("happy", "happy", expression="happy")
    assert blend == Order("happy 0.6 + fear 0.4", "happy0.6+fear0.4", blend={"happy": 0.6, "fear": 0.4})
    assert prompt == Order("a sly half-smile", "a-sly-half-smile", prompt="a sly half-smile")


def test_all_twelve():
    assert [order.expression for order in orders_of("-e", "all")] == list(EXPRESSIONS)


@pytest.mark.parametrize(
    "arguments",
    [("-e", "happy,sad"), ("-e", "happy, SMILE,sad"), ("-e", "happy", "-e", "sad,happy")],
)
def test_expressions_in_a_list(arguments):
    assert [order.expression for order in orders_of(*arguments)] == ["happy", "sad"]


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
    assert [order.slug for order in orders_of("-e", "happy", "-e", "smile", "-e", "all", "-e", "sad")] == [
        "happy",
        *(name for name in EXPRESSIONS if name != "happy"),
    ]


def test_different_orders_never_share_files():
    slugs = [
        order.slug
        for order in orders_of("-e", "happy", "--prompt", "happy", "--prompt", "Happy!", "--prompt", "!")
    ]
    assert slugs == ["happy", "happy-2", "happy-3", "prompt"]


def test_file_names_are_safe():
    (order,) = orders_of("--prompt", "../../etc/passwd \0 " + "x" * 300)
    assert order.slug.startswith("etc-passwd-xxx")
    assert len(order.slug) <= 60


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
        orders_of(*arguments)
    assert "\n" not in str(caught.value)


def test_default_folders():
    photo = Path("/pictures/face.png")
    assert default_folder(photo, orders_of("-e", "happy", "-e", "sad")) == Path("face-happy-sad")
    assert default_folder(photo, orders_of("-e", "all")) == Path("face-12-edits")


def test_default_strengths_are_a_rising_sweep():
    assert list(DEFAULT_STRENGTHS) == sorted(set(DEFAULT_STRENGTHS))
