"""FFE-Bench from a folder, and benchmarks of one's own pictures: what loads, and what is said otherwise."""

import io
import json
import logging
import sys
from collections import Counter
from contextlib import suppress
from pathlib import PurePosixPath

import pytest
from benchmark_examples import picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.benchmarks import rows as parquet_rows
from pixelsmile.benchmarks.benchmark import balanced_part, source_name
from pixelsmile.benchmarks.catalogue import load_ffe_benchmark
from pixelsmile.benchmarks.ffe.hub import ALIASES, DOWNLOAD
from pixelsmile.editors.editor import check_name
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, JUDGE_LABELS, target_prompt
from pixelsmile.results import portrait_png

SIZE = (120, 100)
BOX = [10, 20, 90.5, 95]


def save(path, shade=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE, (shade % 256, 80, 120)).save(path)


def png(shade=0):
    file = io.BytesIO()
    Image.new("RGB", SIZE, (shade, 80, 120)).save(file, "PNG")
    return file.getvalue()


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def refusal(name_or_path, **wanted):
    with pytest.raises(InputError) as caught:
        load_ffe_benchmark(str(name_or_path), **wanted)
    message = str(caught.value)
    assert "\n" not in message
    return message


# JSON lines


def test_lines(tmp_path):
    save(tmp_path / "faces" / "a.png", 1)
    save(tmp_path / "b.png", 2)
    rows = [
        {"image": "faces/a.png", "category": "Smile"},
        {"image": "faces/a.png", "category": "fear", "face_box": BOX},
        {
            "image": str(tmp_path / "b.png"),
            "category": "sad",
            "domain": "anime",
            "id": "lady",
            "prompt": "Weep",
        },
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)))  # the last line has no end
    benchmark = load_ffe_benchmark(str(path))
    asked = [(task.source, task.target, task.domain, task.prompt, task.face_box) for task in benchmark.tasks]
    assert asked == [
        ("faces-a", "happy", "human", target_prompt("happy"), None),
        ("faces-a", "fear", "human", target_prompt("fear"), (10, 20, 90.5, 95)),
        ("lady", "sad", "anime", "Weep", None),
    ]
    assert picture(benchmark, "lady").getpixel((0, 0)) == (2, 80, 120)
    record = benchmark.to_record()
    assert (record["name"], record["origin"], record["num_tasks"]) == ("mine", "mine.jsonl", 3)
    assert load_ffe_benchmark(str(path)).to_record() == record
    save(tmp_path / "b.png", 3)
    assert load_ffe_benchmark(str(path)).to_record()["sha256"] != record["sha256"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"category": "happy"}, "image is missing: add it"),
        ({"image": "a.png", "category": "hapy"}, "unknown expression 'hapy': did you mean happy or sad?"),
        ({"image": "a.png", "category": "neutral"}, "category 'neutral' is no target"),
        (
            {"image": "a.png", "category": "happy", "strength": 1},
            "unknown key strength: known here are",
        ),
        ({"image": "none.png", "category": "happy"}, "there is no file"),
        ({"image": "a.png", "category": "happy", "id": "a/b"}, "source 'a/b' cannot name a file"),
        (
            {"image": "a.png", "category": "happy", "domain": "cat"},
            "domain is 'cat': input should be 'human' or 'anime'",
        ),
        (
            {"image": "a.png", "category": "happy", "face_box": [1, 2, 3]},
            "face_box is [1, 2, 3]: it needs more values",
        ),
        (
            {"image": "a.png", "category": "happy", "face_box": [200, 10, 280, 90]},
            "is not in its picture of 120 x 100",
        ),
        ({"image": "a.png", "category": "happy", "face_box": [0.1, 0.1, 0.9, 0.9]}, "x1, y1 in pixels"),
        ({"image": "a.png", "category": "happy", "face_box": [90, 20, 10, 95]}, "is not in its picture"),
        (
            {"image": "a.png", "category": "happy", "face_box": [10, 20, float("inf"), 90]},
            "is no JSON",
        ),
        (
            {"image": "a.png", "category": "happy", "face_box": [10, float("nan"), 90, 90]},
            "is no JSON",
        ),
        ({"image": "bad.png", "category": "happy"}, "is damaged, or no picture"),
        ({"image": "a" * 5000, "category": "happy"}, "there is no file"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path, row, said):
    save(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    path = write_lines(tmp_path / "mine.jsonl", [{"image": "a.png", "category": "sad"}, row])
    message = refusal(path)
    assert said in message


def test_a_drawn_portrait_is_of_its_own_style(tmp_path):
    path = write_lines(tmp_path / "mine.jsonl", [{"image": "face.png", "category": "sad"}])
    (tmp_path / "face.png").write_bytes(portrait_png(Image.new("RGB", SIZE), {"style": "anime"}))
    assert "face.png' is a drawn anime portrait, not human: its domain is anime" in refusal(path)


def test_many_problems_make_one_line(tmp_path):
    path = write_lines(tmp_path / "mine.jsonl", [{"image": f"{i}.png", "category": "sad"} for i in range(9)])
    message = refusal(path)
    assert f"{str(path)!r}, line 1: there is no file" in message
    assert message.endswith("; 9 lines are wrong in all")


def test_names_and_tasks_occur_once(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "a.jpg")
    path = tmp_path / "mine.jsonl"
    write_lines(path, [{"image": "a.png", "category": "sad"}, {"image": "a.jpg", "category": "happy"}])
    assert "two pictures are called 'a'" in refusal(path)
    write_lines(path, [{"image": "a.png", "category": "sad"}, {"image": "a.png", "category": "Sadness"}])
    assert "a/sad is asked for 2 times" in refusal(path)


def test_no_benchmark(tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n \n")
    assert "holds no task" in refusal(empty)
    assert DOWNLOAD in refusal("FFE-Bench-not-here")
    assert DOWNLOAD in refusal("x" * 5000)
    (tmp_path / "folder").mkdir()
    assert DOWNLOAD in refusal(tmp_path / "folder")
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(b"\xff\xfe\x00{")
    assert "is no UTF-8 text (byte 0 is 0xff)" in refusal(binary)


def test_boxes_may_stick_out_a_little(tmp_path):
    save(tmp_path / "a.png")
    row = {"image": "a.png", "category": "sad", "face_box": [-5, 20, 90, 101]}
    benchmark = load_ffe_benchmark(write_lines(tmp_path / "mine.jsonl", [row]))
    assert benchmark.tasks[0].face_box == (0, 20, 90, 100)


# The hub's folder


def published(folder, per_domain=6):
    """A folder as it might be on the hub: a file of metadata beside the pictures of each domain."""
    labels = list(JUDGE_LABELS)
    for domain in ("human", "anime"):
        rows = []
        for place in range(per_domain):
            save(folder / domain / "images" / f"{place:04}.png", place + 100 * (domain == "anime"))
            row = {"file_name": f"images/{place:04}.png", "boxes": BOX, "category": labels[place % 12]}
            rows.append({**row, "prompt": f"prompt {place}"})
        write_lines(folder / domain / "metadata.jsonl", rows)
    return folder


def test_hub_folder(tmp_path):
    benchmark = load_ffe_benchmark(str(published(tmp_path / "FFE-Bench")))
    assert Counter(task.domain for task in benchmark.tasks) == {"human": 6, "anime": 6}
    first = next(task for task in benchmark.tasks if task.domain == "human")
    assert (first.key, first.prompt, first.face_box) == (
        "human-images-0000/angry",
        "prompt 0",
        (10, 20, 90.5, 95),
    )
    assert picture(benchmark, "anime-images-0005").getpixel((0, 0))[0] == 105
    record = benchmark.to_record()
    assert (record["name"], record["origin"], record["num_tasks"]) == ("ffe-bench", "FFE-Bench", 12)


LAYOUTS = {
    "list": lambda rows: [(f"{d}.json", [r for r in rows if r["domain"] == d]) for d in ("human", "anime")],
    "object": lambda rows: [("bench.json", {"version": "1.0", "data": rows, "note": []})],
    "one each": lambda rows: [(f"{r['domain']}/{r['n']}.json", r) for r in rows],
    "nested": lambda rows: [
        (
            "all.json",
            [
                {
                    "src": {"image": r["image"], "boxes": [r["box"]]},
                    "Target Expression": r["category"],
                    "domain": "real",
                }
                if r["domain"] == "human"
                else {
                    "src": {"image": r["image"], "boxes": r["box"]},
                    "label": r["category"],
                    "subset": "Anime",
                }
                for r in rows
            ],
        )
    ],
    "absolute": lambda rows: [
        ("all.json", [{**r, "image": f"/data/someone/ffe/{r['image']}"} for r in rows])
    ],
    "backslashes": lambda rows: [("all.json", [{**r, "image": r["image"].replace("/", "\\")} for r in rows])],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    rows = []
    for n in range(8):
        domain = ("human", "anime")[n % 2]
        image = f"{domain}/{n}.png"
        save(tmp_path / image, n)
        rows.append({"n": n, "image": image, "box": BOX, "category": EXPRESSIONS[n], "domain": domain})
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "download.json").write_text("[1, 2]")
    (tmp_path / "dataset_infos.json").write_text('{"default": {"splits": {"train": 8}}}')
    for name, content in LAYOUTS[layout](rows):
        (tmp_path / name).write_text(json.dumps(content))
    tasks = load_ffe_benchmark(str(tmp_path)).tasks
    assert {(task.source, task.target, task.domain, task.face_box) for task in tasks} == {
        (f"{row['domain']}-{row['n']}", row["category"], row["domain"], tuple(BOX)) for row in rows
    }


def test_every_alias_is_of_one_field():
    counts = Counter(alias for aliases in ALIASES.values() for alias in aliases)
    assert set(counts.values()) == {1}


def test_missing_keys_are_named(tmp_path):
    save(tmp_path / "human" / "a.png")
    write_lines(tmp_path / "human" / "metadata.jsonl", [{"file_name": "a.png", "mood": "happy"}] * 2)
    message = refusal(tmp_path)
    assert "has a key for the category (one of category, target_category" in message
    assert "only file_name, mood: rename one" in message
    assert DOWNLOAD in message


def test_missing_pictures_are_named(tmp_path):
    folder = published(tmp_path / "FFE-Bench")
    for place in range(6):
        (folder / "anime" / "images" / f"{place:04}.png").unlink()
    message = refusal(folder)
    assert message.startswith("6 of 12 rows in")
    assert "anime/metadata.jsonl row 1: there is no picture 'images/0000.png'" in message
    assert DOWNLOAD in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"category": None}, "no category"),
        ({"category": 3}, "unknown expression '3'"),
        ({"boxes": [BOX, BOX]}, "2 face boxes"),
        ({"boxes": [1, 2, 3]}, "is not x0, y0, x1, y1"),
        ({"boxes": "10,20,90,95"}, "is not x0, y0, x1, y1"),
        ({"boxes": [1, 2, 3, "4"]}, "holds something else than pixels"),
        ({"boxes": [1, 2, 3, float("inf")]}, "Infinity is no JSON"),
        ({"file_name": "../secret.png"}, "there is no picture '../secret.png'"),
        ({"boxes": [1, 2, 10**400, 9]}, "holds something else than pixels"),
        ({"file_name": 7}, "image 7 is no path"),
        ({"file_name": "a" * 5000}, "image 'aaa"),
        ({"domain": "sculpture"}, "domain 'sculpture': not clear whether human or anime"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, change, said):
    save(tmp_path / "secret.png")
    save(tmp_path / "bench" / "human" / "a.png")
    row = {"file_name": "a.png", "boxes": BOX, "category": "happy"}
    write_lines(tmp_path / "bench" / "human" / "metadata.jsonl", [row, {**row, "category": "sad", **change}])
    message = refusal(tmp_path / "bench")
    assert message.startswith("1 of 2 ") or "metadata.jsonl', line 2: " in message
    assert said in message


