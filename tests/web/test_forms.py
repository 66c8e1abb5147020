"""What the fields of a form come to."""

import asyncio
import io
import tempfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from starlette.datastructures import Headers

from pixelsmile.editing.pictures import open_source
from pixelsmile.editing.requests import Request
from pixelsmile.errors import ImageError, InputError, PixelSmileError
from pixelsmile.results import PictureFormat
from pixelsmile.web.answers import ApiError
from pixelsmile.web.forms import Form, open_picture, read_form
from pixelsmile.web.orders import read_order

BOUNDARY = "xxyyzz"


def form(*parts: tuple[str, str | bytes]) -> Form:
    body = b""
    for name, value in parts:
        file = '; filename="p.png"' if isinstance(value, bytes) else ""
        data = value if isinstance(value, bytes) else value.encode()
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    headers = Headers({"content-type": f"multipart/form-data; boundary={BOUNDARY}"})
    return asyncio.run(read_form(headers, body + f"--{BOUNDARY}--\r\n".encode()))


def png(width: int = 64, height: int = 64, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def test_lists_and_objects_in_all_their_forms() -> None:
    read = form(
        ("image", b"x"),
        ("strengths[]", "0"),
        ("strengths[]", "1"),
        ("blend[happy]", "0.5"),
        ("blend[sad]", "1"),
        ("face", "1=happy"),
        ("face", "2=sad"),
        ("prompt", "ünï"),
    )
    assert read.picture == b"x"
    assert read.fields == {
        "strengths": ["0", "1"],
        "blend": {"happy": "0.5", "sad": "1"},
        "face": ["1=happy", "2=sad"],
        "prompt": "ünï",
    }


def test_no_part_touches_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file on the disk")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)  # where spooled files go that outgrow memory
    picture = bytes(8 * 2**20)
    assert form(("image", picture)).picture == picture


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([], "one_image"),
        ([("image", b"x"), ("image[]", b"y")], "one_image"),
        ([("image", "a text")], "one_image"),
        ([("image", b"x"), ("mask", b"y")], "file_not_used"),
        ([("image", b"x"), ("a[b][c]", "1")], "bad_form"),
        ([("image", b"x"), ("blend", "happy"), ("blend[sad]", "1")], "bad_form"),
        ([("image", b"x"), ("prompt", "x" * 70_000)], "bad_form"),
        ([("image", b"x"), *[(f"f{number}", "1") for number in range(70)]], "bad_form"),
    ],
)
def test_forms_that_are_none(parts: list[tuple[str, str | bytes]], code: str) -> None:
    with pytest.raises(ApiError) as caught:
        form(*parts)
    assert (caught.value.status, caught.value.code) == (400, code)


@given(
    st.binary(max_size=300),
    st.sampled_from(["; boundary=x", "", "; boundary=", "; boundary=x; charset=utf-7"]),
)
def test_any_bytes_are_a_form_or_a_refusal(body: bytes, more: str) -> None:
    headers = Headers({"content-type": f"multipart/form-data{more}"})
    for data in (
        body,
        b"--x\r\n" + body,
        b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + body,
    ):
        with pytest.raises(ApiError):
            asyncio.run(read_form(headers, data))


@pytest.mark.parametrize(
    ("fields", "requests"),
    [
        ({"prompt": "Make her smile"}, (Request("happy", strengths=(1.0,)),)),
        ({"prompt": "a slight smile"}, (Request("happy", strengths=(0.5,)),)),
        ({"prompt": "a slight smile", "strength": "0.7"}, (Request("happy", strengths=(0.7,)),)),
        ({"prompt": "a hat", "strengths": "0,2"}, (Request(prompt="a hat", strengths=(0.0, 2.0)),)),
        ({"prompt": "smile", "wording": "instruction"}, (Request(prompt="smile", strengths=(1.0,)),)),
        (
            {"prompt": "not read", "expression": "joy, sad", "strengths": ["0.5"]},
            (Request("happy", strengths=(0.5,)), Request("sad", strengths=(0.5,))),
        ),
        (
            {"blend": {"joy": "0.5", "sad": "1"}},
            (Request(blend={"happy": 0.5, "sad": 1.0}, strengths=(1.0,)),),
        ),
        ({"blend": "happy=0.5"}, (Request(blend={"happy": 0.5}, strengths=(1.0,)),)),
        ({"units": "jaw_drop=0.4"}, (Request(units={"jaw_drop": 0.4}, strengths=(1.0,)),)),
        ({"face": "1=happy"}, ()),
    ],
)
def test_what_is_asked_for(fields: dict[str, Any], requests: tuple[Request, ...]) -> None:
    assert read_order(fields).requests == requests


