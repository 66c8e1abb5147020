"""Exports: what others read is what the rows say, and no person is in two splits."""

import csv
import errno
import json
import os
import shutil
import tarfile
from collections import Counter, defaultdict
from pathlib import Path

import mlcroissant
import pytest
import yaml
from dataset.dataset_examples import contents
from dataset.export_examples import ASKED, NUM_KEPT, NUM_PEOPLE
from PIL import Image

from pixelsmile.benchmarks.catalogue import load_fed_benchmark, load_ffe_benchmark
from pixelsmile.dataset.collect import Collect
from pixelsmile.dataset.config import CollectSettings
from pixelsmile.dataset.export import FORMATS
from pixelsmile.dataset.export.export import Exported, ExportSettings, export
from pixelsmile.dataset.export.splits import People, Splits, parse_splits
from pixelsmile.dataset.export.table_columns import columns_of
from pixelsmile.dataset.export.triplets import target_scores
from pixelsmile.dataset.folder import last_finished
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.sources import items
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.errors import InputError, OutputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.hashing import sha256_bytes
from pixelsmile.store import publication
from pixelsmile.triplets.triplet import read_triplets

THIRDS = {"train": 0.5, "test": 0.5}
PEOPLE = sum(NUM_PEOPLE.values())


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def copy(people: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(people, tmp_path / "people"))


def exported(folder: Path, out: Path, form: str, *, force: bool = False, **settings) -> Exported:
    *_, last = export(folder, out, ExportSettings(form, **settings), force=force)
    assert last.exported is not None
    return last.exported


def rows_of(folder: Path) -> list[Row]:
    return list(last_finished(folder).all_rows())


# Splits.


def many(num: int, *, pictures: int = 1) -> People:
    found = People()
    for number in range(num):
        domain = "anime" if number % 4 == 0 else "human"
        for picture in range(pictures + number % 3):
            found.add(Row(id=f"{picture:016x}", source="s", key="k", domain=domain, person=f"p{number}"))
    return found


def test_splits_have_their_share_of_pictures_in_each_domain():
    found = many(400)
    splits = Splits(found, {"train": 0.8, "val": 0.1, "test": 0.1}, seed=3)
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for person, num in found.num_pictures.items():
        row = Row(id="0" * 16, source="s", key="k", domain=found.domains[person], person=person)
        counts[row.domain][splits[row]] += num
    for domain, by_split in counts.items():
        total = by_split.total()
        assert by_split["train"] == pytest.approx(0.8 * total, abs=3), domain
        assert by_split["val"] == pytest.approx(0.1 * total, abs=3), domain
    assert sum(splits.num_people(found).values()) == 400


def test_splits_depend_on_the_seed_alone():
    def test_people(seed: int, found: People) -> set[str]:
        splits = Splits(found, {"train": 0.5, "test": 0.5}, seed)
        row = Row(id="0" * 16, source="s", key="k", domain="human")
        return {p for p in found.num_pictures if splits[row.updated(person=p)] == "test"}

    found, backwards = many(40), People()
    for person in reversed(list(found.num_pictures)):
        backwards.num_pictures[person] = found.num_pictures[person]
        backwards.domains[person] = found.domains[person]
    assert test_people(1, found) == test_people(1, backwards) != test_people(2, found)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("train", "split 'train' is none"),
        ("train=.9,test=x", "split 'test=x' is none"),
        ("train=0.5,train=0.5", "named twice"),
        ("train=.9,test=.2", "come to 1.1, not to 1"),
        ("../x=1", "is none: write NAME=SHARE"),
        ("train=nan,test=1", "is none"),
    ],
)
def test_splits_that_are_none(text, line):
    with pytest.raises(InputError, match=line):
        parse_splits(text)


def test_splits_that_cannot_be(tmp_path):
    assert parse_splits("train=.9, test=.1") == {"train": 0.9, "test": 0.1}
    with pytest.raises(InputError, match="split test would have nobody of 3 people"):
        Splits(many(3), {"train": 0.95, "test": 0.05}, 0)
    nobody = People()
    nobody.add(Row(id="0" * 16, source="s", key="k", domain="human"))
    with pytest.raises(InputError, match="of 1 pictures nobody says whom they show"):
        Splits(nobody, {"train": 0.5, "test": 0.5}, 0)


# Tables.


