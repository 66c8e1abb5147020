import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.faces.detectors.drawn import CLOSE_PX, DrawnDetector, peaks
from pixelsmile.faces.face import Face
from pixelsmile.networks.face_detector import (
    CloseMaps,
    DrawnFaceConfig,
    FoundMaps,
    marks_in_pixels,
)
from pixelsmile.portraits import action_units, draw_portrait, sample_identity
from recipes.augmentation import damaged, enlarged_from
from recipes.embedded.plan import PicturePlan
from recipes.faces.detector import quality
from recipes.faces.detector.__main__ import make_batch, stages
from recipes.faces.detector.backgrounds import KINDS
from recipes.faces.detector.objective import (
    CloseTargets,
    FindTargets,
    box_loss,
    centre_loss,
    close_losses,
    close_targets,
    find_losses,
    find_targets,
    mark_distance,
    mark_loss,
    mask_loss,
    must_be_found,
    points_loss,
)
from recipes.faces.detector.plan import ClosePlan, LossPlan, Plan, PoolPlan, ScenePlan, TruthPlan
from recipes.faces.detector.pool import NUM_DIRECTIONS, Pool, planned_drawings, pool_of, support
from recipes.faces.detector.quality import (
    Detections,
    average_precision,
    bad_pictures,
    box_overlap,
    landmark_errors,
    mask_overlap,
    measure,
)
from recipes.faces.detector.scenes import (
    Placement,
    Scene,
    SceneFace,
    compose,
    framed,
    lay,
    occluded,
    portrait_to_scene,
    sample_close,
    sample_scene,
)
from recipes.optimisation import Optimisation

TINY = Plan(
    pool=PoolPlan(size=64, num_identities=1),
    scene=ScenePlan(size=64, crowd_px=(11, 30), single_px=(14, 60), zoomed_px=(90, 120)),
    network=DrawnFaceConfig(widths=(4, 4, 8, 8, 8), num_blocks=1, close_width=4),
    num_scenes=2,
    num_close=2,
    optimisation=Optimisation(4, 1e-3, 2, 0.9, checkpoint_every=2, log_every=2),
)


@pytest.fixture(scope="module")
def pool():
    return pool_of(planned_drawings(2, PoolPlan().first_training_seed, 0), 128)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    for _, progress in stages(TINY, folder, folder / "model", 1, torch.device("cpu")):
        for record in progress:
            assert json.loads(json.dumps(record)) == record
    return folder / "model"


def scene_face(box, visible=1.0, size=(64, 64)):
    x0, y0, x1, y1 = box
    shares = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    points = np.array([x0, y0]) + shares * (x1 - x0, y1 - y0)
    return SceneFace(box, points, (0, 0), np.zeros(size[::-1], np.uint8), visible)


def scene_of(*faces, size=(64, 64)):
    return Scene(np.zeros((size[1], size[0], 3), np.uint8), list(faces))


# The whole recipe


def test_the_recipe_ends_in_a_folder_that_detects(model):
    detector = DrawnDetector.from_folder(model, threshold=0.1)
    portrait = draw_portrait(sample_identity(3), action_units(NEUTRAL), "human", 64)
    for face in detector.detect(portrait.image):
        assert detector.mask(portrait.image, face).shape == (64, 64)
    log = [json.loads(line) for line in (model / "training.jsonl").read_text().splitlines()]
    assert [record["step"] for record in log] == [2, 4]
    assert {"centre", "box", "points", "mask", "marks", "marks_px"} < set(log[0])


def test_a_finished_recipe_does_nothing_again(model):
    before = (model / "model.safetensors").read_bytes()
    records = [
        record
        for _, progress in stages(TINY, model.parent, model, 1, torch.device("cpu"))
        for record in progress
    ]
    assert records == []
    assert (model / "model.safetensors").read_bytes() == before


def test_another_plan_does_not_use_this_pool(model):
    other = replace(TINY, pool=replace(TINY.pool, size=96))
    with pytest.raises(InputError, match="size = 64, not 96"):
        list(next(stages(other, model.parent, model, 1, torch.device("cpu")))[1])


