"""FED-Bench from a folder in any layout, joined with SFEW; and what is said of what is missing."""

import io
import json
import logging

import pytest
from benchmark_examples import triplet_names, truth
from hypothesis import given, settings
from hypothesis import strategies as st
from test_fed_lines import SIZE, refusal, save

from pixelsmile.benchmarks.catalogue import load_fed_benchmark
from pixelsmile.benchmarks.fed.hub import ALIASES, DOWNLOAD, PictureIndex
from pixelsmile.editors.editor import GRANULARITIES
from pixelsmile.errors import InputError
from pixelsmile.expressions import FED_BENCH_CLASSES

PUBLISHED = list(FED_BENCH_CLASSES)
STILLS = [f"Film{place}_001200.png" for place in range(4)]


@pytest.fixture
def sfew(tmp_path):
    """SFEW as people have it: stills by split and class, and the faces cut out under the same names."""
    folder = tmp_path / "SFEW_2"
    for place, name in enumerate(STILLS):
        save(folder / "Train" / "Angry" / name, 10 + place)
        save(folder / "Train_Aligned_Faces" / "Angry" / name, 99, (60, 60))
    return folder


def png(shade):
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", SIZE, (shade, 80, 120)).save(file, "PNG")
    return file.getvalue()


def write_parquet(path, columns, features=None, **options):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path, **options)


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def check(benchmark):
    """What every layout should give: four triplets, by class and shades of their pictures."""
    assert len(triplet_names(benchmark)) == 4
    found = {}
    for task in benchmark.tasks:
        shades = [each.load().getpixel((0, 0))[0] for each in (task.picture, task.truth)]
        found[task.target, task.granularity] = (*shades, task.prompt)
    assert found == {
        (FED_BENCH_CLASSES[PUBLISHED[place + 3]], granularity): (
            10 + place,
            200 + place,
            f"{granularity} {place}",
        )
        for place in range(4)
        for granularity in GRANULARITIES
    }
    assert benchmark.to_record()["num_tasks"] == 8
    assert benchmark.to_record()["without_instruction"] == {"dense": [], "simple": []}


def rows():
    return [
        {"id": f"t{place}", "source": name, "class": PUBLISHED[place + 3]}
        | {"dense": f"dense {place}", "simple": f"simple {place}"}
        for place, name in enumerate(STILLS)
    ]


def embedded(folder):
    """All in one file; classes are numbers with names, a group of rows has two."""
    columns = {
        "Source Image": [name.lower() for name in STILLS],
        "ground_truth": [{"bytes": png(200 + place), "path": f"{place}.png"} for place in range(4)],
        "label": [3, 4, 5, 6],
        "instruction_dense": [f"dense {place}" for place in range(4)],
        "instruction_simple": [f"simple {place}" for place in range(4)],
    }
    features = {"label": {"names": PUBLISHED, "_type": "ClassLabel"}}
    write_parquet(folder / "data" / "test-00000-of-00001.parquet", columns, features, row_group_size=2)


def by_path(folder):
    for place in range(4):
        save(folder / "gt" / f"{place}.png", 200 + place)
    columns = {
        "gt_path": [f"gt/{place}.png" for place in range(4)],
        "sfew_path": [f"D:\\SFEW\\Train\\Angry\\{name}" for name in STILLS],
        "emotion": PUBLISHED[3:],
        "dense": [f"dense {place}" for place in range(4)],
        "simple": [f"simple {place}" for place in range(4)],
    }
    write_parquet(folder / "fed.parquet", columns)


def long(folder):
    """A row for each granularity, with the picture in both."""
    found = []
    for place, row in enumerate(rows()):
        save(folder / "truth" / f"{row['id']}.jpg.png", 200 + place)
        common = {"id": row["id"], "source": row["source"], "target": row["class"]}
        for each in ("dense", "simple"):
            found.append({**common, "gt": f"{row['id']}.jpg.png", "granularity": each, "prompt": row[each]})
    write_json(folder / "all.json", {"version": 1, "data": found})


def by_file(folder):
    """A file for each granularity, and the pictures under their ids."""
    for place, row in enumerate(rows()):
        save(folder / "gt" / f"{row['id']}.png", 200 + place)
    for each in ("dense", "simple"):
        content = [
            {"id": row["id"], "source": row["source"], "class": row["class"], "instruction": row[each]}
            for row in rows()
        ]
        write_json(folder / f"{each}.json", content)


