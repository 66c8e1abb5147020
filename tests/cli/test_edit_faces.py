"""`pixelsmile edit --face` on a real, tiny model: the picture keeps its size, and all but the face."""

import json

import numpy as np
import pytest
from PIL import Image

from pixelsmile.cli import main
from pixelsmile.faces.crops import crop_around
from pixelsmile.faces.face import Face
from pixelsmile.portraits import action_units, draw_portrait, sample_identity

SIZE = (500, 400)
PLACES = {"1": (20, 60), "2": (260, 100)}
SIDE = 220


@pytest.fixture
def group():
    """Two drawn people in one larger picture: group.png, and their boxes as --face takes them."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8))
    boxes = {}
    for name, (x, y) in PLACES.items():
        portrait = draw_portrait(sample_identity(7 + int(name)), action_units("neutral"), "human", SIDE)
        picture.paste(portrait.image, (x, y))
        x0, y0, x1, y1 = portrait.truth.face_box
        boxes[name] = f"{x + x0:.0f},{y + y0:.0f},{x1 - x0:.0f},{y1 - y0:.0f}"
    picture.save("group.png")
    return boxes


@pytest.fixture
def edit_group(group, model_folder):
    def run(*arguments):
        options = ["--model", str(model_folder), "-s", "0", "1", "--steps", "2", "--no-mark", "-o", "out"]
        return main(["edit", "group.png", *options, *arguments])

    return run


def changed(name):
    before, after = np.asarray(Image.open("group.png")), np.asarray(Image.open(name))
    assert before.shape == after.shape
    rows, columns = np.nonzero((before != after).any(-1))
    return columns.min(), rows.min(), columns.max(), rows.max()


def inside(found, box, grow=1.25):
    x, y, width, height = map(float, box.split(","))
    middle, reach = (x + width / 2, y + height / 2), (grow * width / 2 + 1, grow * height / 2 + 1)
    return all(
        middle[axis] - reach[axis] <= found[axis] and found[axis + 2] <= middle[axis] + reach[axis]
        for axis in (0, 1)
    )


def test_a_box_by_hand_is_edited_at_the_pictures_own_size(edit_group, group):
    assert edit_group("-e", "happy", "--face", group["2"], "--grid", "--gif", "-q") == 0
    assert inside(changed("out/happy-1.00.png"), group["2"])
    settings = json.loads(Image.open("out/happy-1.00.png").text["pixelsmile:settings"])
    assert settings["face"]["source"] == "manual"
    x, y, width, height = map(float, group["2"].split(","))
    crop = crop_around(Face((x, y, x + width, y + height), None, 1, "manual"), SIZE)
    assert settings["face"]["crop"] == [crop.left, crop.top, crop.side, crop.side]
    assert len(settings["face"]["corrections"]) == 1  # of this picture
    assert set(settings["face"]["corrections"][0]) >= {"drift_px", "zoom", "color_gains"}


def test_every_face_gets_its_own_expression_in_one_picture(edit_group, group, capsys):
    assert edit_group("--face", f"{group['1']}=happy", "--face", f"{group['2']}=sad=0.5,fear=0.5") == 0
    paths = capsys.readouterr().out.splitlines()
    pictures = [path for path in paths if path.endswith("1.00.png")]
    assert len(pictures) == 1
    found = changed(pictures[0])
    assert not inside(found, group["1"])
    assert not inside(found, group["2"])
    manifest = json.loads(open("out/manifest.json").read())  # noqa: SIM115
    faces = manifest["settings"]["sweeps"][0]["faces"]
    assert [face["request"] for face in faces] == ["happy", "sad=0.5,fear=0.5"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-e", "happy", "--face", "left"], "is not understood: use largest, centre"),
        (["-e", "happy", "--face", "1=sad"], "leave out -e"),
        (["--face", "1=happy", "--face", "2"], "--face 2 has no expression"),
        (["-e", "happy", "--face", "1", "--face", "2"], "several --face need an expression each"),
        (["--face", "all=happy", "--face", "2=sad"], "--face all leaves no other face"),
        (["-e", "happy", "--face", "900,900,50,50"], "covers less than 18 x 18 px"),
        (["-e", "happy", "--face", "1", "--detector", "none.onnx"], "none.onnx"),
        (["--face", "10,10,60,60=happy", "--face", "10,10,60,60=sad"], "two --face mean the same face"),
        (["--face", "1=hapy"], "happy"),
        (["--face", "whole=happy"], "--face whole has no expression of its own"),
        (["-e", "happy", "--face", "whole", "--face", "1"], "several --face need an expression each"),
    ],
)
def test_what_is_not_understood_is_one_line_and_nothing_is_written(
    edit_group, tmp_path, capsys, arguments, message
):
    assert edit_group(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("choice", [[], ["--face", "largest"]])
def test_the_face_of_a_photograph_is_found(model_folder, capsys, choice):
    from skimage.data import astronaut

    Image.fromarray(astronaut()).save("group.png")
    options = [
        "--model",
        str(model_folder),
        "-s",
        "1",
        "--steps",
        "1",
        "-o",
        "out",
        "--detector",
        "cascade",
        "--no-mark",
    ]
    assert main(["edit", "group.png", "-e", "happy", *choice, *options, "-q"]) == 0
    x0, y0, x1, y1 = changed("out/happy-1.00.png")
    assert 120 < x0 < x1 < 330
    assert 0 <= y0 < y1 < 260


def test_without_a_face_or_with_several_nothing_is_guessed(model_folder, capsys, tmp_path):
    from skimage.data import astronaut

    options = ["--model", str(model_folder), "-s", "1", "--steps", "1", "-o", "out", "--detector", "cascade"]
    Image.fromarray(np.hstack([astronaut(), astronaut()])).save("group.png")
    assert main(["edit", "group.png", "-e", "happy", *options]) == 2
    assert "2 faces in the picture" in capsys.readouterr().err
    Image.new("RGB", (300, 200), "grey").save("group.png")
    assert main(["edit", "group.png", "-e", "happy", *options]) == 2
    assert "edit the whole picture with --face whole" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_whole_picture_is_edited_when_asked_for(edit_group, capsys):
    assert edit_group("-e", "happy", "--face", "whole", "-q") == 0
    settings = json.loads(Image.open("out/happy-1.00.png").text["pixelsmile:settings"])
    assert "face" not in settings
    assert settings["size"] != list(SIZE)  # at which the model worked
    assert Image.open("out/happy-1.00.png").size == SIZE


def test_a_face_that_stands_on_its_head_is_edited_upright(model_folder, capsys):
    from skimage.data import astronaut

    upright = Image.fromarray(astronaut())
    options = ["--model", str(model_folder), "-s", "1", "--steps", "1", "--detector", "cascade", "--no-mark"]
    found = []
    for name, picture in (("upright", upright), ("turned", upright.rotate(180))):
        picture.save("group.png")
        assert main(["edit", "group.png", "-e", "happy", *options, "-o", name]) == 0
        with Image.open(f"{name}/happy-1.00.png") as edit:
            found.append(np.asarray(edit, int))
            turned = json.loads(edit.text["pixelsmile:settings"])["face"]["turned_deg"]
        assert abs(turned) == pytest.approx(0 if name == "upright" else 180, abs=3)
    assert (
        "no face stands upright: seen with the picture turned back by 180 degrees" in capsys.readouterr().err
    )
    before = np.asarray(upright, int)
    change, turned_change = found[0] - before, found[1][::-1, ::-1] - before
    assert np.abs(change).mean() > 1  # a model of random weights
    assert np.abs(turned_change - change).mean() < np.abs(change).mean() / 2


def test_a_box_that_misses_the_face_is_said(model_folder, capsys):
    assert main(["portrait", "--seed", "7", "-o", "face.png"]) == 0
    edit = [
        "edit",
        "face.png",
        "-e",
        "happy",
        "--model",
        str(model_folder),
        "-s",
        "1",
        "--steps",
        "1",
        "--no-mark",
    ]
    assert main([*edit, "--face", "60,60,140,150", "-o", "missed"]) == 0
    assert "no face is seen in the box 60,60,140,150, but one at 130,1" in capsys.readouterr().err
    assert main([*edit, "--face", "130,140,235,280", "-o", "hit"]) == 0
    assert "no face is seen" not in capsys.readouterr().err
    assert main(["likeness", "face.png", "missed/happy-1.00.png", "hit/happy-1.00.png", "--json"]) == 0
    missed, hit = json.loads(capsys.readouterr().out)["edits"]
    assert missed["face_rmse"] < hit["face_rmse"] / 3


def test_transparency_and_greys_come_back(model_folder, drawn_face):
    portrait = Image.open(drawn_face)
    alpha = Image.linear_gradient("L").resize(portrait.size)
    edit = [
        "edit",
        "picture.png",
        "-e",
        "happy",
        "--model",
        str(model_folder),
        "-s",
        "1",
        "--steps",
        "1",
        "-q",
    ]
    for mode in ("RGBA", "LA", "L"):
        picture = portrait.convert(mode.removesuffix("A"))
        if mode.endswith("A"):
            picture.putalpha(alpha)
        picture.save("picture.png")
        for face, folder in (("20,20,50,50", "face"), ("whole", "whole")):
            assert main([*edit, "--face", face, "-o", folder, "--force", "--grid", "--gif"]) == 0
            with Image.open(f"{folder}/happy-1.00.png") as result:
                assert (result.mode, result.size) == (mode, picture.size)
                if mode.endswith("A"):
                    assert np.array_equal(result.getchannel("A"), alpha)