def test_the_report_of_an_unfinished_detector(model):
    detector = DrawnDetector.from_folder(model, threshold=0.9)
    *_, report = measure(detector, detector, num_identities=1, num_scenes=1)
    assert json.loads(json.dumps(report)) == report
    assert [(part["domain"], part["expressions"]) for part in report["portraits"]] == [
        ("human", "neutral"),
        ("human", "expressive"),
        ("anime", "neutral"),
        ("anime", "expressive"),
    ]
    assert set(report["scenes"]) == {"clean", "damaged"}
    assert report["without_a_face"]["pictures"] == len(KINDS)
    assert report["bad_input"]["500 faces"]["to_find"] == 500


def test_batches_depend_on_the_step_alone(pool):
    plan = TINY
    one, again, other = (make_batch(plan, pool, step) for step in (3, 3, 4))
    assert torch.equal(one.scenes, again.scenes)
    assert torch.equal(one.of_close.boxes, again.of_close.boxes)
    assert not torch.equal(one.close, other.close)
    assert one.scenes.shape == (2, 3, 64, 64)
    assert one.close.shape == (2, 3, CLOSE_PX, CLOSE_PX)


# Portraits


def test_identities_are_nobody_elses():
    plan, editor = PoolPlan(), PicturePlan()
    training = {d.identity_seed for d in planned_drawings(plan.num_identities, plan.first_training_seed, 0)}
    testing = {d.identity_seed for d in planned_drawings(500, plan.first_test_seed, 0)}
    assert len(training) == 2 * plan.num_identities
    assert not training & testing
    assert min(training) > editor.first_test_seed + 1_000_000
    assert max(training) < plan.first_test_seed


def test_half_of_the_drawings_are_neutral():
    drawings = planned_drawings(20, 0, 0)
    assert drawings == planned_drawings(20, 0, 0)
    assert [drawing.expression == NEUTRAL for drawing in drawings] == [True, False] * 40


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 2 * math.pi))
def test_support_bounds_the_outline_at_any_angle(angle):
    rng = np.random.default_rng(0)
    turns = np.sort(rng.uniform(0, 2 * math.pi, 700))
    outline = np.stack([3 * np.cos(turns), 4 * np.sin(turns)], axis=1)
    turn = np.array([(math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))])
    all_points, some = outline @ turn.T, support(outline) @ turn.T
    assert len(some) == NUM_DIRECTIONS
    assert np.abs(all_points.max(0) - some.max(0)).max() < 0.003
    assert np.abs(all_points.min(0) - some.min(0)).max() < 0.003


# Placing


def test_an_upright_portrait_keeps_the_drawn_truth(pool):
    drawings = planned_drawings(2, PoolPlan().first_training_seed, 0)
    for index in (0, 3, 5, 7):
        drawing = drawings[index]
        units = drawing.units
        truth = draw_portrait(sample_identity(drawing.identity_seed), units, drawing.domain, 256).truth
        x0, y0, x1, y1 = truth.face_box
        tile = lay(pool, Placement(index, 256, 0.0, False, ((x0 + x1) / 2, (y0 + y1) / 2)), (256, 256))
        whole_HW = np.zeros((256, 256))
        whole_HW[1:255, 1:255] = tile.mask
        assert tile.corner == (1, 1)
        assert tile.box == pytest.approx(truth.face_box, abs=1e-3)
        assert tile.landmarks_52 == pytest.approx(truth.landmarks_5, abs=1e-3)
        assert mask_overlap(whole_HW / 255, truth.face_mask) > 0.97
        assert tile.face_area_px == pytest.approx(np.count_nonzero(truth.face_mask), rel=0.03)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("side_px", "angle"), [(64, 0.0), (100, 0.4), (301, -0.7)])