def test_parquet_is_what_datasets_reads(people, tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    found = exported(people, tmp_path / "out", "parquet", splits=THIRDS, shard_bytes=100_000)
    assert sum(found.written.counts.values()) == found.num_rows == NUM_KEPT
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(loaded[split]) for split in loaded} == found.written.counts
    assert isinstance(loaded["train"].features["image"], datasets.Image)
    assert isinstance(loaded["train"].features["face_box"], datasets.List)
    wanted = {row.id: row for row in rows_of(people)}
    persons: dict[str, str] = {}
    for split in loaded:
        for record in loaded[split]:
            row = wanted.pop(record["id"])
            assert record["image"].size == (row.width_px, row.height_px)
            assert record["scores"] == dict(zip(EXPRESSIONS, row.scores, strict=True))
            for name in (
                "sha256",
                "licence",
                "origin",
                "editor",
                "judge",
                "base",
                "prompt",
                "person",
                "strength",
            ):
                assert record[name] == getattr(row, name), name
            assert persons.setdefault(row.person, split) == split
    assert wanted == {}
    assert not {"embedding", "picture", "reason"} & set(loaded["train"].features)
    names = sorted(path.name for path in (tmp_path / "out/data").iterdir())
    assert len(names) > 2
    num = sum(name.startswith("train") for name in names)
    assert f"train-00000-of-{num:05}.parquet" in names
    head = yaml.safe_load((tmp_path / "out/README.md").read_text().split("---\n")[1])
    assert head["license"] == "apache-2.0"
    assert [split["num_examples"] for split in head["dataset_info"]["splits"]] == [
        *found.written.counts.values()
    ]


def test_parquet_is_collected_again(people, tmp_path):
    pytest.importorskip("datasets")
    exported(people, tmp_path / "out", "parquet")
    source = {"path": str(tmp_path / "out"), "identity_column": "person", "licence_column": "licence"}
    settings = CollectSettings.model_validate({"hub": {"again": source}, "min_side_px": 64})
    found = Collect(tmp_path / "again", 64)(list(items(settings)))
    assert [(row.sha256, row.identity, row.licence) for row in found] == [
        (row.sha256, row.person, row.licence) for row in rows_of(people)
    ]


def test_webdataset_is_collected_again(people, tmp_path):
    found = exported(people, tmp_path / "out", "webdataset", shard_bytes=60_000)
    assert found.written.counts == {"train": NUM_KEPT}
    archives = sorted((tmp_path / "out").glob("train-*.tar"))
    assert len(archives) > 1
    with tarfile.open(archives[0]) as archive:
        first, second = archive.getnames()[:2]
    assert (first[-4:], second[-5:], first[:16]) == (".png", ".json", second[:16])
    source = {"path": str(tmp_path / "out"), "is_drawn": True}
    settings = CollectSettings.model_validate({"webdatasets": {"again": source}, "min_side_px": 64})
    again = Collect(tmp_path / "again", 64)(list(items(settings)))
    assert [(row.sha256, row.identity, row.licence, row.origin, row.expression) for row in again] == [
        (row.sha256, row.person, row.licence, row.origin, row.expression) for row in rows_of(people)
    ]


def test_every_field_of_a_row_is_a_column_or_not_published():
    columns = columns_of(Row.model_fields)
    missing = set(Row.model_fields) - set(columns)
    assert missing == {
        *("picture", "base_picture", "encoder", "embedding", "step", "reason", "measured", "limit", "detail")
    }
    assert (columns["is_drawn"], columns["landmarks"], columns["scores"]) == (
        "bool",
        "list<float64>",
        "scores",
    )


# Lines.


def test_triplets_are_what_training_reads(people, tmp_path):
    out = tmp_path / "out"
    found = exported(people, out, "triplets", splits=THIRDS)
    persons: dict[str, str] = {}
    num_people: Counter[str] = Counter()
    for split, count in found.written.counts.items():
        triplets = read_triplets(out / f"{split}.jsonl")
        assert len(triplets) == count
        for triplet in triplets:
            assert persons.setdefault(triplet.identity, split) == split
            assert triplet.source.face_box is not None
            for image in triplet.images:
                assert sha256_bytes(image.read_bytes()) == image.stem
        num_people[split] = len({triplet.identity for triplet in triplets})
    assert sum(num_people.values()) == PEOPLE
    with (out / "provenance.csv").open() as file:
        table = {line["picture"]: line for line in csv.DictReader(file)}
    pictures = {path.relative_to(out).as_posix() for path in (out / "pictures").rglob("*.png")}
    assert set(table) == pictures
    assert {line["licence"] for line in table.values()} == {"Apache-2.0"}
    assert {line["editor"] for line in table.values()} == {"", "truth"}


