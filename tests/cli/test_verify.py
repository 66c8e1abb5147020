"""`pixelsmile verify` and `pixelsmile certificate`, and what `pixelsmile edit` writes for them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from pixelsmile.cli import main
from pixelsmile.images import load_image

PHOTOGRAPH = Path(__file__).parents[2] / "docs" / "astronaut.jpg"
BY_HAND = ("--model", "geometric", "-e", "surprised")


@pytest.fixture
def photograph() -> None:
    shutil.copy(PHOTOGRAPH, "anna.jpg")


def verified(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict]]:
    capsys.readouterr()
    code = main(["verify", *arguments, "--json"])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_edit_is_known_by_its_pixels_alone(photograph, capsys):
    options = ("-s", "0,1", "--grid", "--animate", "gif,webp", "--frames", "2", "-o", "out")
    assert main(["edit", "anna.jpg", *BY_HAND, *options]) == 0
    assert "marked as edits (--no-mark leaves that out)" in capsys.readouterr().err
    written = ["surprised-0.00.png", "surprised-1.00.png", "grid.png", "surprised.gif", "surprised.webp"]
    code, found = verified(capsys, *(f"out/{name}" for name in written))
    assert code == 0
    assert [one["mark"]["found"] for one in found] == [True] * 5
    assert found[1]["settings"]["request"] == "surprised"
    assert found[1]["settings"]["strength"] == 1.0
    assert found[3]["settings"] is None
    assert json.loads(Path("out/manifest.json").read_text())["settings"]["mark"] is True
    load_image("out/surprised-1.00.png").save("bare.jpg", quality=75)
    code, (bare,) = verified(capsys, "bare.jpg")
    assert (code, bare["settings"], bare["signature"], bare["mark"]["found"]) == (0, None, None, True)
    assert main(["verify", "bare.jpg"]) == 0
    assert "found: edited by pixelsmile (score" in capsys.readouterr().out


def test_no_mark_where_none_is_wanted_or_nothing_was_edited(photograph, capsys):
    assert main(["edit", "anna.jpg", *BY_HAND, "-s", "1", "--no-mark", "-o", "plain"]) == 0
    assert "marked" not in capsys.readouterr().err
    code, (plain,) = verified(capsys, "plain/surprised-1.00.png")
    assert (code, plain["mark"]["found"]) == (0, False)  # the settings say what it is
    before, after = (np.asarray(load_image(path)) for path in ("anna.jpg", "plain/surprised-1.00.png"))
    assert np.array_equal(before[250:], after[250:])
    assert main(["edit", "anna.jpg", *BY_HAND, "-s", "0,1", "--neutralise", "0", "-o", "same"]) == 0
    assert np.array_equal(np.asarray(load_image("same/surprised-0.00.png")), before)
    assert not np.array_equal(np.asarray(load_image("same/surprised-1.00.png"))[250:], before[250:])


def test_the_paper_of_a_sheet_stays_of_one_colour(photograph):
    for folder, *option in (("with",), ("without", "--no-mark")):
        assert main(["edit", "anna.jpg", *BY_HAND, "-s", "1", "--grid", *option, "-o", folder]) == 0
    sheet, bare = (np.asarray(load_image(f"{folder}/grid.png")) for folder in ("with", "without"))
    is_paper = (bare == bare[0, 0]).all(-1)
    assert is_paper.mean() > 0.1
    assert np.array_equal(sheet[is_paper], bare[is_paper])
    assert not np.array_equal(sheet, bare)


def test_nothing_is_found(photograph, capsys):
    code, (found,) = verified(capsys, "anna.jpg")
    assert code == 1
    assert (found["settings"], found["signature"], found["mark"]["found"]) == (None, None, False)
    assert main(["verify", "anna.jpg"]) == 1
    words = capsys.readouterr().out
    for line in ("settings   none", "signature  none", "mark       not found (score"):
        assert line in words


def test_a_drawn_portrait_says_so(drawn_face, capsys):
    code, (found,) = verified(capsys, str(drawn_face))
    assert (code, found["drawn"], found["mark"]["found"]) == (0, True, False)
    assert main(["verify", str(drawn_face)]) == 0
    assert "a portrait that pixelsmile drew" in capsys.readouterr().out


def test_pictures_of_every_kind(photograph, capsys):
    picture = load_image("anna.jpg")
    picture.convert("CMYK").save("cmyk.jpg")
    Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save("deep.png")
    picture.convert("LA").save("alpha.png")
    picture.save("moves.gif", save_all=True, append_images=[picture.rotate(9)])
    kinds = ["cmyk.jpg", "deep.png", "alpha.png", "moves.gif"]
    if features.check("avif"):
        picture.save("new.avif")
        kinds.append("new.avif")
    code, found = verified(capsys, *kinds)
    assert code == 1
    assert [one["mark"]["found"] for one in found] == [False] * len(kinds)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("text.png", b"no picture", "damaged, or no picture of a known format"),
        ("cut.gif", b"GIF89a" + bytes(20), "damaged"),
        ("film.mp4", b"\0\0\0\x18ftypmp42" + bytes(99), "film in MP4"),
        ("empty.jpg", b"", "is empty"),
    ],
)
def test_what_is_no_picture(name, data, message, capsys):
    if name.endswith("mp4"):
        pytest.importorskip("av")
    Path(name).write_bytes(data)
    assert main(["verify", name]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert main(["verify", f"absent-{name}"]) == 2


def test_what_comes_after_one_that_cannot_be_read_is_looked_into(photograph, capsys):
    Path("manifest.json").write_text("{}")
    code, (unread, found) = verified(capsys, "manifest.json", "anna.jpg")
    assert code == 2
    assert (unread["picture"], unread["error"]["kind"]) == ("manifest.json", "ImageError")
    assert (found["picture"], found["mark"]["found"]) == ("anna.jpg", False)
    assert main(["verify", "anna.jpg", "manifest.json", "anna.jpg"]) == 2
    captured = capsys.readouterr()
    assert captured.out.count("not found (score") == 2
    assert captured.err.startswith("pixelsmile: 'manifest.json' is damaged")


def test_settings_that_anybody_wrote(photograph, capsys):
    from PIL.PngImagePlugin import PngInfo

    for number, text in enumerate(('{"request": "\\u001b[31m", "strength": [1]}', "[1, 2]", "{", "{" * 99)):
        info = PngInfo()
        info.add_itxt("pixelsmile:settings", text)
        load_image("anna.jpg").save(f"{number}.png", pnginfo=info)
        assert main(["verify", f"{number}.png"]) == 0
        words = capsys.readouterr().out
        assert "anybody may have written so" in words
        assert "\x1b" not in words


def test_signed_by_a_certificate_of_ones_own(photograph, capsys):
    pytest.importorskip("c2pa")
    assert main(["certificate", "-o", "mine", "--name", "Anna Example"]) == 0
    captured = capsys.readouterr()
    assert captured.out.split() == ["mine/certificate.pem", "mine/key.pem", "mine/root.pem"]
    assert "nobody trusts them" in captured.err
    sign = ("--sign", "mine/certificate.pem", "mine/key.pem")
    assert main(["edit", "anna.jpg", *BY_HAND, "-s", "1", "--format", "jpeg", *sign, "-o", "out"]) == 0
    signed = "out/surprised-1.00.jpg"
    code, (found,) = verified(capsys, signed)
    assert (code, found["signature"]["state"], found["signature"]["signer"]) == (
        0,
        "untrusted",
        "Anna Example",
    )
    assert found["signature"]["parents"] == ["anna.jpg"]
    assert ["c2pa.edited", "humanEdits"] in found["signature"]["actions"]
    assert found["mark"]["found"]
    assert found["settings"]["model"] == "geometric"
    code, (found,) = verified(capsys, signed, "--trust", "mine/root.pem")
    assert found["signature"]["state"] == "trusted"
    data = bytearray(Path(signed).read_bytes())
    data[-900] ^= 4
    Path("changed.jpg").write_bytes(data)
    assert main(["verify", "anna.jpg", "changed.jpg", signed]) == 3
    assert main(["verify", "absent.jpg", "changed.jpg"]) == 3
    assert "BROKEN: the file was changed after it was signed" in capsys.readouterr().out


def test_a_signer_is_refused_before_any_work(photograph, capsys):
    pytest.importorskip("c2pa")
    assert main(["certificate", "-o", "mine"]) == 0
    assert main(["certificate", "-o", "other", "--days", "3"]) == 0
    capsys.readouterr()
    command = ["edit", "anna.jpg", "--model", "no/such/model", "-e", "happy", "-o", "out"]
    assert main([*command, "--sign", "mine/certificate.pem", "other/key.pem"]) == 2
    assert "is not that of the certificate" in capsys.readouterr().err
    assert main([*command, "--sign", "mine/certificate.pem"]) == 2
    assert "expected 2 arguments" in capsys.readouterr().err
    assert not Path("out").exists()


def test_without_the_library_a_signature_is_seen_and_not_read(photograph, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    Path("signed.jpg").write_bytes(Path("anna.jpg").read_bytes() + b"jumb....c2pa")
    assert main(["verify", "signed.jpg"]) == 1
    words = capsys.readouterr().out
    assert "signature  there, but not read" in words
    assert 'pip install -c constraints.txt -e ".[sign]"' in words
    assert main(["certificate", "-o", "mine"]) == 2
