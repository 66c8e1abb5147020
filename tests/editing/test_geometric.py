import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from pixelsmile import Editor
from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.engines.geometric.engine import lean_rows, place_face
from pixelsmile.editing.engines.geometric.mouth import inner_lips
from pixelsmile.editing.engines.geometric.scene import Moved, within_bars
from pixelsmile.editing.engines.geometric.shading import tears_of
from pixelsmile.editing.engines.geometric.surface import surface
from pixelsmile.editing.engines.geometric.units_on_mesh import Movement, in_reach, move
from pixelsmile.editing.engines.geometric.warp import shut_texture, warp
from pixelsmile.editing.face_edits import stream_faces
from pixelsmile.editing.requests import Request
from pixelsmile.errors import ExpressionError, FaceError, InputError, ModelError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.face import Face
from pixelsmile.faces.mesh import FaceMesh, load_mesh_networks
from pixelsmile.faces.mesh.mesh import LOWER_INNER, NUM_SURFACE, UPPER_INNER, canonical_mesh
from pixelsmile.faces.mesh.units import source_units
from pixelsmile.portraits.action_units import HEAD_DEG, ActionUnits
from pixelsmile.portraits.prototypes import NUM_VARIANTS, action_units

BOX = (140, 20, 310, 240)  # of the astronaut, with hair and chin


@pytest.fixture(scope="module")
def astronaut():
    data = pytest.importorskip("skimage.data")
    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="module")
def portrait(astronaut):
    return astronaut.crop(BOX)


@pytest.fixture(scope="module")
def editor():
    return Editor.from_pretrained("geometric")


def mesh_of(picture):
    mesh = MeshDetector.load().only(picture)
    assert mesh is not None
    return mesh


def units_seen(picture):
    return source_units(load_mesh_networks().blendshapes(mesh_of(picture)))


def pixels(picture):
    return np.asarray(picture).astype(int)


def test_a_smile_goes_and_the_mouth_opens(editor, portrait):
    result = editor.edit(portrait, "surprised", strengths=(0, 0.5, 1))
    shown = [units_seen(picture) for picture in (portrait, *result.images)]
    smiles, jaws = ([getattr(units, name) for units in shown] for name in ("lip_corner_pull", "jaw_drop"))
    assert smiles[0] > 0.6 > 0.2 > smiles[1]  # neutral at strength 0
    assert jaws[3] > jaws[2] > jaws[1] + 0.1
    assert jaws[3] > 0.5


@pytest.mark.parametrize(
    ("unit", "seen"),
    [("eyes_closed", "eyes_closed"), ("outer_brow_raise", "outer_brow_raise"), ("jaw_drop", "jaw_drop")],
)
def test_what_is_asked_for_rises_with_the_strength(editor, portrait, unit, seen):
    result = editor.edit(portrait, units={unit: 1.0}, strengths=(0, 0.35, 0.7, 1))
    measured = [getattr(units_seen(picture), seen) for picture in result.images]
    assert measured == sorted(measured)
    assert measured[-1] > measured[0] + 0.25


def test_nothing_but_the_face_changes(editor, astronaut):
    edited = editor.edit(astronaut, "fear", strengths=(1,)).images[0]
    changed = (pixels(edited) != pixels(astronaut)).any(-1)
    x0, y0, x1, y1 = mesh_of(astronaut).box
    reach = 0.4 * max(x1 - x0, y1 - y0)
    rows, columns = np.nonzero(changed)
    assert rows.min() > y0 - reach
    assert rows.max() < y1 + reach
    assert columns.min() > x0 - reach
    assert columns.max() < x1 + reach
    assert changed[int(y0) : int(y1), int(x0) : int(x1)].mean() > 0.3


def test_without_movement_the_picture_stays(editor, portrait):
    kept = editor.edit(portrait, "happy", strengths=(0,), neutralise=0.0).images[0]
    assert np.abs(pixels(kept) - pixels(portrait)).max() <= 2
    neutral = editor.edit(portrait, "happy", strengths=(0,)).images[0]
    assert np.abs(pixels(neutral) - pixels(portrait)).max() > 40  # she smiles


def test_the_same_again_whatever_the_seed(editor, portrait):
    one, two = (editor.edit(portrait, "sad", strengths=(0.8,), seed=seed) for seed in (0, 7))
    again = Editor.from_pretrained("geometric").edit(portrait, "sad", strengths=(0.8,))
    assert one.images[0].tobytes() == two.images[0].tobytes() == again.images[0].tobytes()