def test_pixels_go_where_the_truth_goes(mirrored, side_px, angle):
    """A dot in a black portrait is found again at its place in the scene."""
    picture = np.zeros((1, 128, 128, 4), np.uint8)
    picture[0, 50:54, 70:74] = 255
    outline = np.array([[(40.0, 30.0), (100.0, 30.0), (100.0, 90.0), (40.0, 90.0)]])
    alone = Pool(picture, outline, np.full((1, 5, 2), (72.0, 52.0)))
    tile = lay(alone, Placement(0, side_px, angle, mirrored, (150.3, 140.8)), (300, 300))
    weights = tile.mask.astype(float)
    rows, columns = np.indices(weights.shape) + 0.5
    middle = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum() + tile.corner
    assert middle == pytest.approx(tile.landmarks_52[2], abs=0.12)
    assert weights.sum() / 255 == pytest.approx(tile.face_area_px, rel=0.1)


def test_mirroring_swaps_left_and_right(pool):
    tile = lay(pool, Placement(0, 128, 0.0, True, (64, 64)), (128, 128))
    left, right, _, left_corner, right_corner = tile.landmarks_52
    assert left[0] < right[0]
    assert left_corner[0] < right_corner[0]


def test_a_placement_far_away_leaves_nothing(pool):
    assert lay(pool, Placement(0, 64, 0.0, False, (500.0, 40.0)), (100, 100)) is None


def test_the_matrix_puts_the_middle_of_the_box_on_the_centre(pool):
    outline = pool.outlines[1]
    middle = (outline.min(0) + outline.max(0)) / 2
    matrix = portrait_to_scene(pool, Placement(1, 77, 0.3, True, (12.5, 33.0)))
    assert matrix[:, :2] @ middle + matrix[:, 2] == pytest.approx([12.5, 33.0])
    assert abs(np.linalg.det(matrix[:, :2])) == pytest.approx((77 / 128) ** 2)


# Scenes


def test_a_face_behind_another_loses_what_is_covered(pool):
    wall = np.full((200, 300, 3), 9, np.uint8)
    alone = compose(pool, wall, [Placement(0, 128, 0.0, False, (100, 100))])
    assert alone.faces[0].visible == pytest.approx(1, abs=0.02)
    assert np.array_equal(wall, np.full((200, 300, 3), 9, np.uint8))
    both = compose(
        pool, wall, [Placement(0, 128, 0.0, False, (100, 100)), Placement(1, 128, 0.0, False, (150, 100))]
    )
    assert both.faces[1].visible == pytest.approx(1, abs=0.02)
    assert 0 < both.faces[0].visible < 0.9
    assert both.faces[0].box == alone.faces[0].box
    gone = compose(
        pool, wall, [Placement(0, 64, 0.0, False, (100, 100)), Placement(0, 256, 0, False, (100, 100))]
    )
    assert gone.faces[0].visible == 0


def test_half_outside_is_half_visible(pool):
    scene = compose(pool, np.zeros((128, 128, 3), np.uint8), [Placement(0, 128, 0.0, False, (0, 64))])
    assert scene.faces[0].visible == pytest.approx(0.5, abs=0.06)
    assert scene.faces[0].box[0] < 0


def test_covers_and_frames_hide(pool):
    scene = compose(pool, np.zeros((128, 128, 3), np.uint8), [Placement(0, 128, 0.0, False, (64, 64))])
    covered = occluded(scene, 0, np.random.default_rng(1))
    assert covered.faces[0].visible < scene.faces[0].visible
    assert (covered.faces[0].mask <= scene.faces[0].mask).all()
    cut = framed(scene, (0, 0, 64, 128))
    assert (cut.pixels[:, 64:] == 128).all()
    assert np.array_equal(cut.pixels[:, :64], scene.pixels[:, :64])
    assert not cut.faces[0].mask_of_scene((128, 128))[:, 64:].any()
    assert cut.faces[0].visible == pytest.approx(0.5, abs=0.1)


