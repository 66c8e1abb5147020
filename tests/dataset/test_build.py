"""Building: the same rows however it is done, what is not done over, and what is refused."""

import errno
import io
import json
import os
import shutil
from itertools import islice
from pathlib import Path

import pytest
from dataset.dataset_examples import FACES, SIZE_PX, contents, people
from PIL import Image

from pixelsmile.dataset import PRESETS, preset_path
from pixelsmile.dataset import build as build_module
from pixelsmile.dataset.build import build
from pixelsmile.dataset.config import BuildConfig
from pixelsmile.dataset.folder import step_folders, steps_of
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.sources import DrawnBytes
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.errors import InputError, OutputError
from pixelsmile.store import publication
from pixelsmile.store.configuration import read_configuration


def run(folder: Path, config: BuildConfig, **options) -> list[tuple[str, bool]]:
    """The steps that were done, and whether now."""
    events = list(build(folder, config, **options))
    return [(event.step, event.is_new) for event in events if event.manifest is not None]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset") / "people"
    run(folder, people())
    return folder


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "copy"))


def test_rows_counts_and_pictures(built):
    names = ["collect", "faces", "duplicates", "identities"]
    assert [stage.name for stage in step_folders(built)] == names
    rows = list(StepFolder(built / "identities").all_rows())
    assert [row.key for row in rows] == [f"{20_000_000 + number}-neutral" for number in range(5)]
    assert len({row.id for row in rows}) == len({row.person for row in rows}) == 5
    assert all((built / row.picture).is_file() for row in rows)
    for row in rows:
        assert row.num_faces == 1
        assert 40 < row.face_px < SIZE_PX
        assert row.yaw is None
        assert abs(row.roll) < 15
        assert len(row.phash) == 16
    manifest = StepFolder(built / "faces").manifest()
    assert manifest.counts == {"human": {"kept": 5}}
    assert (manifest.num_shards, manifest.num_kept, manifest.kind) == (3, 5, "dataset-faces")
    assert manifest.inputs[0].sha256 == StepFolder(built / "collect").manifest().digest
    assert manifest.settings["min_px"] == 40
    assert (
        "embedded-arcface"
        in json.loads((built / "faces/plan.json").read_text())["inputs"]["networks"]["drawn"]["encoders"]
    )


def test_the_same_command_does_nothing_and_touches_nothing(copy):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*.json*")}
    names = ("collect", "faces", "duplicates", "identities")
    assert run(copy, people()) == [(name, False) for name in names]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_stopped_anywhere_it_comes_to_the_same(built, tmp_path):
    """After each event, which comes with each shard and each step; and with half of a shard on disk."""
    folder = tmp_path / "stopped"
    for num in (1, 2, 3, 5, 6, 6, 7, 9):
        events = build(folder, people())
        for _ in islice(events, num):
            pass
        events.close()
        begun = step_folders(folder)[-1]
        if begun.manifest() is None and begun.has(1):
            (begun.path / "rejected-00001.jsonl").unlink()
    run(folder, people())
    assert contents(folder) == contents(built)


def test_pictures_are_collected_alike_by_two_processes(built, tmp_path):
    run(tmp_path / "two", people(), until="collect", num_workers=2)
    found = contents(tmp_path / "two")
    assert found == {name: data for name, data in contents(built).items() if name in found}
    assert "collect/manifest.json" in found


@pytest.mark.slow
def test_all_steps_are_done_alike_by_two_processes(built, tmp_path):
    run(tmp_path / "two", people(), num_workers=2)
    assert contents(tmp_path / "two") == contents(built)


def test_until_and_redo(copy):
    def identities() -> int:
        return (copy / "identities/manifest.json").stat().st_ino

    before = identities()
    assert run(copy, people(), until="faces", redo="duplicates") == [("collect", False), ("faces", False)]
    assert sorted(stage.name for stage in step_folders(copy)) == ["collect", "faces"]
    assert run(copy, people())[2:] == [("duplicates", True), ("identities", True)]
    assert identities() != before


