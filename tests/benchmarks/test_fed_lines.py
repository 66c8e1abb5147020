"""Triplets of one's own: what loads, what is said otherwise, and what lacks an instruction."""

import json
import logging
from contextlib import suppress

import pytest
from benchmark_examples import picture, triplet_names, truth
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.benchmarks.catalogue import load_fed_benchmark
from pixelsmile.benchmarks.fed.triplets import FedTriplet, fed_benchmark, parse_class
from pixelsmile.editors.editor import PictureFile
from pixelsmile.errors import InputError
from pixelsmile.expressions import FED_BENCH_CLASSES
from pixelsmile.results import portrait_png

SIZE = (120, 100)
ROW = {"source": "a.png", "truth": "gt/a.png", "class": "happy", "dense": "Smile widely.", "simple": "Smile"}


def save(path, shade=0, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade % 256, 80, 120)).save(path)


def write_triplets(folder, rows=(ROW,)):
    save(folder / "a.png", 1)
    save(folder / "gt" / "a.png", 2)
    path = folder / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def refusal(name_or_path, **wanted):
    with pytest.raises(InputError) as caught:
        load_fed_benchmark(str(name_or_path), **wanted)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_lines(tmp_path):
    other = {"source": str(tmp_path / "a.png"), "truth": "gt/a.png", "class": "Surprise", "simple": "Gasp"}
    box = [10, 20, 90.5, 95]
    rows = [ROW, {**other, "name": "lady", "domain": "anime", "face_box": box}]
    benchmark = load_fed_benchmark(write_triplets(tmp_path, rows))
    asked = [(task.source, task.target, task.domain, task.prompt, task.face_box) for task in benchmark.tasks]
    assert asked == [
        ("gt-a-dense", "happy", "human", "Smile widely.", None),
        ("gt-a-simple", "happy", "human", "Smile", None),
        ("lady-simple", "surprised", "anime", "Gasp", (10, 20, 90.5, 95)),
    ]
    assert [(task.triplet, task.granularity) for task in benchmark.tasks] == [
        *(("gt-a", "dense"), ("gt-a", "simple"), ("lady", "simple")),
    ]
    assert [(task.source, task.prompt) for task in benchmark.unasked] == [("lady-dense", "")]
    assert [task.sample for task in benchmark.tasks] == ["gt-a", "gt-a", "lady"]
    assert picture(benchmark, "lady-simple").getpixel((0, 0)) == (1, 80, 120)
    assert truth(benchmark, "lady-simple").getpixel((0, 0)) == (2, 80, 120)
    record = benchmark.to_record()
    assert (record["name"], record["origin"]) == ("mine", "mine.jsonl")
    assert (record["num_triplets"], record["num_tasks"]) == (2, 3)
    assert record["without_instruction"] == {"dense": ["lady"], "simple": []}
    again = load_fed_benchmark(str(tmp_path / "mine.jsonl"))
    assert again.to_record() == record
    save(tmp_path / "gt" / "a.png", 3)
    assert again.to_record()["sha256"] != record["sha256"]
    dense = load_fed_benchmark(str(tmp_path / "mine.jsonl"), granularities=["dense"])
    assert [task.source for task in dense.tasks] == ["gt-a-dense"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class": None}, "line 2: class is None: input should be a valid string"),
        ({"class": "suprise"}, "unknown expression 'suprise': did you mean surprised"),
        ({"class": "shy"}, "class 'shy' is none of FED-Bench's: use one of happy, neutral, sad"),
        ({"clas": "happy"}, "unknown key clas: did you mean 'class'?"),
        ({"zzz": 1}, "unknown key zzz: known here are source"),
        ({"source": "none.png"}, "source: there is no file"),
        ({"truth": "a" * 5000}, "truth: there is no file"),
        ({"dense": 3}, "dense is 3: input should be a valid string"),
        ({"name": "a/b"}, "triplet 'a/b' cannot name a file: use up to 90 letters"),
        ({"name": "n" * 91}, "use up to 90 letters"),
        ({"domain": "cat"}, "domain is 'cat': input should be 'human' or 'anime'"),
        ({"face_box": [1, 2, 3]}, "face_box is [1, 2, 3]: it needs more values"),
        ({"face_box": [200, 10, 280, 90]}, "is not in its picture of 120 x 100"),
        ({"truth": "bad.png"}, "is damaged, or no picture"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path, change, said):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    message = refusal(write_triplets(tmp_path, [ROW, {**ROW, "name": "b", **change}]))
    assert said in message


def test_missing_keys_and_broken_lines(tmp_path):
    path = tmp_path / "mine.jsonl"
    write_triplets(tmp_path, [{"source": "a.png", "class": "sad"}])
    assert "line 1: truth is missing: add it" in refusal(path)
    path.write_text('{"source": ')
    assert "line 1: it is no valid JSON" in refusal(path)
    path.write_text("\n \n")
    assert 'holds no triplet: write lines like {"source": "a.png"' in refusal(path)
    write_triplets(tmp_path, [ROW, ROW])
    assert "two triplets are called 'gt-a'" in refusal(path)
    write_triplets(tmp_path, [{"source": "a.png", "truth": "a.png", "class": "sad", "simple": " "}])
    assert "no triplet of 'mine.jsonl' has an instruction that is dense or simple" in refusal(path)


def test_no_benchmark(tmp_path):
    download = "`hf download hiixfj/FED-Bench --repo-type dataset --local-dir FED-Bench`"
    assert download in refusal("FED-Bench-not-here")
    assert download in refusal("x" * 5000)
    (tmp_path / "truths.parquet").write_bytes(b"PAR1")
    assert download in refusal(tmp_path / "truths.parquet")
    lines = write_triplets(tmp_path)
    for name in (lines, "embedded"):
        assert "sources are for the folder of hiixfj/FED-Bench" in refusal(name, sources=tmp_path)


def test_other_sizes_are_told(tmp_path, caplog):
    path = write_triplets(tmp_path, [{**ROW, "dense": None}])
    save(tmp_path / "gt" / "a.png", size=(60, 50))
    with caplog.at_level(logging.WARNING):
        benchmark = load_fed_benchmark(path)
    assert "1 of 1 triplets have a source and a ground truth of different size" in caplog.text
    assert "gt-a 120 x 100 and 60 x 50" in caplog.text
    assert "1 of 1 triplets have no dense instruction" in caplog.text
    assert truth(benchmark, "gt-a-simple").size == (60, 50)


def test_a_part_is_balanced(tmp_path):
    classes = [*FED_BENCH_CLASSES] * 3
    rows = [{**ROW, "name": f"t{place}", "class": name} for place, name in enumerate(sorted(classes))]
    path = write_triplets(tmp_path, rows)
    part = load_fed_benchmark(path, num_samples=7)
    assert {task.target for task in part.tasks} == set(FED_BENCH_CLASSES.values())
    assert "22 triplets of a benchmark that has 21 human" in refusal(path, num_samples=22)
    assert "all anime triplets of a benchmark that has 21 human" in refusal(path, domains=["anime"])


def test_the_embedded_one_by_name():
    assert load_fed_benchmark("embedded", num_samples=2).to_record()["name"] == "drawn-fed-1"


@pytest.mark.parametrize(("published", "ours"), FED_BENCH_CLASSES.items())
def test_published_classes(published, ours):
    assert parse_class(published.upper()) == ours


def test_triplets_are_checked():
    nowhere = PictureFile("nowhere.png")
    with pytest.raises(InputError, match="triplet 'a' has class 'surprise': use one of happy"):
        FedTriplet("a", "surprise", "human", "d", "s", nowhere, nowhere)
    triplet = FedTriplet("a", "happy", "human", None, "s", nowhere, nowhere)
    assert (triplet.task("dense").prompt, triplet.task("simple").source) == ("", "a-simple")
    benchmark = fed_benchmark("n", "o", [triplet])
    assert [task.source for task in benchmark.tasks] == ["a-simple"]
    assert [task.source for task in benchmark.unasked] == ["a-dense"]


KEYS = ("source", "truth", "class", "dense", "simple", "name", "domain", "face_box", "other")
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["a.png", "gt/a.png", "happy", "human"])
    | st.lists(st.integers(0, 130), max_size=5)
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES) | VALUES, min_size=1, max_size=3))
def test_any_lines_are_triplets_or_a_refusal(tmp_path_factory, rows):
    path = write_triplets(tmp_path_factory.mktemp("lines"), rows)
    with suppress(InputError):
        assert len(triplet_names(load_fed_benchmark(path))) == len(rows)
        return
    refusal(path)  # in one line


def test_a_drawn_portrait_is_of_its_own_style(tmp_path):
    path = write_triplets(tmp_path)
    (tmp_path / "gt/a.png").write_bytes(portrait_png(Image.new("RGB", SIZE), {"style": "anime"}))
    assert "gt/a.png' is a drawn anime portrait, not human: its domain is anime" in refusal(path)