def test_rows_that_no_triplet_can_have_are_counted(copy, tmp_path):
    rewritten(copy, lambda row: row.updated(scores=None) if row.base is not None else row)
    with pytest.raises(
        InputError, match=r"no triplet comes of 30 rows: 24 pictures that no judge has scored"
    ):
        exported(copy, tmp_path / "out", "triplets")
    assert not (tmp_path / "out").exists()


def rewritten(folder: Path, change) -> None:
    """The data set with other kept rows in its last step."""
    step_folder = StepFolder(folder / "screen")
    manifest = step_folder.manifest()
    for shard in range(manifest.num_shards):
        rejected = step_folder.rows(shard, rejected=True)
        step_folder.write(shard, [*map(change, step_folder.rows(shard)), *rejected])
    (folder / "screen/manifest.json").unlink()
    step_folder.finish({}, manifest.inputs[0], [], manifest.num_shards)


def test_preferences(people, tmp_path):
    found = exported(people, tmp_path / "out", "preferences", splits=THIRDS)
    assert sum(found.written.counts.values()) == PEOPLE
    by_name = {
        row.picture: row for row in [*rows_of(people), *StepFolder(people / "screen").all_rows(rejected=True)]
    }
    for split in found.written.counts:
        for text in (tmp_path / f"out/{split}.jsonl").read_text().splitlines():
            line = json.loads(text)
            base, chosen, rejected = (by_name[line[role]] for role in ("base", "chosen", "rejected"))
            assert (base.base, chosen.base, rejected.base) == (None, base.id, base.id)
            assert chosen.expression == rejected.expression == line["expression"] == "fear"
            assert (rejected.reason, line["stage"], line["prompt"]) == (
                "too weak",
                "expression",
                chosen.prompt,
            )
            assert all((tmp_path / "out" / line[role]).is_file() for role in ("base", "chosen", "rejected"))
    shutil.copytree(people, tmp_path / "before")
    shutil.rmtree(tmp_path / "before/screen")
    with pytest.raises(InputError, match="identities is the last step"):
        exported(tmp_path / "before", tmp_path / "none", "preferences")


# Benchmarks.


def test_ffe_is_a_benchmark(people, tmp_path):
    found = exported(people, tmp_path / "out", "ffe")
    targets = {expression for expression, _ in ASKED}
    assert found.written.counts == {"test": PEOPLE * len(targets)}
    tasks = load_ffe_benchmark(str(tmp_path / "out/test")).tasks
    assert len(tasks) == PEOPLE * len(targets)
    bases = {row.sha256: row for row in rows_of(people) if row.base is None}
    for task in tasks:
        base = bases[task.picture.sha256()]
        assert (task.domain, task.face_box) == (base.domain, base.face_box)
        assert task.target in targets
    assert load_ffe_benchmark(str(tmp_path / "out/test"), domains=["anime"]).tasks[0].domain == "anime"


def test_ffe_asks_for_no_neutral_face(people, tmp_path):
    shutil.copytree(people, tmp_path / "set")
    rewritten(
        tmp_path / "set", lambda row: row.updated(expression=NEUTRAL) if row.expression == "fear" else row
    )
    found = exported(tmp_path / "set", tmp_path / "out", "ffe")
    assert found.written.counts == {"test": 2 * PEOPLE}
    assert found.written.left_out == {"edits to neutral, which FFE-Bench does not ask for": PEOPLE}
    assert len(load_ffe_benchmark(str(tmp_path / "out")).tasks) == 2 * PEOPLE


def test_a_benchmark_is_found_in_its_export(people, tmp_path):
    exported(people, tmp_path / "ffe", "ffe")
    inside = load_ffe_benchmark(str(tmp_path / "ffe/test"))
    assert load_ffe_benchmark(str(tmp_path / "ffe")).to_record() == inside.to_record()
    exported(people, tmp_path / "fed", "fed", splits={"a": 0.5, "b": 0.5})
    with pytest.raises(InputError, match=r"several benchmarks: name one of .*fed/a, .*fed/b"):
        load_fed_benchmark(str(tmp_path / "fed"))
    exported(people, tmp_path / "rows", "parquet")
    with pytest.raises(
        InputError, match=r"rows' is an export as 'parquet', no benchmark: pixelsmile dataset"
    ):
        load_fed_benchmark(str(tmp_path / "rows"))