def test_the_rest_of_an_order() -> None:
    fields = {
        "prompt": "smile",
        "n": "2",
        "seed": "7",
        "output_format": "webp",
        "output_compression": "0",
        "size": "128x64",
        "face": ["1=happy", "2=sad"],
        "stream": "true",
        "partial_images": "3",
        "user": "someone",
        "quality": "high",
    }
    order = read_order(fields)
    assert order.seeds == (7, 8)
    assert order.form == PictureFormat("webp", 1)
    assert (order.size, order.stream, order.previews) == ((128, 64), True, 3)
    assert [face.title for face in order.faces] == ["1 happy", "2 sad"]
    assert order.notes == ("without a meaning here, not used: user, quality",)
    (note,) = read_order({"prompt": "smile", "expression": "sad"}).notes
    assert "the prompt was not used" in note
    sweep = read_order({"expression": "happy"}, sweep=True)
    assert (sweep.strengths, sweep.stream, sweep.previews) == ((0.0, 0.25, 0.5, 0.75, 1.0), True, 1)
    assert read_order({"expression": "happy", "partial_images": "0"}, sweep=True).previews == 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "nothing to change"),
        ({"prompt": "  "}, "nothing to change"),
        ({"expression": "hapy"}, "did you mean happy"),
        ({"expression": "happy", "blend": "sad=1"}, "one of expression, blend and units"),
        ({"expression": "happy", "strength": "1", "strengths": "1"}, "not both"),
        ({"expression": "happy", "strength": "2.1"}, "strength is '2.1'"),
        ({"expression": "happy", "strength": "nan"}, "strength is 'nan'"),
        ({"expression": "happy", "strengths": ",".join(["1"] * 30)}, "strengths"),
        ({"expression": "happy", "n": "11"}, "n is '11'"),
        (
            {"expression": "happy", "size": "64"},
            "size is '64': use auto: as the picture came; or WIDTHxHEIGHT",
        ),
        ({"expression": "happy", "response_format": "url"}, "response_format"),
        ({"expression": "happy", "output_format": "gif"}, "output_format"),
        ({"expression": "happy", "output_compression": "50"}, "PNG is lossless"),
        ({"expression": "happy", "face": ["1", "2"]}, "several faces need an expression each"),
        ({"expression": "happy", "face": "1=sad"}, "expressions of their own"),
        ({"face": ["all=happy", "1=sad"]}, "leaves no other face"),
        ({"face": "whole=happy"}, "face=whole has no expression"),
        ({"face": "left"}, "not understood"),
        ({"expression": "happy", "stream": "maybe"}, "stream"),
    ],
)
def test_wrong_fields_are_told(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(PixelSmileError, match=said):
        read_order(fields)


def test_pictures_beyond_the_limits_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = png(200, 100)
    assert open_picture(picture, 20_000).image.size == (200, 100)
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="200 x 100 pixels, more than the 19,999"):
        open_picture(picture, 19_999)


def test_what_the_picture_does_not_allow() -> None:
    order = read_order({"expression": "happy", "size": "128x64", "output_format": "jpeg"})
    order.check_picture(open_source(Image.new("RGB", (64, 32))))
    with pytest.raises(ApiError, match="use auto, or 128x128"):
        order.check_picture(open_source(Image.new("RGB", (64, 64))))
    with pytest.raises(PixelSmileError, match="transparency"):
        order.check_picture(open_source(Image.new("RGBA", (64, 32))))
    many = read_order({"expression": "happy,sad", "strengths": "0,1", "n": "7"})
    with pytest.raises(InputError, match="28 pictures"):
        many.check_picture(open_source(Image.new("RGB", (64, 32))))