def test_other_settings_need_a_word(copy):
    stricter = people(faces={"min_px": 58})
    before = contents(copy)
    with pytest.raises(
        InputError, match=r"faces.min_px = 40.0, not 58.0: --redo faces does it again"
    ) as refused:
        run(copy, stricter)
    assert len(str(refused.value)) < 300
    assert contents(copy) == before
    run(copy, stricter, redo="faces")
    counts = StepFolder(copy / "faces").manifest().counts["human"]
    assert 0 < counts["face too small"] < 5
    assert StepFolder(copy / "identities").manifest().num_kept == counts["kept"]
    rejected = next(StepFolder(copy / "faces").all_rows(rejected=True))
    assert (rejected.step, rejected.limit) == ("faces", 58)
    assert rejected.measured == rejected.face_px < 58


def test_a_step_that_was_made_from_other_rows_needs_a_word(copy):
    shutil.rmtree(copy / "faces")
    run(copy, people(faces={"min_px": 58}), until="faces")
    with pytest.raises(InputError, match=r"made from other rows .*: --redo duplicates does it again"):
        run(copy, people(faces={"min_px": 58}))


def test_decisions_of_a_person_are_an_input(copy):
    ids = [row.id for row in StepFolder(copy / "identities").all_rows()]
    file = copy.parent / "decisions.jsonl"
    lines = [{"id": ids[1], "keep": False}, {"id": ids[2], "keep": False}, {"id": ids[2], "keep": True}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = people(review={"decisions": str(file)})
    assert steps_of(config) == ("collect", "faces", "review", "duplicates", "identities")
    with pytest.raises(InputError, match="--redo duplicates"):
        run(copy, config)
    run(copy, config, redo="duplicates")
    assert [row.id for row in StepFolder(copy / "identities").all_rows()] == [ids[0], *ids[2:]]
    (dropped,) = StepFolder(copy / "review").all_rows(rejected=True)
    assert (dropped.id, dropped.reason) == (ids[1], "dropped by a person")
    file.write_text(json.dumps({"id": ids[0], "keep": False}) + "\n")
    with pytest.raises(InputError, match="made from other decisions"):
        run(copy, config)
    file.write_text(json.dumps({"id": "0" * 16, "keep": False}) + "\n")
    with pytest.raises(InputError, match="decides about no picture"):
        run(copy, config, redo="review")
    file.write_text(json.dumps({"id": "x", "keep": False}) + "\n")
    with pytest.raises(InputError, match="line 1: 'x' is no id"):
        run(copy, config, redo="review")
    file.unlink()
    with pytest.raises(InputError, match="there is no file"):
        run(copy, config)


def test_planted_faults_are_found(tmp_path):
    """Portraits that are blurred, dark, white, two in one, tilted, none; and the same twice."""
    folder = tmp_path / "in"
    folder.mkdir()
    good, other = (_portrait(seed) for seed in (1, 2))
    two = Image.new("RGB", (2 * SIZE_PX, SIZE_PX))
    two.paste(good)
    two.paste(other, (SIZE_PX, 0))
    grey = Image.new("RGB", good.size, (128, 128, 128))
    tiny = good.resize((SIZE_PX // 3, SIZE_PX // 3), Image.Resampling.LANCZOS)
    small = grey.copy()
    small.paste(tiny, (SIZE_PX // 3, SIZE_PX // 3))
    pictures = {
        "a-good": good,
        "b-again": good,
        "blurred": good.resize((20, 20)).resize(good.size, Image.Resampling.BICUBIC),
        "c-smaller": good.resize((100, 100), Image.Resampling.LANCZOS),
        "dark": good.point(lambda level: level // 12),
        "none": grey,
        "small": small,
        "tilted": good.rotate(20, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)),
        "two": two,
    }
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png")
    config = BuildConfig.model_validate(
        {
            "collect": {"folders": {"in": {"path": str(folder), "is_drawn": True}}, "min_side_px": 64},
            "faces": {"min_px": 35, "max_roll": 12},
        }
    )
    run(tmp_path / "out", config)
    found = {
        row.key[:-4]: row.reason
        for stage in step_folders(tmp_path / "out")
        for row in stage.all_rows(rejected=True)
    }
    assert found == {
        "b-again": "exact duplicate",
        "blurred": "blurred",
        "c-smaller": "near duplicate",
        "dark": found["dark"],
        "none": "no face",
        "small": "face too small",
        "tilted": "tilted",
        "two": "several faces",
    }
    assert found["dark"] in ("too dark", "no face")
    (kept,) = StepFolder(tmp_path / "out/identities").all_rows()
    assert kept.key == "a-good.png"


def _portrait(seed: int) -> Image.Image:
    return Image.open(io.BytesIO(DrawnBytes(seed, "neutral", 0.0, 0, "human", SIZE_PX).read()))


def test_a_bad_row_costs_itself_and_a_full_disk_everything(tmp_path, monkeypatch):
    def change(row: Row) -> Row:
        if row.key == "1":
            raise ZeroDivisionError("odd")
        if row.key == "2":
            raise OutputError("full")
        return row.updated(light=float("nan") if row.key == "3" else 0.5)

    each = build_module.EachRow("faces", change)
    rows = [Row(id=f"{n:016x}", source="s", key=str(n), domain="human") for n in (0, 1, 3)]
    found = each(rows)
    assert [row.reason for row in found] == [None, "failed", "failed"]
    assert found[1].detail == "ZeroDivisionError: odd"
    with pytest.raises(OutputError, match="full"):
        each([rows[0].updated(key="2")])


def test_a_full_disk_is_one_line_and_the_next_try_goes_on(tmp_path, monkeypatch, built):
    flushed, num = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal num
        num += 1
        if num > 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        flushed(handle)

    monkeypatch.setattr(publication.os, "fsync", full)
    with pytest.raises(OutputError, match="no space left on device"):
        run(tmp_path / "people", people())
    monkeypatch.undo()
    run(tmp_path / "people", people())
    assert contents(tmp_path / "people") == contents(built)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"until": "compose"},
            "this data set has no step 'compose': its steps are collect, faces, duplicates",
        ),
        ({"redo": "review"}, "this data set has no step 'review'"),
    ],
)
def test_unknown_steps(changes, line, tmp_path):
    with pytest.raises(InputError, match=line):
        run(tmp_path / "x", people(), **changes)
    assert not (tmp_path / "x").exists()


def test_near_duplicates_need_their_package(tmp_path, monkeypatch):
    monkeypatch.setattr(build_module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"\.\[data\]"):
        run(tmp_path / "x", people(duplicates={"max_distance": 2}))


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ({"collect": {"min_side_px": 64}}, "no source of pictures"),
        (
            {"collect": {"folders": {"a": {"path": "x"}}, "archives": {"a": {"path": "y"}}}},
            "two sources have one name",
        ),
        ({"collect": {"folders": {"a": {"path": "x", "domain": "anime"}}}}, "no network for it ships"),
        ({"collect": {"drawn": {"a": {"num_people": 1, "expressions": ["hapy"]}}}}, "hapy"),
        (
            {"collect": {"drawn": {"a": {"num_people": 1, "expressions": ["happy", "happy"]}}}},
            "each of expressions once",
        ),
        (
            {"collect": {"folders": {"a": {"path": "x"}}}, "annotate": {"judges": ["photo", "embedded"]}},
            "embedded knows portraits that pixelsmile draws, and no source has any: name auto",
        ),
        (
            {"collect": {"drawn": {"a": {"num_people": 1}}}, "annotate": {"judges": ["photo"]}},
            "photo knows photographs of people, and no source has any",
        ),
    ],
)
def test_configurations_that_make_no_sense(section, line):
    with pytest.raises(ValueError, match=line):
        BuildConfig.model_validate({"faces": FACES, **section})


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_read(name):
    changes = ["collect.folders.photographs.path=x"] if name.startswith("photograph") else []
    read_configuration(preset_path(name), BuildConfig, changes)
