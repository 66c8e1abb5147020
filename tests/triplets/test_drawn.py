"""Drawn portraits as training data, on demand and on disk."""

import json
import multiprocessing
import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelsmile.errors import InputError, OutputError
from pixelsmile.expressions import CONFUSING_PAIRS, EXPRESSIONS, NEUTRAL
from pixelsmile.portraits import action_units, draw_portrait, sample_identity
from pixelsmile.store.manifests import read_manifest
from pixelsmile.triplets.drawn import (
    FIRST_IDENTITY,
    LINES_NAME,
    MEAD_LEVELS,
    PARTIAL_NAME,
    DrawingSettings,
    draw_triplet,
    sample_triplet,
    write_drawn,
)
from pixelsmile.triplets.pairing import ordered
from pixelsmile.triplets.triplet import read_triplets

SMALL = DrawingSettings(seed=4, size_px=32)
CONFUSING = {ordered(*pair) for pair in CONFUSING_PAIRS}


def test_a_triplet_is_settled_by_seed_and_index_alone() -> None:
    (triplet, pictures), (again, others) = draw_triplet(SMALL, 3), draw_triplet(SMALL, 3)
    assert again == triplet
    for one, other in zip(pictures, others, strict=True):
        assert one.tobytes() == other.tobytes()
    assert sample_triplet(SMALL, 4) != sample_triplet(SMALL, 3)
    assert sample_triplet(replace(SMALL, seed=5), 3) != sample_triplet(SMALL, 3)


@pytest.mark.parametrize("index", [0, 1])
def test_pictures_and_truth_are_of_one_person_with_the_planned_faces(index: int) -> None:
    plan = replace(SMALL, neutral_share=0.0)
    planned = sample_triplet(plan, index)
    triplet, pictures = draw_triplet(plan, index)
    assert planned.domain == triplet.domain == ("human", "anime")[index]
    assert triplet.identity == str(planned.identity_seed)
    places = (triplet.source, triplet.a, triplet.b)
    faces = (planned.source, planned.a, planned.b)
    for face, place, picture in zip(faces, places, pictures, strict=True):
        units = action_units(face.expression, face.strength, face.variant)
        portrait = draw_portrait(sample_identity(planned.identity_seed), units, planned.domain, 32)
        assert picture.tobytes() == portrait.image.tobytes()
        assert place.face_box == pytest.approx(portrait.truth.face_box, abs=1e-3)
        assert place.landmarks_5 is not None
        assert np.array(place.landmarks_5) == pytest.approx(portrait.truth.landmarks_5, abs=1e-3)
    for face, target in ((planned.a, triplet.a), (planned.b, triplet.b)):
        assert target.expression == face.expression
        assert set(target.scores) == set(EXPRESSIONS)
        assert target.strength == pytest.approx(face.strength, abs=0.1)  # a variant may pass a little earlier


def test_the_plan_is_kept_to() -> None:
    plan = DrawingSettings(confusing_share=0.5, neutral_share=0.75, strengths=(0.2, 0.9), num_variants=2)
    planned = [sample_triplet(plan, index) for index in range(3000)]
    pairs = Counter(ordered(item.a.expression, item.b.expression) for item in planned)
    confusing = sum(pairs[pair] for pair in CONFUSING) / len(planned)
    assert confusing == pytest.approx(0.5 + 0.5 * 2 / 66, abs=0.03)
    assert len(pairs) == 66
    assert Counter(item.domain for item in planned) == {"human": 1500, "anime": 1500}
    neutral = [item.source.expression == NEUTRAL for item in planned]
    assert np.mean(neutral) == pytest.approx(0.75, abs=0.03)
    slight = [item for item, rest in zip(planned, neutral, strict=True) if not rest]
    assert all(item.source.expression not in (item.a.expression, item.b.expression) for item in slight)
    assert all(0.1 <= item.source.strength <= 0.4 for item in slight)
    strengths = np.array([face.strength for item in planned for face in (item.a, item.b)])
    assert (strengths.min(), strengths.max()) == pytest.approx((0.2, 0.9), abs=0.01)
    assert strengths.mean() == pytest.approx(0.55, abs=0.01)
    assert {face.variant for item in planned for face in (item.a, item.b)} == {0, 1}
    assert Counter(item.a.expression for item in planned)["fear"] == pytest.approx(
        Counter(item.b.expression for item in planned)["fear"], rel=0.2
    )
    seeds = {item.identity_seed for item in planned}
    assert len(seeds) > 2980
    assert min(seeds) >= FIRST_IDENTITY
    few = {sample_triplet(replace(plan, num_identities=3), index).identity_seed for index in range(100)}
    assert few == {FIRST_IDENTITY, FIRST_IDENTITY + 1, FIRST_IDENTITY + 2}