def test_random_scenes_are_what_the_plan_says(pool):
    plan = ScenePlan(size=96, max_num_faces=4)
    scenes = [sample_scene(pool, plan, np.random.default_rng((0, index))) for index in range(40)]
    assert {len(scene.faces) for scene in scenes} <= {0, 1, 2, 3, 4}
    assert min(len(scene.faces) for scene in scenes) == 0
    for scene in scenes:
        assert scene.pixels.shape == (96, 96, 3)
        assert scene.pixels.dtype == np.uint8
        assert all(0 <= face.visible <= 1 for face in scene.faces)
    again = sample_scene(pool, plan, np.random.default_rng((0, 7)))
    assert np.array_equal(again.pixels, scenes[7].pixels)


def test_close_looks_are_off_by_as_much_as_they_may(pool):
    plan = ClosePlan(max_angle_deg=0)
    for index in range(20):
        face = sample_close(pool, plan, np.random.default_rng(index)).faces[-1]
        longer = CLOSE_PX / 1.5
        assert all(abs(place - CLOSE_PX / 2) <= plan.max_shift * longer + 1e-6 for place in face.middle)
        side = max(face.box[2] - face.box[0], face.box[3] - face.box[1])
        assert abs(math.log(side / longer)) <= plan.max_log_scale + 0.02


@pytest.mark.parametrize("name", KINDS)
def test_backgrounds(name, pool):
    for seed in range(3):
        background = KINDS[name](pool, (50, 30), np.random.default_rng(seed))
        assert background.shape == (30, 50, 3)
        assert background.dtype == np.uint8


def test_damage_keeps_things_where_they_are():
    dot = np.zeros((64, 64, 3), np.uint8)
    dot[20:30, 40:50] = 255
    for seed in range(12):
        levels = damaged(dot, np.random.default_rng(seed)).astype(float).sum(-1)
        bright = levels > (levels.max() + levels.min()) / 2
        assert np.argwhere(bright).mean(0) == pytest.approx([24.5, 44.5], abs=0.5)
    small = enlarged_from(dot, 16).astype(float).sum(-1)
    assert np.argwhere(small > 380).mean(0) == pytest.approx([24.5, 44.5], abs=1)


# Targets


@pytest.mark.parametrize(
    ("face", "wanted"),
    [
        (scene_face((10, 10, 40, 50)), True),
        (scene_face((10, 10, 40, 50), visible=0.3), None),
        (scene_face((10, 10, 40, 50), visible=0.01), False),
        (scene_face((-30, 10, 20, 50)), None),
        (scene_face((-10, 10, 40, 50), visible=0.5), True),
        (scene_face((10, 10, 15, 16)), None),
        (scene_face((-60, -60, 120, 120)), None),
    ],
)
def test_which_faces_must_be_found(face, wanted):
    assert must_be_found(face, (64, 64), TruthPlan()) is wanted


def test_targets_by_hand():
    faces = [scene_face((8, 8, 40, 40)), scene_face((40, 30, 60, 50), visible=0.2)]
    targets = find_targets([scene_of(*faces)], TruthPlan(), LossPlan())
    centre = targets.centre[0].numpy()
    assert centre.shape == (8, 8)
    assert centre.max() == centre[3, 3] == 1
    assert centre[3, 4] == pytest.approx(math.exp(-1 / (2 * 0.5**2)))  # sigma: 4 px
    assert targets.counted[0, 4, 5] == targets.counted[0, 5, 6] == 0
    assert targets.counted[0, :4].min() == 1
    assert targets.taught[0].sum() == 1
    assert targets.boxes[0, :, 3, 3].tolist() == [8, 8, 40, 40]
    assert targets.points[0, 2, :, 3, 3].tolist() == pytest.approx([24, 27.2])