def indices_apart(folder):
    """The pictures from the hub, with ids; the words from elsewhere."""
    pictures = [{"bytes": png(200 + place), "path": None} for place in range(4)]
    write_parquet(folder / "data" / "gt.parquet", {"id": [f"t{p}" for p in range(4)], "image": pictures})
    write_json(folder / "indices.json", rows())
    write_json(folder / "dataset_infos.json", {"default": {"name": "fed", "splits": {"test": 4}}})


def indices_by_name(folder):
    """The same, where the words ask for pictures by the names of their files."""
    pictures = [{"bytes": png(200 + place), "path": f"Edit{place}.png"} for place in range(4)]
    write_parquet(folder / "data" / "gt.parquet", {"image": pictures})
    named = [{**row, "gt_name": f"gt/edit{place}.png"} for place, row in enumerate(rows())]
    write_json(folder / "indices.json", named)


def nested(folder):
    found = []
    for place, row in enumerate(rows()):
        save(folder / "gt" / f"{place}.png", 200 + place)
        words = {"dense": row["dense"], "simple": row["simple"]}
        pictures = {"source": {"image": row["source"]}, "target": {"image": f"gt/{place}.png"}}
        found.append({**pictures, "instructions": words, "class": row["class"]})
    write_json(folder / "all.json", found)


def same_still(folder):
    """Ground truths called as their stills."""
    for place, row in enumerate(rows()):
        save(folder / "gt" / row["class"] / row["source"], 200 + place)
    found = [{**row, "id": None, "gt": f"gt/{row['class']}/{row['source']}"} for row in rows()]
    write_json(folder / "all.json", found)


LAYOUTS = (embedded, by_path, long, by_file, indices_apart, indices_by_name, nested, same_still)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_layouts(tmp_path, sfew, layout):
    folder = tmp_path / "FED-Bench"
    layout(folder)
    benchmark = load_fed_benchmark(str(folder), sources=sfew)
    check(benchmark)
    record = benchmark.to_record()
    assert (record["name"], record["origin"]) == ("fed-bench", "FED-Bench")
    assert load_fed_benchmark(str(folder), sources=sfew).to_record() == record
    sfew.rename(folder / "stills")  # below the folder, named or not
    check(load_fed_benchmark(str(folder), sources=folder / "stills"))
    check(load_fed_benchmark(str(folder)))


def test_one_still_with_two_targets(tmp_path, sfew):
    folder = tmp_path / "FED-Bench"
    save(folder / "a.png", 200)
    save(folder / "b.png", 201)
    row = {"source": STILLS[0], "simple": "s", "id": "one"}
    write_json(folder / "all.json", [{**row, "class": "sad", "gt": "a"}, {**row, "class": "fear", "gt": "b"}])
    benchmark = load_fed_benchmark(str(folder), sources=sfew)
    assert [task.source for task in benchmark.tasks] == ["one-sad-simple", "one-fear-simple"]
    assert truth(benchmark, "one-fear-simple").getpixel((0, 0))[0] == 201


def test_missing_pictures_are_listed(tmp_path, sfew):
    folder = tmp_path / "FED-Bench"
    by_path(folder)
    for name in STILLS[1:]:
        (sfew / "Train" / "Angry" / name).unlink()
        (sfew / "Train_Aligned_Faces" / "Angry" / name).unlink()
    (folder / "gt" / "2.png").unlink()
    message = refusal(folder, sources=sfew)
    assert message.startswith(
        f"3 of 4 sources are not in {str(sfew)!r} ('D:\\\\SFEW\\\\Train\\\\Angry\\\\Film1_001200"
    )
    assert "film stills of SFEW 2.0" in message
    for name in STILLS[1:]:
        (sfew / "Train" / "Angry" / name).write_bytes(b"")
    message = refusal(folder, sources=sfew)
    assert f"1 of 4 ground truths are not in {str(folder)!r} ('gt/2.png'): ask for access at" in message
    assert DOWNLOAD in message
    (folder / "gt" / "2.png").write_bytes(b"")
    for name in STILLS[1:]:
        (sfew / "Train" / "Angry" / name).unlink()
    without = refusal(folder)
    assert without.startswith(f"4 of 4 sources are not in {str(folder)!r}")
    assert "there is no folder" in refusal(folder, sources=tmp_path / "none")


def test_only_the_pictures(tmp_path, sfew):
    """What the hub alone may hold: the message says where the words are."""
    folder = tmp_path / "FED-Bench"
    indices_apart(folder)
    (folder / "indices.json").unlink()
    message = refusal(folder, sources=sfew)
    assert message.startswith("4 of 4 triplets in")
    assert "data/gt.parquet row 1: 't0' has no class" in message
    assert "indices at github.com/hiixfj/FED-Bench" in message