def test_targets_are_canonical_unless_others_are_asked_for_and_sources_show_any() -> None:
    planned = [sample_triplet(SMALL, index) for index in range(200)]
    assert {face.variant for item in planned for face in (item.a, item.b)} == {0}
    assert {item.source.variant for item in planned} == {0, 1, 2}
    with pytest.raises(InputError, match="num_variants 4: use 1 to 3"):
        replace(SMALL, num_variants=4)


def test_discrete_labels_are_levels_that_the_pictures_stray_from() -> None:
    plan = replace(SMALL, levels=MEAD_LEVELS)
    assert plan.levels == (0.5, 0.75, 1.0)
    faces = [face for i in range(900) for face in (sample_triplet(plan, i).a, sample_triplet(plan, i).b)]
    counts = Counter(face.level for face in faces)
    assert set(counts) == set(MEAD_LEVELS)
    assert min(counts.values()) > 500
    strayed = np.array([face.strength - (face.level or 0.0) for face in faces])
    assert np.abs(strayed).max() == pytest.approx(0.125, abs=0.005)
    assert max(face.strength for face in faces) == 1.0
    exact = replace(plan, level_spread=0.0)
    assert all(sample_triplet(exact, i).a.strength == sample_triplet(exact, i).a.level for i in range(50))
    drawn, _ = draw_triplet(plan, 0)
    for target in (drawn.a, drawn.b):
        assert target.strength in MEAD_LEVELS
        assert sum(score > 0 for score in target.scores.values()) == 1


def test_beyond_the_full_expression_the_score_is_the_strength() -> None:
    plan = replace(SMALL, strengths=(1.2, 1.6))
    sample = sample_triplet(plan, 0)
    triplet, (_, picture, _) = draw_triplet(plan, 0)
    assert triplet.a.strength == pytest.approx(sample.a.strength, abs=0.0006)
    assert max(score for name, score in triplet.a.scores.items() if name != sample.a.expression) <= 1
    full, (_, other, _) = draw_triplet(replace(SMALL, strengths=(1.0, 1.0)), 0)
    assert full.a.expression == triplet.a.expression
    assert np.abs(np.asarray(picture, float) - np.asarray(other)).max() > 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confusing_share": 1.5}, "confusing_share"),
        ({"strengths": (0.9, 0.1)}, "the lower one first"),
        ({"strengths": (0.9, 2.1)}, "out of range"),
        ({"levels": (0.5, 1.5)}, "levels"),
        ({"levels": ()}, "one level or more"),
        ({"domains": ()}, "domains"),
        ({"domains": ("cubist",)}, "domains"),
        ({"num_identities": 0}, "one person or more"),
        ({"seed": -1}, "a seed of 0 or more"),
        ({"size_px": 31}, "at least 32 px a side"),
    ],
)
def test_plans_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(SMALL, **change)  # type: ignore[arg-type]


def test_triplets_are_counted_from_0() -> None:
    with pytest.raises(InputError, match="counted from 0"):
        sample_triplet(SMALL, -1)