def test_a_small_face_in_front_is_taught_within_a_large_one():
    targets = find_targets(
        [scene_of(scene_face((0, 0, 64, 64)), scene_face((20, 20, 34, 34)))], TruthPlan(), LossPlan()
    )
    assert targets.centre[0, 3, 3] == targets.centre[0, 4, 4] == 1
    assert targets.boxes[0, :, 3, 3].tolist() == [20, 20, 34, 34]
    assert targets.boxes[0, :, 4, 4].tolist() == [0, 0, 64, 64]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.floats(12, 26), st.floats(12, 26)), max_size=8
    )
)
def test_what_is_encoded_is_decoded(places):
    """Ideal maps of faces, one in each square of 32 px, give back exactly these faces."""
    boxes = {
        (32.0 * x + 1, 32.0 * y + 2, 32.0 * x + 1 + width, 32.0 * y + 2 + height)
        for x, y, width, height in {(x, y): (x, y, w, h) for x, y, w, h in places}.values()
    }
    size = (128, 96)
    targets = find_targets([scene_of(*map(scene_face, boxes), size=size)], TruthPlan(), LossPlan())
    logits = torch.logit(targets.centre.double() * 0.98 + 0.01)
    found = peaks(FoundMaps(logits, targets.boxes, targets.points), 0.9)
    assert len(found.boxes) == len(boxes)
    expected = np.array(sorted(boxes)).reshape(-1, 4)
    order = np.lexsort(found.boxes.T[::-1]) if len(boxes) else []
    assert found.boxes[order] == pytest.approx(expected, abs=1e-4)
    points = np.array([scene_face(box).landmarks_52 for box in sorted(boxes)]).reshape(-1, 5, 2)
    assert found.landmarks[order] == pytest.approx(points, abs=1e-4)


def test_close_targets_by_hand():
    face = scene_face((32, 32, 96, 96), size=(128, 128))
    face.landmarks_52[0] = (-3, 40)
    face.mask[32:97, 33:96] = 255
    targets = close_targets([scene_of(face, size=(128, 128))])
    assert targets.seen.tolist() == [[0, 1, 1, 1, 1]]
    assert targets.marks[0, 0].tolist() == [-3, 40]
    assert targets.mask.shape == (1, 64, 64)
    assert targets.mask[0, 20, 20] == 1
    assert targets.mask[0, 20, 16] == targets.mask[0, 48, 20] == 0.5
    assert targets.mask[0, 48, 16] == 0.25


# Losses


def perfect(targets):
    logits = torch.where(targets.centre == 1, 40.0, -40.0).double()
    return FoundMaps(logits, targets.boxes.double(), targets.points.double())


def test_finding_losses_are_zero_for_the_truth_and_never_below():
    scenes = [scene_of(scene_face((8, 8, 40, 40))), scene_of()]
    targets = find_targets(scenes, TruthPlan(), LossPlan())
    loss, parts = find_losses(perfect(targets), targets, LossPlan())
    assert loss.item() == pytest.approx(0, abs=1e-9)
    empty = find_targets([scene_of()], TruthPlan(), LossPlan())
    assert find_losses(perfect(empty), empty, LossPlan())[0].item() == pytest.approx(0, abs=1e-9)
    assert all(part >= 0 for part in parts.values())


def test_centre_loss_by_hand():
    logits = torch.tensor([[[0.0, math.log(3), -math.log(3)]]], dtype=torch.float64)  # 1/2, 3/4, 1/4
    centre = torch.tensor([[[1.0, 0.5, 0.0]]], dtype=torch.float64)
    ones = torch.ones_like(centre)
    there = 0.5**2 * math.log(2)
    near = 0.5**4 * 0.75**2 * math.log(4)
    far = 0.25**2 * math.log(4 / 3)
    assert centre_loss(logits, centre, ones).item() == pytest.approx(there + near + far, abs=1e-12)
    counted = torch.tensor([[[1.0, 0.0, 1.0]]], dtype=torch.float64)
    assert centre_loss(logits, centre, counted).item() == pytest.approx(there + far, abs=1e-12)


def test_box_and_points_losses_by_hand():
    target = torch.tensor([10.0, 10.0, 30.0, 50.0], dtype=torch.float64).reshape(1, 4, 1, 1)
    off = target + torch.tensor([2.0, -4.0, 1.0, 0.0]).reshape(1, 4, 1, 1)
    weight = torch.full((1, 1, 1), 0.7, dtype=torch.float64)
    assert box_loss(off, target, weight).item() == pytest.approx((2 / 20 + 4 / 40 + 1 / 20) / 4)
    points = torch.zeros(1, 5, 2, 1, 1, dtype=torch.float64)
    shifted = points.clone()
    shifted[0, 3, 1] = 5
    expected = 5 / 10 / math.sqrt(20 * 40)
    assert points_loss(shifted, points, target, weight).item() == pytest.approx(expected)
    nothing = torch.zeros_like(weight)
    assert box_loss(off, target, nothing) == points_loss(shifted, points, target, nothing) == 0