def test_a_blend_is_the_sum_of_units(editor, portrait):
    blend = editor.edit(portrait, blend={"sleepy": 0.5, "happy": 0.4}, strengths=(1,))
    units = editor.edit(portrait, units=blend.settings["units"][0], strengths=(1,))
    assert blend.images[0].tobytes() == units.images[0].tobytes()
    assert blend.settings["units"][0]["lip_corner_pull"] == pytest.approx(0.4)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_to_the_end_of_the_scale(editor, portrait, expression):
    pictures = editor.edit(portrait, expression, strengths=(0.5, 2)).images
    for picture in pictures:
        assert picture.size == portrait.size
        assert (pixels(picture) != pixels(portrait)).any()


def test_no_tooth_shows_through_a_crack_of_closed_lips():
    face = surface()
    source = face.vertices_cm * (10.0, -10.0, -10.0) + 100
    upper, lower = list(UPPER_INNER), list(LOWER_INNER)
    target = source.copy()
    source[lower] = source[upper] + (0, 20, 0)  # open, with green teeth
    target[lower] = target[upper] + (0, 4, 0)  # nearly shut
    lips = np.full((300, 300, 3), (200, 60, 60), np.uint8)
    picture = lips.copy()
    picture[int(source[UPPER_INNER[5], 1]) + 3 :] = (0, 255, 0)
    source, target = (face.spread(one[:NUM_SURFACE]) for one in (source, target))
    rows, between = len(target), face.triangles[face.in_mouth]
    shut = warp(picture, shut_texture(source), np.concatenate([target, target]), between + rows)
    plain = warp(picture, source, target, between)
    middle = np.s_[int(target[UPPER_INNER[5], 1]) + 2, int(target[UPPER_INNER[5], 0])]
    assert plain[middle][1] > 200 > 100 > shut[middle][1]


@pytest.mark.parametrize("bar", [0, 40])
@pytest.mark.parametrize("expression", ["angry", "surprised"])
def test_nothing_is_pulled_in_from_beyond_the_photograph(editor, portrait, bar, expression):
    x0, _, x1, y1 = mesh_of(portrait).box
    cut = portrait.crop((int(x0) - 10, 0, int(x1) + 10, int(y1) - 4))
    padded = ImageOps.expand(cut, bar, (255, 0, 255))
    for picture in editor.edit(padded, expression, strengths=(0, 1)).images:
        inside = (bar, bar, bar + cut.width, bar + cut.height)
        blank = picture.copy()
        blank.paste(cut, inside)
        assert blank.tobytes() == padded.tobytes()  # the bars stay
        seen = pixels(picture.crop(inside))
        assert (seen[..., 2] - seen[..., 1]).max() < 120


def test_a_plain_background_is_no_bar():
    disc = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(disc).ellipse((50, 50, 150, 150), "brown")
    assert [tuple(end) for end in within_bars(np.asarray(disc))] == [(0, 0), (200, 200)]
    boxed = ImageOps.expand(Image.new("RGB", (100, 80), "brown"), (20, 30, 0, 10), "black")
    assert [tuple(end) for end in within_bars(np.asarray(boxed))] == [(22, 32), (120, 108)]


def test_brows_that_rise_and_lower_at_once_knit():
    rest, inner, outer = surface().vertices_cm, 285, 300
    shown = ActionUnits()
    raised, lowered, both = (
        move(rest, Movement(shown, ActionUnits(inner_brow_raise=up, brow_lower=down))) - rest
        for up, down in ((1, 0), (0, 1), (1, 1))
    )
    assert both[inner, 0] < lowered[inner, 0] < 0  # together
    assert raised[inner, 1] > both[inner, 1] > 0.2 > 0 > both[outer, 1]  # slanting


def test_a_mouth_wide_open_is_an_oval():
    rest = surface().vertices_cm
    moved = move(rest, Movement(ActionUnits(), action_units("surprised", 1.5)))
    upper, lower = inner_lips(moved)
    middle, sides = (upper[0] + upper[-1]) / 2, (upper[-1, 0] - upper[0, 0]) / 2
    for edge in (upper, lower):
        away = (edge - middle) / (sides, np.abs(edge[:, 1] - middle[1]).max())
        assert np.hypot(*away.T) == pytest.approx(1, abs=0.06)


def test_a_head_leans_with_its_brow(editor, portrait):
    rolls = [
        mesh_of(editor.edit(portrait, units={"brow_tilt": tilt}, strengths=(1,)).images[0]).pose().roll
        for tilt in (-1, 1)
    ]
    assert 3 < rolls[0] - rolls[1] < 10  # up where the brow is