def test_nothing_of_the_kind(tmp_path):
    assert DOWNLOAD in refusal(tmp_path)
    write_json(tmp_path / "settings.json", {"name": "x"})
    assert DOWNLOAD in refusal(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class": 3}, "unknown expression '3'"),
        ({"class": "contempt"}, "class 'contempt' is none of FED-Bench's"),
        ({"class": None}, "'t1' has no class"),
        ({"dense": 3}, "instruction 3 is no text"),
        ({"instruction": "Smile"}, "'t1': not clear whether its instruction is dense or simple"),
        ({"face_box": [1, 2, 3]}, "is not x0, y0, x1, y1"),
        ({"face_box": [500, 500, 600, 600]}, "is not in its picture"),
        ({"id": "n" * 95}, "triplet 'nnnn"),
        ({"id": "t2"}, "'t2' has another source in all.json row 3"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, sfew, change, said):
    folder = tmp_path / "FED-Bench"
    found = rows()
    for place in range(4):
        save(folder / "gt" / f"{place}.png", place)
        found[place] |= {"gt": f"{place}.png", "class": "happy"}
    found[1] |= change
    write_json(folder / "all.json", found)
    message = refusal(folder, sources=sfew)
    assert message.startswith("1 of ")
    assert said in message


def test_what_lacks_an_instruction(tmp_path, sfew, caplog):
    folder = tmp_path / "FED-Bench"
    found = rows()
    for place, row in enumerate(found):
        save(folder / f"t{place}.png")
        del row["dense" if place else "simple"]
    write_json(folder / "all.json", found)
    with caplog.at_level(logging.WARNING):
        benchmark = load_fed_benchmark(str(folder), sources=sfew)
    assert benchmark.to_record()["without_instruction"] == {"dense": ["t1", "t2", "t3"], "simple": ["t0"]}
    assert len(benchmark.tasks) == 4
    assert "3 of 4 triplets have no dense instruction" in caplog.text


def test_pictures_of_no_triplet(tmp_path, sfew, caplog):
    folder = tmp_path / "FED-Bench"
    indices_apart(folder)
    write_json(folder / "indices.json", rows()[:3])
    with caplog.at_level(logging.WARNING):
        assert len(triplet_names(load_fed_benchmark(str(folder), sources=sfew))) == 3
    assert "that belong to no triplet, left out: 1" in caplog.text


# Finding pictures by name


def test_the_index(tmp_path):
    save(tmp_path / "Val" / "Sad" / "a.png", 1)
    save(tmp_path / "Train" / "Sad" / "a.png", 2)
    save(tmp_path / "Train" / "Sad" / "B.1.PNG", 3)
    save(tmp_path / ".cache" / "c.png", 3)
    index = PictureIndex(tmp_path)
    assert index.find("train/sad/A.PNG") == tmp_path / "Train" / "Sad" / "a.png"
    assert index.find("x\\Val\\Sad\\a.jpg") == tmp_path / "Val" / "Sad" / "a.png"
    assert index.find("b.1") == index.find("/else/where/b.1.jpeg") == tmp_path / "Train" / "Sad" / "B.1.PNG"
    assert index.find("c.png") is index.find("") is index.find("..") is index.find("b") is None
    with pytest.raises(InputError, match=r"'a\.png' may be Train/Sad/a\.png and Val/Sad/a\.png"):
        index.find("a.png")
    save(tmp_path / "Val" / "Sad" / "a.png", 2)  # the same picture twice is no question
    assert index.find("a.png") is not None
    assert (
        PictureIndex(tmp_path, without=[tmp_path / "Val"]).find("Val/Sad/a.png").parent.parent.name == "Train"
    )


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_any_name_is_looked_for(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("index")
    save(folder / "a.png")
    found = PictureIndex(folder).find(name)
    assert found in (None, folder / "a.png")


def test_every_alias_is_of_one_field():
    every = [alias for aliases in ALIASES.values() for alias in aliases]
    assert len(set(every)) == len(every)


@settings(max_examples=80, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("happy"),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from([a for names in ALIASES.values() for a in names]), inner, max_size=5
            )
        ),
        max_leaves=14,
    )
)
def test_any_json_is_refused_in_one_line(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("fed")
    save(folder / "a.png")
    (folder / "metadata.json").write_text(json.dumps(content))
    refusal(folder)  # nothing of it names two pictures
