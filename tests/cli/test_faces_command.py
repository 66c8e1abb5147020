"""`pixelsmile faces`."""

import json
from pathlib import Path

import numpy as np
import pytest
from faces.detectors.conftest import SCRFD_SIDES, red_block, scrfd_file
from PIL import Image
from skimage import data

from pixelsmile.cli import main
from pixelsmile.faces.face import Face
from pixelsmile.faces.outlines import draw_faces

STRIDE = 16


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELSMILE_MODELS", str(tmp_path / "models"))


@pytest.fixture
def two_faces() -> str:
    """A photo, two.png, in which the detector red.onnx sees two faces, the surer one on the right."""
    image = red_block((640, 640), (480, 320, 496, 336))
    image.paste((220, 0, 0), (160, 160, 176, 176))
    image.save("two.png")
    scrfd_file(Path("red.onnx"), stride=STRIDE)
    return "two.png --detector red.onnx"


def faces(arguments: str) -> int:
    return main(["faces", *arguments.split()])


def test_the_astronaut(capsys):
    Image.fromarray(data.astronaut()).save("astronaut.png")
    assert faces("astronaut.png -o faces.png") == 0
    captured = capsys.readouterr()
    head, face, path = captured.out.splitlines()
    assert head.split() == ["face", "x,y,width,height", "score", "eyes,", "nose,", "mouth", "(x,y)"]
    number, box, score, points = face.split(maxsplit=3)
    assert (number, path) == ("1", "faces.png")
    assert points != "none"
    x, y, width, height = map(int, box.split(","))
    assert 150 < x < 200
    assert 50 < y < 100
    assert min(width, height) > 80
    assert 0.5 <= float(score) <= 1
    assert captured.err == ""
    with Image.open("faces.png") as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (512, 512))


def test_the_table(two_faces, capsys):
    assert faces(two_faces) == 0
    captured = capsys.readouterr()
    assert captured.err == ""  # nothing was chosen for anybody
    left, right = captured.out.splitlines()[1:]
    assert left.split()[:5] == ["1", "144,128,64,96", "0.86", "164,168", "192,172"]
    assert right.split()[:3] == ["2", "464,288,64,96", "1.00"]
    assert len(left) == len(right)


def test_a_box_over_the_border_is_one_that_edit_takes(model_folder, capsys):
    image = red_block((640, 640), (0, 0, 16, 16))
    image.paste((220, 0, 0), (608, 608, 624, 624))
    image.save("corners.png")
    scrfd_file(Path("red.onnx"), stride=STRIDE)
    assert faces("corners.png --detector red.onnx") == 0
    boxes = [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert boxes == ["0,0,48,64", "592,576,48,64"]
    options = f"-e happy -s 1 --steps 1 -q --model {model_folder} -o out --face {boxes[0]}"
    assert main(["edit", "corners.png", *options.split()]) == 0


def test_json(two_faces, capsys):
    assert faces(f"{two_faces} --json -o out.png") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["detector"] == "scrfd"
    assert (record["photo"], record["width"], record["height"], record["drawing"]) == (
        "two.png",
        640,
        640,
        "out.png",
    )
    left, right = record["faces"]
    assert (left["number"], right["number"]) == (1, 2)
    sides = np.array(SCRFD_SIDES) * STRIDE
    assert right["box"] == pytest.approx([480 - sides[0], 320 - sides[1], 480 + sides[2], 320 + sides[3]])
    assert (right["width"], right["height"]) == (64, 96)
    assert np.shape(right["landmarks_5"]) == (5, 2)


def test_no_face(capsys):
    Image.new("RGB", (200, 200), "grey").save("grey.png")
    assert faces("grey.png --detector cascade -o out.png") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "frontal faces only" in captured.err.splitlines()[0]
    assert captured.err.splitlines()[1] == (
        "pixelsmile: cascade found no face in 'grey.png': try another --detector (pixelsmile models list "
        "shows what there is), or edit with a box by hand: --face x,y,width,height"
    )
    assert [path.name for path in Path().iterdir()] == ["grey.png"]


def test_nothing_is_overwritten_without_force(two_faces, capsys):
    Path("out.png").write_bytes(b"mine")
    assert faces(f"{two_faces} -o out.png") == 2
    assert "'out.png' already there" in capsys.readouterr().err
    assert Path("out.png").read_bytes() == b"mine"
    assert faces(f"{two_faces} -o out.png --force") == 0
    assert Path("out.png").read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("none.png", "there is no file 'none.png'"),
        (
            "two.png --detector retina",
            "unknown detector 'retina': use auto, embedded, mesh, scrfd, yunet, cascade",
        ),
        ("two.png --detector none.onnx", "there is no face detector 'none.onnx'"),
        ("two.png --detector two.png.onnx", "there is no face detector"),
        (
            "two.png --detector scrfd",
            "scrfd needs its weights: pixelsmile models fetch scrfd --accept-licence",
        ),
        ("two.png -o faces.jpg", "use a name that ends in .png"),
        ("", "required: PHOTO"),
    ],
)
def test_refusals(arguments, line, two_faces, capsys):
    assert faces(arguments) == 2
    captured = capsys.readouterr()
    assert line in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize("background", ["black", "white", (255, 221, 51)])
def test_what_is_drawn_shows_on_any_background(background):
    image = Image.new("RGB", (400, 300), background)
    landmarks = np.array([[150, 120], [190, 120], [170, 140], [155, 165], [185, 165]], np.float64)
    faces = [Face((120, 80, 220, 200), landmarks, 0.9, "scrfd"), Face((-40, -30, 60, 50), None, 0.8, "scrfd")]
    drawn = draw_faces(image, faces)
    assert image.getcolors() == [(400 * 300, image.getpixel((0, 0)))]  # the photo itself is left alone
    grey = np.asarray(drawn.convert("L"), int)
    places = {
        "box": grey[130:140, 112:128],
        "landmark": grey[115:125, 145:155],
        "number": grey[62:80, 116:140],
        "number of a face that sticks out": grey[0:20, 0:20],
    }
    for name, part in places.items():
        assert np.ptp(part) > 100, name
    assert np.ptp(grey[230:, 250:]) == 0