def test_domain_must_be_told(tmp_path):
    save(tmp_path / "bench" / "a.png")
    write_lines(tmp_path / "bench" / "all.jsonl", [{"image": "a.png", "category": "happy"}] * 2)
    assert "no domain, and picture 'a.png': not clear whether human or anime" in refusal(tmp_path / "bench")


def test_what_is_left_out_is_logged(tmp_path, caplog):
    save(tmp_path / "human" / "a.png")
    write_lines(tmp_path / "human" / "metadata.jsonl", [{"image": "a.png", "category": "happy", "boxes": []}])
    with caplog.at_level(logging.WARNING):
        (task,) = load_ffe_benchmark(str(tmp_path)).tasks
    assert task.face_box is None
    assert task.prompt == target_prompt("happy", "human")
    assert "1 of 1 samples have no prompt" in caplog.text
    assert "1 of 1 samples have no face_box" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{", "line 1: it is no valid JSON"),
        ('{"image": "a.png"}\n[1]\n', "export it again"),
        ("\xff", "no UTF-8 text"),
    ],
)
def test_damaged_metadata(tmp_path, text, said):
    (tmp_path / "metadata.jsonl").write_text(text, encoding="latin-1")
    assert said in refusal(tmp_path)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("happy"),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from([a for names in ALIASES.values() for a in names]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_refused_in_one_line(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("human")
    save(folder / "a.png")
    (folder / "metadata.json").write_text(json.dumps(content))
    refusal(folder)  # nothing of it names a picture


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    names = list(JUDGE_LABELS)
    features = {"image": {"_type": "Image"}, "category": {"names": names, "_type": "ClassLabel"}}
    table = pyarrow.table(
        {
            "image": [{"bytes": png(shade), "path": f"{shade}.png" if shade else None} for shade in range(3)],
            "category": [3, 4, 5],
            "bbox": [[1.0, 2.0, 60.0, 70.0]] * 3,
            "prompt": ["p"] * 3,
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (tmp_path / "data").mkdir()
    parquet.write_table(table, tmp_path / "data" / "anime-00000-of-00001.parquet")
    benchmark = load_ffe_benchmark(str(tmp_path))
    assert [(task.source, task.target) for task in benchmark.tasks] == [
        ("anime-00000-of-00001-0001", JUDGE_LABELS[names[3]]),
        ("anime-1", JUDGE_LABELS[names[4]]),
        ("anime-2", JUDGE_LABELS[names[5]]),
    ]
    assert picture(benchmark, "anime-2").getpixel((0, 0)) == (2, 80, 120)
    assert benchmark.to_record() == load_ffe_benchmark(str(tmp_path)).to_record()
    (tmp_path / "data" / "broken.parquet").write_bytes(b"PAR1 no")
    assert "download it again" in refusal(tmp_path)


def test_parquet_without_its_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    assert 'pip install -c constraints.txt -e ".[bench]"' in refusal(tmp_path)


# A part of a benchmark


def test_a_part_is_balanced(tmp_path):
    folder = published(tmp_path / "FFE-Bench", per_domain=24)
    tasks = load_ffe_benchmark(str(folder), num_samples=24).tasks
    assert Counter((task.domain, task.target) for task in tasks) == {
        (domain, target): 1 for domain in ("human", "anime") for target in EXPRESSIONS
    }
    fewer = load_ffe_benchmark(str(folder), num_samples=7).tasks
    assert set(fewer) < set(tasks)
    assert Counter(task.domain for task in fewer).most_common()[0][1] == 4
    anime = load_ffe_benchmark(str(folder), domains=["anime"]).tasks
    assert {task.domain for task in anime} == {"anime"}
    assert "49 tasks of a benchmark that has 24 anime and 24 human" in refusal(folder, num_samples=49)
    assert "0 tasks of a benchmark" in refusal(folder, num_samples=0)
    only = write_lines(
        tmp_path / "one.jsonl", [{"image": str(folder / "human/images/0000.png"), "category": "sad"}]
    )
    assert "all anime tasks of a benchmark that has 1 human" in refusal(only, domains=["anime"])


@given(
    st.lists(st.tuples(st.sampled_from(["human", "anime"]), st.sampled_from(EXPRESSIONS[:4])), min_size=1),
    st.data(),
)
def test_parts_keep_the_order_and_nest(kinds, data):
    numbered = list(enumerate(kinds))

    def part(num):
        return balanced_part(numbered, lambda item: item[1], num, None, "tasks")

    num = data.draw(st.integers(1, len(numbered)))
    chosen = part(num)
    assert len(chosen) == num
    assert [item for item in numbered if item in chosen] == list(chosen)
    assert set(part(max(1, num - 1))) <= set(chosen)
    left_out = Counter(kind for item in numbered if item not in chosen for kind in item[1:])
    counts = Counter(kind for _, kind in chosen)
    for kind in left_out:
        assert all(counts[kind] >= count - 1 for count in counts.values())


@given(
    st.text(min_size=1, max_size=150) | st.sampled_from(["..", "/", ".", "../a.png", "/x/a.b.png", ".png"])
)
def test_any_path_gives_a_name_or_an_error(text):
    name = source_name(PurePosixPath(text.replace("\0", "x") or "x"))
    if name:
        check_name(name, "source")


def parquet_file(path, columns, **options):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    schema = options.pop("metadata", None)
    table = pyarrow.table(columns)
    parquet.write_table(table.replace_schema_metadata(schema) if schema else table, path, **options)


def test_parquet_that_unpacks_to_far_more_than_it_is(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    one = pyarrow.array(["x" * 1_000_000])
    repeated = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 300_000, pyarrow.int32()), one)
    parquet_file(tmp_path / "a.parquet", {"image": repeated})
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    assert "unpacks to more than 268,435,456 bytes of text" in refusal(tmp_path)
    parquet_file(tmp_path / "a.parquet", {"image": pyarrow.nulls(1_000_001)})
    assert "would unpack to 1000001 rows" in refusal(tmp_path)
    monkeypatch.setattr(parquet_rows, "MAX_FILE_BYTES", 2**20)
    parquet_file(tmp_path / "a.parquet", {"image": ["x" * 3_000_000]}, use_dictionary=False)
    assert "would unpack to 1 rows and 30000" in refusal(tmp_path)


@pytest.mark.parametrize(
    "about",
    [
        b"",
        b"[" * 100_000,
        b'{"info": {"features": {"category": {"names": 5}}}}',
        b'{"info": {"features": {"category": {"names": {"a": 1}}}}}',
        b'{"info": {"features": ["category"]}}',
    ],
)
def test_names_of_classes_that_are_none_are_not_used(tmp_path, about):
    parquet_file(
        tmp_path / "a.parquet", {"image": ["a.png"], "category": [1]}, metadata={b"huggingface": about}
    )
    assert "no picture" in refusal(tmp_path) or "unknown expression '1'" in refusal(tmp_path)


@pytest.mark.parametrize(
    "image",
    [{"bytes": None, "path": None}, {"bytes": None, "path": 5}, {"bytes": b"no", "path": 5}, [b"no"], {}],
)
def test_pictures_without_bytes_are_refused(tmp_path, image):
    parquet_file(tmp_path / "human.parquet", {"image": [image or {"a": 1}], "category": ["happy"]})
    assert refusal(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_bytes_of_a_parquet_file_are_rows_or_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("bench")
    rows = {"image": [{"bytes": png(), "path": "a.png"}], "category": ["happy"], "boxes": [BOX]}
    parquet_file(folder / "human.parquet", rows)
    whole = bytearray((folder / "human.parquet").read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    (folder / "human.parquet").write_bytes(whole)
    with suppress(InputError):  # anything else fails the test
        load_ffe_benchmark(str(folder))