def test_close_losses_by_hand():
    logits = torch.tensor([[[0.0, math.log(3)]]], dtype=torch.float64)
    shares = torch.tensor([[[0.25, 1.0]]], dtype=torch.float64)
    assert mask_loss(logits, shares).item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    flat = torch.zeros(1, 5, 8, 8, dtype=torch.float64)
    marks = torch.full((1, 5, 2), 16.0)
    seen = torch.tensor([[1.0, 1.0, 0.0, 1.0, 1.0]])
    assert mark_loss(flat, marks, seen, 1.0).item() == pytest.approx(math.log(64))
    assert mark_distance(flat, marks, seen).item() == pytest.approx(0)
    marks[0, 1, 0], marks[0, 2, 0] = 20, 9
    assert mark_distance(flat, marks, seen).item() == pytest.approx(4 / 2 / 4)


def test_marks_are_best_where_they_are():
    """What is asked for has the least cross-entropy, and its mean is the landmark."""
    marks = torch.tensor([[(40.0, 60.0), (77.7, 60.0), (59.2, 80.1), (44.0, 95.5), (70.0, 96.0)]])
    cells = (torch.arange(32, dtype=torch.float64) + 0.5) * 4
    squares = (cells - marks[..., 0, None, None]) ** 2 + (cells[:, None] - marks[..., 1, None, None]) ** 2
    wanted = (-squares / (2 * 4.0**2)).requires_grad_()
    loss = mark_loss(wanted, marks, torch.ones(1, 5), 1.0)
    loss.backward()
    assert wanted.grad.abs().max() < 1e-9
    assert (marks_in_pixels(wanted.detach()) - marks).abs().max() < 1e-2
    assert mark_loss(wanted.detach() * 1.2, marks, torch.ones(1, 5), 1.0) > loss


def test_gradients_of_every_loss():
    torch.manual_seed(0)
    faces = [scene_face((8, 8, 40, 42)), scene_face((36, 30, 60, 58))]
    targets = find_targets([scene_of(*faces, size=(64, 64))], TruthPlan(), LossPlan())
    targets = FindTargets(*(value.double() for value in vars(targets).values()))
    maps = [torch.randn(1, *shape, dtype=torch.float64) for shape in ((8, 8), (4, 8, 8), (5, 2, 8, 8))]

    def of_found(*values):
        return find_losses(FoundMaps(*values), targets, LossPlan())[0]

    assert torch.autograd.gradcheck(of_found, [value.requires_grad_() for value in maps], fast_mode=True)
    close = CloseTargets(
        torch.rand(1, 5, 2, dtype=torch.float64) * 16,
        torch.ones(1, 5, dtype=torch.float64),
        torch.rand(1, 8, 8, dtype=torch.float64),
    )
    details = [torch.randn(1, *shape, dtype=torch.float64) for shape in ((5, 4, 4), (8, 8))]

    def of_details(*values):
        return close_losses(CloseMaps(*values), close, LossPlan())[0]

    assert torch.autograd.gradcheck(of_details, [value.requires_grad_() for value in details], fast_mode=True)


# Scores


def found_face(box, score):
    return Face(box, None, score, "test")


def test_average_precision_by_hand():
    # Precision at each hit: 1, 2/3, 3/4; its falling envelope 1, 3/4, 3/4 over steps of 1/4 in recall.
    assert average_precision([0.9, 0.8, 0.7, 0.6], [True, False, True, True], 4) == pytest.approx(
        (1 + 0.75 + 0.75) / 4
    )
    assert average_precision([0.6, 0.9, 0.7, 0.8], [True, True, True, False], 4) == pytest.approx(0.625)
    assert average_precision([], [], 3) == 0
    assert average_precision([0.5], [False], 0) is None
    assert average_precision([0.5, 0.5], [False, True], 1) == average_precision([0.5, 0.5], [True, False], 1)
    assert average_precision([0.9, 0.8], [True, True], 2) == 1