@pytest.mark.parametrize(
    ("unit", "angle"), [("head_turn", "yaw"), ("head_nod", "pitch"), ("head_tilt", "roll")]
)
def test_a_head_turns_nods_and_tilts_as_asked(editor, portrait, unit, angle):
    was, before = getattr(mesh_of(portrait).pose(), angle), pixels(portrait)
    for side in (-1, 1):
        (edited,) = editor.edit(portrait, units={unit: side}, strengths=(1,), neutralise=0).images
        turned = side * (getattr(mesh_of(edited).pose(), angle) - was)
        assert 0.6 * HEAD_DEG[unit] < turned < 1.4 * HEAD_DEG[unit]
        assert np.array_equal(pixels(edited)[:3], before[:3])


def test_hair_does_not_fold_over_a_face_however_far_it_is_turned(portrait):
    face, _ = place_face(np.asarray(portrait), mesh_of(portrait))
    around = surface().ring_triangles
    for turn, nod, tilt in itertools.product((-2, 0, 2), repeat=3):
        units = ActionUnits(head_turn=turn, head_nod=nod, head_tilt=tilt, brow_tilt=-tilt)
        moved = Moved(face, Movement(ActionUnits(), in_reach(units)), face.source, face.rest_cm)
        before, after = lean_rows(moved)
        shares = areas(after, around) / areas(before, around)
        assert shares.min() > 0, (turn, nod, tilt)


def areas(rows, triangles):
    """Of triangles in the picture, negative where they lie on their back."""
    a, b, c = (rows[triangles[:, corner], :2] for corner in range(3))
    (x, y), (across, down) = (b - a).T, (c - a).T
    return x * down - y * across


def test_the_saddest_weep():
    weeping = {
        name
        for name in EXPRESSIONS
        if any(tears_of(action_units(name, 1.0, variant)) > 0 for variant in range(NUM_VARIANTS))
    }
    assert weeping == {"sad"}
    assert [tears_of(action_units("sad", strength)) for strength in (0.6, 0.8, 1, 2)] == [
        0,
        pytest.approx(0.5),
        1,
        1,
    ]


def test_grey_stays_grey(editor, portrait):
    grey = portrait.convert("L").convert("RGB")
    for picture in editor.edit(grey, units={"jaw_drop": 1.0, "blush": 1.0, "sweat": 1.0}).images:
        assert np.ptp(pixels(picture), axis=-1).max() <= 2


def test_several_faces_are_laid_upon_their_picture(editor, astronaut):
    small = astronaut.crop((100, 0, 356, 256))
    picture = Image.new("RGB", (512, 256))
    picture.paste(small, (0, 0))
    picture.paste(small, (256, 0))
    x0, y0, x1, y1 = mesh_of(small).box
    faces = [Face((x0 + shift, y0, x1 + shift, y1), None, 1.0, "manual") for shift in (0, 256)]
    requests = [Request("surprised", strengths=(1,))]
    events = stream_faces(editor, picture, [(face, requests) for face in faces])
    (result,) = [event for event in events if isinstance(event, EditResult)]
    changed = (pixels(result.images[0]) != pixels(picture)).any(-1)
    assert changed[:, :256].mean() > 0.05
    assert (changed[:, :256] == changed[:, 256:]).mean() > 0.98
    assert result.settings["faces"][0]["face"]["corrections"][0]["drift_px"] is None


def test_larger_than_it_works_at(editor, portrait):
    large = portrait.resize((portrait.width * 8, portrait.height * 8))
    result = editor.edit(large, "angry", strengths=(1,))
    assert result.images[0].size == large.size
    assert max(result.settings["size"]) == 1536
    assert any("not the paper's method" in note for note in result.settings["notes"])
    corner = np.s_[:60, :60]
    assert (pixels(result.images[0])[corner] == pixels(large)[corner]).all()


def test_what_it_cannot_do_is_refused(editor, portrait):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    with pytest.raises(FaceError, match="no face"):
        editor.edit(noise, "happy")
    with pytest.raises(ExpressionError, match="no prompt"):
        editor.edit(portrait, prompt="smile")
    with pytest.raises(ExpressionError, match="jaw_drop"):
        editor.edit(portrait, units={"jaw_dorp": 1.0})
    with pytest.raises(ExpressionError, match="0 to 2"):
        editor.edit(portrait, units={"jaw_drop": -1.0})
    with pytest.raises(InputError, match="steps"):
        editor.edit(portrait, "happy", steps=4)
    with pytest.raises(InputError, match="adapter"):
        Editor.from_pretrained("geometric", adapter="file.safetensors")
    with pytest.raises(ExpressionError, match="anime"):
        editor.edit(portrait, "happy", domain="anime")