def test_files_hold_what_is_drawn_on_demand(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "drawn"
    assert list(write_drawn(folder, 3, SMALL, num_processes=1)) == [0, 1, 2, 3, 3]
    triplets = read_triplets(folder / LINES_NAME)
    assert triplets == tuple(draw_triplet(SMALL, index, folder)[0] for index in range(3))
    for index, triplet in enumerate(triplets):
        for path, picture in zip(triplet.images, draw_triplet(SMALL, index)[1], strict=True):
            with Image.open(path) as image:
                assert image.tobytes() == picture.tobytes()
    manifest = read_manifest(folder / "manifest.json")
    assert (manifest.kind, manifest.seeds, manifest.settings["num_triplets"]) == ("drawn triplets", (4,), 3)
    assert [output.path for output in manifest.outputs] == [LINES_NAME]
    assert not (folder / PARTIAL_NAME).exists()


def test_asked_again_nothing_changes(tmp_path: Path) -> None:
    list(write_drawn(tmp_path, 1, SMALL, num_processes=1))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert list(write_drawn(tmp_path, 1, SMALL, num_processes=1)) == [1]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def draw_until_killed(folder: Path, num_triplets: int) -> None:
    for number in write_drawn(folder, 4, SMALL, num_processes=1):
        if number == num_triplets:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_after_a_kill_several_processes_end_with_the_same_files(tmp_path: Path) -> None:
    killed = multiprocessing.get_context("spawn").Process(target=draw_until_killed, args=(tmp_path, 2))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    with (tmp_path / PARTIAL_NAME).open("ab") as file:
        file.write(b'{"src":{"ima')  # a kill in the middle of a line
    leftover = tmp_path / "pictures" / ".pixelsmile-abc"
    leftover.mkdir()
    assert list(write_drawn(tmp_path, 4, SMALL, num_processes=2)) == [2, 3, 4, 4]
    assert not leftover.exists()
    assert read_triplets(tmp_path / LINES_NAME) == tuple(
        draw_triplet(SMALL, index, tmp_path)[0] for index in range(4)
    )


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the lock; the manifest without its date."""
    files = {
        path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", "manifest.json")
    }
    manifest = read_manifest(folder / "manifest.json").model_dump_json(exclude={"created"}).encode()
    return {"manifest.json": manifest} | {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in files
    }


def test_more_can_be_drawn_later_with_the_same_result_as_at_once(tmp_path: Path) -> None:
    list(write_drawn(tmp_path / "grown", 2, SMALL, num_processes=1))
    pictures = {path: path.stat().st_mtime_ns for path in (tmp_path / "grown").rglob("*.png")}
    assert list(write_drawn(tmp_path / "grown", 4, SMALL, num_processes=1)) == [2, 3, 4, 4]
    assert {path: path.stat().st_mtime_ns for path in pictures} == pictures
    list(write_drawn(tmp_path / "at-once", 4, SMALL, num_processes=1))
    assert contents(tmp_path / "grown") == contents(tmp_path / "at-once")


def test_until_more_is_drawn_the_finished_set_stays(tmp_path: Path) -> None:
    list(write_drawn(tmp_path, 1, SMALL, num_processes=1))
    before = contents(tmp_path)
    drawing = write_drawn(tmp_path, 4, SMALL, num_processes=1)
    assert [next(drawing), next(drawing)] == [1, 2]
    drawing.close()
    assert {name: data for name, data in contents(tmp_path).items() if name in before} == before
    # As it was asked for, whatever was begun since.
    assert list(write_drawn(tmp_path, 1, SMALL, num_processes=1)) == [1]
    assert list(write_drawn(tmp_path, 3, SMALL, num_processes=1)) == [2, 3, 3]
    with pytest.raises(OutputError, match="holds 3 triplets, more than 2, and none are taken away"):
        list(write_drawn(tmp_path, 2, SMALL))
    assert len(read_triplets(tmp_path / LINES_NAME)) == 3


def test_a_manifest_that_a_kill_left_behind_is_written_again(tmp_path: Path) -> None:
    list(write_drawn(tmp_path, 1, SMALL, num_processes=1))
    old = (tmp_path / "manifest.json").read_bytes()
    list(write_drawn(tmp_path, 2, SMALL, num_processes=1))
    expected = contents(tmp_path)
    (tmp_path / "manifest.json").write_bytes(old)  # killed after the lines were put in their place
    assert list(write_drawn(tmp_path, 2, SMALL, num_processes=1)) == [2]
    assert contents(tmp_path) == expected


def test_a_folder_with_a_plan_of_before_is_gone_on_with(tmp_path: Path) -> None:
    list(write_drawn(tmp_path, 1, SMALL, num_processes=1))
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["styles"] = plan.pop("domains")  # as it once was written
    (tmp_path / "plan.json").write_text(json.dumps({**plan, "num_triplets": 1}))
    list(write_drawn(tmp_path, 2, SMALL, num_processes=1))
    assert read_manifest(tmp_path / "manifest.json").settings["num_triplets"] == 2


def test_lines_are_whole_while_drawing_and_another_process_is_refused(tmp_path: Path) -> None:
    drawing = write_drawn(tmp_path, 3, SMALL, num_processes=1)
    assert [next(drawing), next(drawing)] == [0, 1]
    (line,) = (tmp_path / PARTIAL_NAME).read_text().splitlines()
    assert (tmp_path / json.loads(line)["dst"][0]["image"]).is_file()
    assert not (tmp_path / LINES_NAME).exists()
    with pytest.raises(OutputError, match="another process is drawing"):
        next(write_drawn(tmp_path, 3, SMALL, num_processes=1))
    drawing.close()
    assert list(write_drawn(tmp_path, 3, SMALL, num_processes=1)) == [1, 2, 3, 3]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    list(write_drawn(tmp_path / "drawn", 1, SMALL, num_processes=1))
    with pytest.raises(InputError, match="was begun with levels = None, not"):
        list(write_drawn(tmp_path / "drawn", 1, replace(SMALL, levels=MEAD_LEVELS)))
    whole = (tmp_path / "drawn" / "plan.json").read_bytes()
    for damaged in (
        b"[]",
        b"",
        b"{",
        b"[" * 9999,
        b'{"seed": NaN}',
        b'"\xff"',
        b'{"seed": "' + b"9" * 9999 + b'"}',
    ):
        (tmp_path / "drawn" / "plan.json").write_bytes(damaged)
        with pytest.raises(InputError, match=r"plan\.json|was begun with"):
            list(write_drawn(tmp_path / "drawn", 1, SMALL))
    (tmp_path / "drawn" / "plan.json").write_bytes(whole)
    with pytest.raises(OutputError, match="holds 'drawn' and no run"):
        list(write_drawn(tmp_path, 1, SMALL))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write to"):
        list(write_drawn(tmp_path / "file", 1, SMALL))
    with pytest.raises(InputError, match="0 triplets to draw"):
        list(write_drawn(tmp_path / "none", 0, SMALL))
