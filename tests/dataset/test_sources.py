"""Sources: folders, archives, drawn people, hub data sets, WebDataset; and what is wrong with some."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from pixelsmile.dataset.collect import Collect
from pixelsmile.dataset.config import CollectSettings
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.sources import items, listing
from pixelsmile.errors import InputError

SIDE_PX = 40


def picture(shade: int, form: str = "PNG", side_px: int = SIDE_PX) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side_px, side_px), (shade, shade, shade)).save(file, form)
    return file.getvalue()


def collected(folder: Path, **sources: object) -> list[Row]:
    settings = CollectSettings.model_validate({"min_side_px": SIDE_PX, **sources})
    found = list(items(settings))
    assert len(found) == listing(settings)[0]
    for start in range(len(found)):  # a build that goes on sees the same
        rest = list(items(settings, start))
        assert [item.key for item in rest] == [item.key for item in found[start:]]
        assert _bytes(rest[0]) == _bytes(found[start])
    return Collect(folder, SIDE_PX)(found)


def _bytes(item) -> bytes | str:
    try:
        return item.content.read()
    except InputError as error:
        return str(error)


def test_a_folder_with_everything_that_lies_in_folders(tmp_path):
    folder = tmp_path / "in"
    (folder / "anna").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "a.png").write_bytes(picture(10))
    (folder / "anna" / "b.jpg").write_bytes(picture(20, "JPEG"))
    (folder / "anna" / "same.png").write_bytes(picture(10))
    (folder / "small.png").write_bytes(picture(30, side_px=34))
    (folder / "none.jpg").write_text("no picture")
    (folder / "empty.webp").touch()
    (folder / "notes.txt").write_text("not even called like one")
    (folder / ".hidden" / "c.png").write_bytes(picture(40))
    (tmp_path / "secret.png").write_bytes(picture(50))
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    source = {"path": str(folder), "identity": "folder", "licence": "CC0", "origin": "us"}
    rows = {row.key: row for row in collected(tmp_path / "out", folders={"mine": source})}
    assert sorted(rows) == [
        "a.png",
        "anna/b.jpg",
        "anna/same.png",
        "empty.webp",
        "none.jpg",
        "out.png",
        "small.png",
    ]
    kept = rows["anna/b.jpg"]
    assert (kept.source, kept.identity, kept.licence, kept.origin) == ("mine", "anna", "CC0", "us")
    assert kept.picture == f"pictures/{kept.sha256[:2]}/{kept.sha256}.jpg"
    assert (tmp_path / "out" / kept.picture).read_bytes() == picture(20, "JPEG")
    assert (kept.width_px, kept.height_px, kept.reason) == (SIDE_PX, SIDE_PX, None)
    same = rows["anna/same.png"]
    assert (same.picture, same.id == rows["a.png"].id) == (rows["a.png"].picture, False)
    assert rows["small.png"].reason == "picture too small"
    assert (rows["small.png"].measured, rows["small.png"].limit) == (34, SIDE_PX)
    assert [rows[key].reason for key in ("none.jpg", "empty.webp", "out.png")] == ["unreadable"] * 3
    assert "lies outside" in rows["out.png"].detail
    assert len(list((tmp_path / "out").rglob("*.*"))) == 2


def test_archives_are_read_where_they_lie(tmp_path):
    members = {
        "x/one.png": picture(1),
        "two.jpg": picture(2, "JPEG"),
        "../three.png": picture(3),
        "read.me": b"no",
    }
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    for name, mode in (("a.tar", "w"), ("a.tgz", "w:gz")):
        with tarfile.open(tmp_path / name, mode) as archive:
            for member, data in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            link = tarfile.TarInfo("link.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    for name in ("a.zip", "a.tar", "a.tgz"):
        rows = collected(tmp_path / name[2:], archives={"packed": {"path": str(tmp_path / name)}})
        assert [row.key for row in rows] == ["x/one.png", "two.jpg", "../three.png"]
        assert [row.reason for row in rows] == [None] * 3
        written = {path.name for path in (tmp_path / name[2:]).rglob("*") if path.is_file()}
        assert written == {Path(row.picture).name for row in rows}
    assert not list(tmp_path.parent.glob("three.png"))


def test_a_zip_that_is_damaged_inside_costs_the_picture(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.png", picture(1))
        archive.writestr("bad.png", picture(2))
    data = (tmp_path / "a.zip").read_bytes()
    place = data.index(picture(2)) + 50
    (tmp_path / "a.zip").write_bytes(data[:place] + b"\0\0\0" + data[place + 3 :])
    good, bad = collected(tmp_path / "out", archives={"packed": {"path": str(tmp_path / "a.zip")}})
    assert (good.reason, bad.reason) == (None, "unreadable")
    assert "cannot be unpacked" in bad.detail


def test_drawn_people_come_with_their_truth(tmp_path):
    people = {"num_people": 2, "expressions": ["neutral", "happy"], "strength": 0.5, "size_px": SIDE_PX}
    rows = collected(tmp_path, drawn={"us": people | {"domain": "anime", "first_seed": 5}})
    assert [row.key for row in rows] == ["5-neutral", "5-happy", "6-neutral", "6-happy"]
    assert [(row.identity, row.identity_seed) for row in rows] == [("5", 5), ("5", 5), ("6", 6), ("6", 6)]
    assert [(row.expression, row.strength) for row in rows[:2]] == [("neutral", 0), ("happy", 0.5)]
    assert {(row.domain, row.is_drawn) for row in rows} == {("anime", True)}
    assert len({row.sha256 for row in rows}) == 4


def test_a_hub_data_set_by_its_local_copy(tmp_path):
    datasets = pytest.importorskip("datasets")
    columns = {
        "photo": [{"bytes": picture(1), "path": None}, {"bytes": b"none", "path": None}, None],
        "who": ["anna", "ben", None],
    }
    features = datasets.Features({"photo": datasets.Image(), "who": datasets.Value("string")})
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(tmp_path / "copy")
    source = {"path": str(tmp_path / "copy"), "image": "photo", "identity_column": "who"}
    rows = collected(tmp_path / "out", hub={"theirs": source})
    assert [(row.key, row.identity, row.reason) for row in rows] == [
        ("00000000", "anna", None),
        ("00000001", "ben", "unreadable"),
        ("00000002", None, "unreadable"),
    ]
    with pytest.raises(InputError, match="no column 'image': choose from photo, who"):
        listing(CollectSettings.model_validate({"hub": {"x": {"path": str(tmp_path / "copy")}}}))
    with pytest.raises(InputError, match="cannot be read"):
        listing(CollectSettings.model_validate({"hub": {"x": {"path": str(tmp_path / "nothing")}}}))


def test_webdataset_shards_with_what_they_say_of_a_sample(tmp_path):
    samples = [("a/0", {"identity": "p1", "licence": "CC-BY", "age": 7}), ("a/1", {}), ("b.x/2", None)]
    for number in range(2):
        with tarfile.open(tmp_path / f"{number}.tar", "w") as archive:
            for shade, (key, facts) in enumerate(samples):
                parts = {"png": picture(shade + 10 * number), "txt": b"words"}
                if facts is not None:
                    parts["json"] = json.dumps(facts).encode()
                for suffix, data in parts.items():
                    info = tarfile.TarInfo(f"{key}.{suffix}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    rows = collected(tmp_path / "out", webdatasets={"shards": {"path": str(tmp_path), "licence": "CC0"}})
    assert [row.key for row in rows[:3]] == ["0.tar/a/0.png", "0.tar/a/1.png", "0.tar/b.x/2.png"]
    assert [(row.identity, row.licence) for row in rows[3:]] == [
        ("p1", "CC-BY"),
        (None, "CC0"),
        (None, "CC0"),
    ]


@pytest.mark.parametrize(
    ("sources", "line"),
    [
        ({"folders": {"a": {"path": "nowhere"}}}, "there is no folder 'nowhere'"),
        ({"folders": {"a": {"path": "empty"}}}, "source a ('empty') holds no pictures"),
        ({"archives": {"a": {"path": "nowhere.zip"}}}, "there is no file 'nowhere.zip'"),
        ({"archives": {"a": {"path": "text.zip"}}}, "'text.zip' is no whole zip or tar file"),
        ({"webdatasets": {"a": {"path": "empty"}}}, "source a ('empty') holds no pictures"),
        ({"webdatasets": {"a": {"path": "nowhere"}}}, "there is no file or folder 'nowhere'"),
    ],
)
def test_sources_that_cannot_be_read_are_one_line(sources, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("text.zip").write_text("no archive")
    with pytest.raises(InputError) as refused:
        listing(CollectSettings.model_validate(sources))
    assert line in str(refused.value)


def test_a_cut_tar_is_one_line(tmp_path):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(picture(1))
        archive.addfile(info, io.BytesIO(picture(1)))
    data = (tmp_path / "a.tgz").read_bytes()
    (tmp_path / "a.tgz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="no whole zip or tar file"):
        listing(CollectSettings.model_validate({"archives": {"a": {"path": str(tmp_path / "a.tgz")}}}))