@pytest.mark.parametrize(("degrees", "side", "word"), [(60, 20.0, "turned"), (0, 1.5, "px")])
def test_a_profile_and_a_tiny_face_are_refused(degrees, side, word):
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    points = side * canonical_mesh().vertices_cm @ rotation.T * np.array([1.0, -1.0, -1.0]) + 200
    mesh = FaceMesh(np.concatenate([points, np.repeat(points[:1], 10, axis=0)]), 1.0)
    with pytest.raises(FaceError, match=word):
        place_face(np.zeros((400, 400, 3), np.uint8), mesh)


def test_a_hidden_mouth_is_refused(editor, portrait):
    masked = portrait.copy()
    x0, _, x1, y1 = (round(value) for value in mesh_of(portrait).box)
    masked.paste((190, 215, 230), (x0, round(mesh_of(portrait).landmarks_5[2, 1]), x1, y1))
    with pytest.raises(FaceError, match=r"mouth|no face"):
        editor.edit(masked, "happy")


@pytest.mark.parametrize("colour", [(20, 20, 20), (240, 240, 240), (200, 150, 120)])
def test_covered_eyes_are_refused(portrait, colour):
    mesh, covered = mesh_of(portrait), np.asarray(portrait).copy()
    middle, width = mesh.landmarks_5[:2, 1].mean(), np.ptp(mesh.landmarks_5[:2, 0])
    covered[round(middle - width / 2) : round(middle + width / 2)] = colour
    with pytest.raises(FaceError, match="no eyes are to be seen"):
        place_face(covered, mesh)


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_face_in_the_haze_is_edited_and_its_mask_seen(editor, portrait, colour):
    hazy = Image.blend(portrait, Image.new("RGB", portrait.size, (colour,) * 3), 0.5)
    assert (pixels(editor.edit(hazy, "surprised").images[0]) != pixels(hazy)).any()
    mesh = mesh_of(hazy)
    hazy.paste((190, 215, 230), (0, round(mesh.landmarks_5[2, 1]), *hazy.size))
    with pytest.raises(FaceError, match="no mouth is to be seen"):
        place_face(np.asarray(hazy), mesh)


def test_closed_eyes_are_not_taken_for_hidden(editor, portrait):
    closed = editor.edit(portrait, units={"eyes_closed": 1.0}).images[0]
    place_face(np.asarray(closed), mesh_of(closed))


@pytest.mark.parametrize("degrees", [0, 90, 45])
def test_a_patterned_cloth_over_the_mouth_is_refused(portrait, degrees):
    mesh, turn = mesh_of(portrait), np.radians(degrees)
    y, x = np.mgrid[: portrait.height, : portrait.width]
    is_dark = (x * np.cos(turn) + y * np.sin(turn)) // 6 % 2 == 0
    covered = np.asarray(portrait).copy()
    rows = y > mesh.landmarks_5[2, 1]
    covered[rows & is_dark], covered[rows & ~is_dark] = (40, 70, 150), (210, 220, 120)
    with pytest.raises(FaceError, match="something hides it"):
        place_face(covered, mesh)


def test_the_command_needs_no_torch(portrait, tmp_path):
    portrait.save(tmp_path / "face.png")
    box = ",".join(str(round(value)) for value in (20, 20, portrait.width - 40, portrait.height - 40))
    words = ["edit", "face.png", "--model", "geometric", "--units", "jaw_drop=0.5,smirk=-1", "--face", box]
    program = (
        f"import sys\nfrom pixelsmile.cli import main\ncode = main({[*words, '-s', '1', '-o', 'out']!r})\n"
    )
    program += "assert code == 0 and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, capture_output=True)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    (sweep,) = manifest["settings"]["sweeps"]
    assert sweep["units"] == [{"smirk": -1.0, "jaw_drop": 0.5}]


def test_one_face_of_several_is_not_guessed(astronaut):
    both = Image.new("RGB", (astronaut.width * 2, astronaut.height))
    both.paste(astronaut, (0, 0))
    both.paste(astronaut, (astronaut.width, 0))
    with pytest.raises(FaceError, match="2 faces in the picture: cut it around one"):
        Editor.from_pretrained("geometric").edit(both, "sad")


def test_a_photograph_is_refused_where_nobody_chose_the_embedded_model(astronaut, tmp_path):
    astronaut.save(tmp_path / "photo.png")
    with pytest.raises(ModelError, match=r'from_pretrained\("geometric"\), or name "embedded" to try all'):
        Editor.from_pretrained().edit(tmp_path / "photo.png", "happy")


@pytest.mark.parametrize("mode", ["P", "CMYK"])
def test_what_a_picture_loses_is_said(astronaut, mode, caplog, recwarn):
    Editor.from_pretrained("geometric").edit(astronaut.convert(mode), "sad", strengths=[1])
    assert "becomes" in caplog.text or "become" in caplog.text
    assert not recwarn.list