def test_ffe_without_edits_asks_by_turns(people, tmp_path):
    shutil.copytree(people, tmp_path / "before")
    shutil.rmtree(tmp_path / "before/screen")
    exported(tmp_path / "before", tmp_path / "out", "ffe")
    tasks = load_ffe_benchmark(str(tmp_path / "out/test")).tasks
    humans = [task.target for task in tasks if task.domain == "human"]
    assert humans == list(EXPRESSIONS[: NUM_PEOPLE["human"]])


def test_fed_is_a_benchmark(people, tmp_path):
    found = exported(people, tmp_path / "out", "fed")
    assert found.written.counts == {"test": PEOPLE * 3}
    assert found.written.left_out == {"edits weaker than another of the same look": PEOPLE}
    tasks = load_fed_benchmark(str(tmp_path / "out/test"), granularities=["simple"]).tasks
    rows = {row.id: row for row in rows_of(people)}
    assert len(tasks) == PEOPLE * 3
    for task in tasks:
        truth = rows[task.triplet]
        assert (task.domain, task.target, task.prompt) == (truth.domain, truth.expression, truth.prompt)
        assert task.truth.sha256() == truth.sha256
        assert task.picture.sha256() == rows[truth.base].sha256


# What is around them.


def test_the_card_and_its_figures(people, tmp_path):
    out = tmp_path / "out"
    exported(people, out, "parquet", splits=THIRDS, name="me/faces")
    text = (out / "README.md").read_text()
    assert (
        "30 pictures (20 of people and 10 of anime characters) that show 6 people; 24 of them edits" in text
    )
    assert "| human | 20 | Apache-2.0 | drawn for a test |" in text
    assert "Edits made by truth (24)." in text
    assert "Scores by truth (30)." in text
    assert "| screen | 30 | too weak (6) |" in text
    assert 'load_dataset("me/faces")' in text
    for name in ("expressions", "strengths", "scores", "confusions"):
        assert f"(figures/{name}.svg)" in text
        svg = (out / f"figures/{name}.svg").read_text()
        assert svg.startswith("<svg")
        assert "NaN" not in svg
    bars = (out / "figures/expressions.svg").read_text()
    assert bars.count("20.0%") == 6  # a fifth are neutral, fear, surprised, in both domains
    assert bars.count("40.0%") == 2  # happy, at two strengths
    assert not (out / "figures/people.svg").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib", "ignore::DeprecationWarning:mlcroissant")
