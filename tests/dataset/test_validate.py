"""Faults that are planted in data sets and exports: each is found, and a whole one has none."""

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pixelsmile.dataset.export import FORMATS
from pixelsmile.dataset.export.export import ExportSettings, export
from pixelsmile.dataset.export.validate import faults
from pixelsmile.dataset.folder import PICTURES, last_finished
from pixelsmile.dataset.rows import Row
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_file


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


def found(folder: Path) -> list[str]:
    return [one.fault for one in faults(folder) if one.fault is not None]


@pytest.fixture
def copy(people: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(people, tmp_path / "people"))


@pytest.fixture
def out(people: Path, tmp_path: Path) -> Callable[[str], Path]:
    def made(form: str) -> Path:
        settings = ExportSettings(form, {"train": 0.5, "test": 0.5})
        for _ in export(people, tmp_path / form, settings):
            pass
        return tmp_path / form

    return made


def test_a_whole_data_set_has_none_and_all_of_it_is_looked_at(people):
    looked = list(faults(people))
    assert [one.fault for one in looked if one.fault] == []
    kinds = [one.what for one in looked]
    assert kinds.count("row") == 4 * 6 + 6 * 6  # of four steps, and of the screen kept and rejected ones
    assert kinds.count("picture") == len(list((people / PICTURES).rglob("*.png")))
    assert kinds.count("file") == 5 * 2 * 3  # in three shards of kept and of rejected rows


def change_row(folder: Path, **fields: object) -> Row:
    """Change the second kept row (an edit) of the last step, and nothing else."""
    path = folder / "screen/rows-00000.jsonl"
    first, second, *others = path.read_text().splitlines()
    record = json.loads(second)
    path.write_text("\n".join((first, json.dumps(record | fields), *others)) + "\n")
    return Row.model_validate_json(second)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"expression": "hapy"}, "it was asked for 'hapy', which is no expression"),
        ({"base_expression": "odd"}, "its base shows 'odd', which is no expression"),
        ({"picture": "pictures/00/none.png"}, "its picture pictures/00/none.png is not there"),
        ({"sha256": "0" * 64}, "its picture is called by another hash than its own"),
        ({"scores": [2.0] * 12}, "its score for angry is 2: scores go from 0 to 1"),
        ({"reason": "blurred"}, "a rejected row among kept ones"),
        ({"domain": "martian"}, "domain"),
        ({"strange": 1}, "strange"),
    ],
)
def test_a_row_that_is_wrong(fields, said, copy):
    row = change_row(copy, **fields)
    lines = found(copy)
    assert "screen/rows-00000.jsonl: it is not what its manifest says" in lines
    assert any(said in line for line in lines)
    if "strange" not in fields and "domain" not in fields:
        assert any(line.startswith(f"screen shard 0, row {row.id}: ") for line in lines)


def test_files_that_are_gone_or_changed(copy):
    picture = copy / next(last_finished(copy).all_rows()).picture
    picture.write_bytes(picture.read_bytes()[:-1])
    assert found(copy) == [f"{picture.relative_to(copy)}: its bytes are not its name's"]
    picture.unlink()
    assert all("is not there" in line for line in found(copy))
    assert len(found(copy)) == 5 + 5  # the base in every step; and of its five edits
    (copy / "faces/rejected-00002.jsonl").unlink()
    lines = found(copy)
    assert "faces/rejected-00002.jsonl: it is not there" in lines
    assert "faces: 2 shards are there of 3" in lines


def test_a_step_that_was_made_from_other_rows(copy):
    path = copy / "screen/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["inputs"][0]["sha256"] = "0" * 64
    manifest["counts"]["human"]["kept"] += 1
    path.write_text(json.dumps(manifest))
    assert found(copy) == [
        "screen: it was made from other rows than are there before it",
        "screen: its rows are not as many as its manifest says",
    ]
    path.write_text("{")
    assert found(copy)[0].startswith("screen: ")


def test_an_id_twice(copy):
    path = copy / "screen/rows-00001.jsonl"
    first = (copy / "screen/rows-00000.jsonl").read_text().splitlines()[0]
    path.write_text(first + "\n" + path.read_text())
    assert any("another row has its id" in line for line in found(copy))


@pytest.mark.parametrize("form", FORMATS)
def test_whole_exports_have_none(form, out):
    assert found(out(form)) == []


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_that_lacks_or_has_a_file(form, out):
    folder = out(form)
    (folder / "README.md").unlink()
    (folder / "more.txt").touch()
    assert found(folder) == ["README.md: it is not there", "more.txt: no manifest names it"]


def agree(folder: Path) -> None:
    """Let the manifest say what is there now."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for output in manifest["outputs"]:
        output["sha256"] = sha256_file(folder / output["path"])
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("form", "where", "name"),
    [
        ("triplets", "{}.jsonl", "test.jsonl"),
        ("preferences", "{}.jsonl", "test.jsonl"),
        ("ffe", "{}/metadata.jsonl", "test/metadata.jsonl"),
        ("fed", "{}/triplets.jsonl", "test/triplets.jsonl"),
    ],
)
def test_a_person_in_two_splits(form, where, name, out):
    folder = out(form)
    train, test = (folder / where.format(split) for split in ("train", "test"))
    line = train.read_text().splitlines()[0]
    test.write_text(test.read_text() + line + "\n")
    person = json.loads(line).get("person") or json.loads(line)["identity"]
    assert found(folder)[0] == f"{name}: it is not what its manifest says"
    agree(folder)
    lines = found(folder)
    assert lines[0].endswith(f"person {person!r} is in train too")
    assert all("is not there" in other for other in lines[1:])  # its pictures lie in the other split's folder


def test_a_person_in_two_splits_of_tables(out):
    folder = out("parquet")
    train, test = sorted((folder / "data").iterdir(), reverse=True)
    shutil.copy(train, test)
    agree(folder)
    lines = found(folder)
    assert lines
    assert all("is in train too" in line for line in lines)
    folder = out("webdataset")
    shutil.copy(folder / "train-00000.tar", folder / "test-00000.tar")
    agree(folder)
    assert all("is in train too" in line for line in found(folder))


def test_pictures_and_bases_in_tables(out, people):
    folder = out("webdataset")
    base = next(row for row in last_finished(people).all_rows())
    archive = next(path for path in folder.glob("*.tar") if f"{base.id}.png" in names(path))
    with tarfile.open(archive) as read:
        members = [(member, read.extractfile(member).read()) for member in read]
    with tarfile.open(archive, "w") as write:
        for member, data in members:
            if member.name == f"{base.id}.png":
                write.addfile(member, io.BytesIO(data[::-1]))
            elif member.name != f"{base.id}.json":
                write.addfile(member, io.BytesIO(data))
    agree(folder)
    lines = found(folder)
    assert any(f"its base {base.id} is not in its split" in line for line in lines)
    archive.write_bytes(archive.read_bytes()[:700])
    agree(folder)
    assert any("cannot be read" in line or archive.name in line for line in found(folder))
    folder = out("parquet")
    for path in (folder / "data").iterdir():
        path.write_bytes(b"PAR1 no table")
    agree(folder)
    assert [line.partition(" (")[0] for line in found(folder)] == [
        "train-00000-of-00001.parquet: it cannot be read",
        "test-00000-of-00001.parquet: it cannot be read",
    ]


def names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def test_what_is_neither(tmp_path):
    with pytest.raises(InputError, match="is no data set, and no export of one"):
        found(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match=r"manifest\.json"):
        found(tmp_path)