def test_each_face_is_found_once_and_optional_ones_count_neither_way():
    truth, optional = scene_face((10, 10, 30, 30)), scene_face((40, 40, 60, 60))
    total = Detections()
    total.add(
        [
            found_face((10, 10, 30, 28), 0.6),
            found_face((10, 10, 30, 30), 0.9),
            found_face((40, 40, 60, 60), 0.8),
            found_face((0, 0, 8, 8), 0.3),
        ],
        [truth],
        [optional],
    )
    total.add([], [scene_face((0, 0, 60, 60))], [])
    assert total.scores == [0.9, 0.6, 0.3]
    assert total.right == [True, False, False]
    assert total.found_at == [0.9, 0.0]
    summary = total.summary(0.5)
    assert summary["recall"] == 0.5
    assert summary["false_faces_per_scene"] == 0.5
    assert summary["average_precision"] == 0.5
    assert summary["recall_by_size_px"]["16-24"] == {"faces": 1, "recall": 1.0}
    assert summary["recall_by_size_px"]["48-96"] == {"faces": 1, "recall": 0.0}
    assert summary["recall_by_size_px"]["0-12"] == {"faces": 0, "recall": None}
    assert total.summary(0.95)["recall"] == 0


def test_errors_by_hand():
    truth = np.array([(10.0, 10.0), (30.0, 10.0), (20.0, 20.0), (14.0, 30.0), (26.0, 30.0)])
    moved = truth + np.array([(3, 4), (0, 0), (0, 1), (0, 0), (2, 0)])
    assert landmark_errors(moved, truth) == pytest.approx([25, 0, 5, 0, 10])
    assert box_overlap(found_face((0, 0, 10, 10), 1.0), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    mask = np.array([[0.4, 0.5], [0.9, 0.0]])
    assert mask_overlap(mask, np.array([[True, True], [False, False]])) == pytest.approx(1 / 3)
    assert mask_overlap(np.zeros((2, 2)), np.zeros((2, 2), bool)) == 1


def test_bad_input_is_what_it_says(pool):
    scenes = bad_pictures(pool)
    assert scenes["one pixel"].pixels.shape == (1, 1, 3)
    crowd = scenes["500 faces"]
    assert len(crowd.faces) == 500
    assert crowd.pixels.shape == (1280, 1600, 3)
    assert min(face.visible for face in crowd.faces) > 0.9
    assert min(face.size_px for face in crowd.faces) > 16
    for name in ("half a face, left", "half a face, right", "half a face, below"):
        (half,) = scenes[name].faces
        assert 0.35 < half.visible < 0.65
        assert must_be_found(half, (256, 256), TruthPlan())
    (corner,) = scenes["a face at the border"].faces
    assert must_be_found(corner, (256, 256), TruthPlan())
    assert np.ptp(scenes["grey"].pixels, axis=-1).max() == 0
    assert not scenes["a face of 5 px"].faces
    assert (scenes["a face of 5 px"].pixels != 150).any()


def test_bad_input_is_counted(pool, monkeypatch):
    class SeesOne:
        def detect(self, image):
            face = scene_face((10, 10, 30, 30))
            return [found_face(face.box, 0.9), found_face((0, 0, 5, 5), 0.5)]

    face = scene_face((10, 10, 30, 30))
    scenes = {"one": scene_of(face), "two": scene_of(face, scene_face((40, 40, 60, 60))), "none": scene_of()}
    monkeypatch.setattr(quality, "bad_pictures", lambda pool: scenes)
    assert quality.bad_input(SeesOne(), pool) == {
        "one": {"to_find": 1, "found": 1, "besides": 1},
        "two": {"to_find": 2, "found": 1, "besides": 1},
        "none": {"to_find": 0, "found": 0, "besides": 2},
    }