def test_croissant(people, tmp_path):
    out = tmp_path / "out"
    exported(people, out, "parquet", splits=THIRDS, name="me/faces")
    record = json.loads((out / "croissant.json").read_text())
    assert record["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert record["license"] == ["Apache-2.0"]
    assert record["url"] == "https://huggingface.co/datasets/me/faces"
    files = [entry for entry in record["distribution"] if entry["@type"] == "cr:FileObject"]
    assert [entry["@id"] for entry in files] == [
        "data/test-00000-of-00001.parquet",
        "data/train-00000-of-00001.parquet",
    ]
    for entry in files:
        assert sha256_bytes((out / entry["contentUrl"]).read_bytes()) == entry["sha256"]
    read = mlcroissant.Dataset(jsonld=out / "croissant.json")
    assert not read.metadata.ctx.issues.errors
    wanted = {row.id: row for row in rows_of(people)}
    for split in THIRDS:
        for record in read.records(split):
            row = wanted.pop(record[f"{split}/id"].decode())
            assert isinstance(record[f"{split}/image"], Image.Image)
            assert record[f"{split}/score_happy"] == row.scores[EXPRESSIONS.index("happy")]
    assert wanted == {}


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_rows_give_the_same_files(form, people, tmp_path):
    for name in ("one", "two"):
        exported(people, tmp_path / name / "out", form, seed=5)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_is_there_stays_but_for_force_and_an_export(people, tmp_path):
    out = tmp_path / "out"
    exported(people, out, "webdataset")
    with pytest.raises(OutputError, match="already there: replace with --force"):
        exported(people, out, "triplets")
    exported(people, out, "triplets", force=True)
    assert not list(out.glob("*.tar"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/a.txt").touch()
    for place in (tmp_path / "mine", people.parent):
        with pytest.raises(OutputError, match=r"no export, so it stays|lie in one another"):
            exported(people, place, "triplets", force=True)
    with pytest.raises(OutputError, match="lie in one another"):
        exported(people, people / "out", "triplets")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        exported(people, tmp_path / "file", "triplets", force=True)
    assert (tmp_path / "mine/a.txt").exists()


def test_a_changed_picture_and_a_full_disk_leave_nothing(copy, tmp_path, monkeypatch):
    out = tmp_path / "out"
    victim = copy / next(last_finished(copy).all_rows()).picture
    data = victim.read_bytes()
    victim.write_bytes(data[:-1])
    with pytest.raises(InputError, match="has changed since it was kept"):
        exported(copy, out, "parquet")
    victim.write_bytes(data)

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(publication, "_flush", full)
    with pytest.raises(OutputError, match=r"no space left on device\): free some space"):
        exported(copy, out, "parquet")
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people"]
    rewritten(copy, lambda row: row.rejected("screen", "too weak"))
    with pytest.raises(InputError, match="screen has left no row"):
        exported(copy, out, "parquet")


def test_instructions_are_lines_of_their_own(copy, tmp_path):
    """Both ways of saying it for each edit of a person, and one triplet of FED-Bench with both."""

    def instructed(row: Row) -> Row:
        words = {"dense": f"Pull it to {row.expression}.", "simple": f"Look {row.expression}."}
        return row if row.base is None else row.updated(**words)

    rewritten(copy, instructed)
    found = exported(copy, tmp_path / "out", "triplets", splits=THIRDS)
    assert found.written.counts["train-instructions"] + found.written.counts["test-instructions"] == 2 * 24
    rows = {row.sha256: row for row in rows_of(copy)}
    persons = defaultdict(set)
    for split in THIRDS:
        triplets = read_triplets(tmp_path / f"out/{split}-instructions.jsonl")
        for triplet in triplets:
            edit = rows[triplet.a.image.stem]
            assert triplet.instruction in (edit.dense, edit.simple)
            assert (triplet.b, triplet.identity, triplet.a.expression) == (None, edit.person, edit.expression)
            assert triplet.a.strength == edit.scores[EXPRESSIONS.index(edit.expression)]
            assert rows[triplet.source.image.stem].id == edit.base
            persons[split].add(triplet.identity)
    assert not persons["train"] & persons["test"]
    assert sum(map(len, persons.values())) == PEOPLE
    exported(copy, tmp_path / "fed", "fed")
    tasks = load_fed_benchmark(str(tmp_path / "fed/test")).tasks
    assert Counter(task.granularity for task in tasks) == {"dense": 18, "simple": 18}
    assert {task.prompt for task in tasks if task.granularity == "dense"} == {
        f"Pull it to {expression}." for expression in ("happy", "fear", "surprised")
    }


def test_who_is_shown_and_in_which_words(copy, tmp_path):
    def described(row: Row) -> Row:
        seen = {"gender": "female" if row.id < "8" else "unknown", "age_group": "young_adult"}
        return row.updated(appearance=f"A person with {row.domain} glasses.", action="The head.", **seen)

    rewritten(copy, described)
    exported(copy, tmp_path / "out", "webdataset")
    text = (tmp_path / "out/figures/people.svg").read_text()
    assert [text.count(words) for words in (">Gender</text>", ">young adult<", "100.0%")] == [1, 1, 2]
    assert text.index("female") < text.index("unknown")
    assert not (tmp_path / "out/figures/words.svg").exists()  # every description has the same ones
    rewritten(copy, lambda row: row.updated(appearance="A scarf.") if row.base is None else row)
    exported(copy, tmp_path / "more", "webdataset")
    words = (tmp_path / "more/figures/words.svg").read_text()
    assert [words.count(word) for word in (">scarf<", ">glasses<", ">head<", "20.0%", "80.0%")] == [
        2,
        2,
        0,
        2,
        4,
    ]


@pytest.mark.parametrize(("asked", "label"), [(None, 1.0), (0.25, 0.25), (1.5, 1.5)])
def test_an_edit_that_nobody_judged_is_labelled_with_the_strength_asked_for(asked, label):
    row = Row(id="0" * 16, source="s", key="k", domain="human", expression="happy", strength=asked)
    assert target_scores(row) == {"happy": label}
