"""A folder of pictures as an editor."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from benchmarks import quick_benchmark
from editors.editor_examples import a_task, sweep
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import sample_seed
from pixelsmile.editors.editor import EditOutcome, Task
from pixelsmile.editors.folder import MANIFEST, FolderEditor
from pixelsmile.errors import InputError

SOURCE = Image.new("RGB", (40, 40))
HAPPY = a_task(source="anna")


def picture(path: Path, level: int, size: tuple[int, int] = (40, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(path)
    return path


def levels(editor: FolderEditor, task: Task, *strengths: float) -> list[int | str | None]:
    """The grey of each picture, or the reason why there is none."""

    def level(made: EditOutcome) -> int | str | None:
        return made.failure if made.image is None else made.image.getpixel((0, 0))[0]

    made = sweep(editor, task, SOURCE, strengths)
    assert [one.strength for one in made] == list(strengths)
    return [level(one) for one in made]


def write_manifest(folder: Path, *lines: dict[str, object] | str) -> None:
    folder.mkdir(exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / MANIFEST).write_text("\n".join(texts), encoding="utf-8")


def test_a_manifest(tmp_path):
    picture(tmp_path / "one.png", 10)
    picture(tmp_path / "deep" / "two.bmp", 20)
    write_manifest(
        tmp_path,
        {"source": "anna", "target": "happy", "strength": 0.5, "file": "one.png"},
        "",
        {"source": "anna", "target": "Smile", "file": "deep/two.bmp"},  # the last line has no end
    )
    picture(tmp_path / "anna" / "happy_0.25.png", 30)  # not in the manifest
    editor = FolderEditor(tmp_path)
    missing = "the folder has no picture at this strength, only at 0.5, 1"
    assert levels(editor, HAPPY, 1.0, 0.25, 0.5) == [20, missing, 10]


def test_names_without_a_manifest(tmp_path):
    picture(tmp_path / "anna" / "happy_0.50.png", 10)
    picture(tmp_path / "anna" / "Happiness_1.png", 20)
    picture(tmp_path / "anna" / "sad_1e-1.PNG", 30)
    picture(tmp_path / "anna" / "grid.png", 40)
    picture(tmp_path / "anna" / "glad_to_see_you.png", 40)
    picture(tmp_path / "anna" / "happy_inf.png", 40)
    picture(tmp_path / "happy_0.75.png", 50)
    (tmp_path / "anna" / "happy_0.75.txt").write_text("no picture")
    editor = FolderEditor(tmp_path)
    assert editor.to_record()["num_pictures"] == 3
    assert levels(editor, HAPPY, 0.5, 1.0) == [10, 20]
    assert levels(editor, a_task("sad", source="anna"), 0.1) == [30]
    assert levels(editor, a_task("shy", source="anna"), 1.0) == [
        "the folder has no picture of this source with this expression"
    ]
    assert levels(editor, a_task(source="bert"), 1.0) == ["the folder has no picture of this source"]


def test_the_edits_of_a_run_are_such_a_folder(tmp_path):
    quick_benchmark.run(tmp_path / "run")
    made = {key: r for key, r in RunFolder(tmp_path / "run").edits().items() if r.file is not None}
    editor = FolderEditor(tmp_path / "run" / "edits")
    assert editor.to_record()["num_pictures"] == len(made)
    for source, target, strength in made:
        [edit] = sweep(editor, a_task(target, source=source), SOURCE, [strength])
        picture = quick_benchmark.FlatPicture(source).load()
        wanted = quick_benchmark.tinted(picture, target, strength, sample_seed(3, source))
        assert edit.image is not None
        assert edit.image.tobytes() == wanted.tobytes()


def test_what_cannot_be_read_is_a_failure(tmp_path):
    picture(tmp_path / "anna" / "happy_0.png", 10)
    (tmp_path / "anna" / "happy_1.png").write_bytes(b"")
    zero, one = levels(FolderEditor(tmp_path), HAPPY, 0.0, 1.0)
    assert zero == 10
    assert "is empty (0 bytes)" in str(one)
    write_manifest(tmp_path, {"source": "anna", "target": "happy", "file": "gone.png"})
    assert "there is no file" in str(levels(FolderEditor(tmp_path), HAPPY, 1.0)[0])


def test_other_sizes_are_taken_and_noted(tmp_path, caplog):
    picture(tmp_path / "anna" / "happy_0.png", 10)
    picture(tmp_path / "anna" / "happy_1.png", 20, size=(64, 50))
    editor = FolderEditor(tmp_path)
    assert levels(editor, HAPPY, 0.0, 1.0) == [10, 20]
    asyncio.run(editor.close())
    assert caplog.messages == ["pictures of another size than their source: 1"]


def test_the_record_knows_content_not_places(tmp_path):
    picture(tmp_path / "a" / "anna" / "happy_1.png", 10)
    record = FolderEditor(tmp_path / "a").to_record()
    assert (record["kind"], record["name"], record["num_pictures"]) == ("folder", "a", 1)

    write_manifest(tmp_path / "b", {"source": "anna", "target": "happy", "file": "x.png"})
    shutil.copy(tmp_path / "a" / "anna" / "happy_1.png", tmp_path / "b" / "x.png")
    assert FolderEditor(tmp_path / "b").to_record()["sha256"] == record["sha256"]

    picture(tmp_path / "b" / "x.png", 11)
    assert FolderEditor(tmp_path / "b").to_record()["sha256"] != record["sha256"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"source": "a", "target": "happy"}, "line 2: file is missing"),
        ({"source": "a", "target": "hapy", "file": "x"}, "did you mean happy or sad?"),
        ({"source": "a", "target": "happy", "strength": -1, "file": "x"}, "line 2: strength is -1: "),
        ({"source": "a", "target": "happy", "file": "x", "note": ""}, "line 2: unknown key note"),
        ("{", "line 2: it is no valid JSON"),
        ({"source": "anna", "target": "joy", "file": "other.png"}, "are both happy of anna at 1"),
    ],
)
def test_manifests_that_are_refused(tmp_path, line, reason):
    write_manifest(tmp_path, {"source": "anna", "target": "happy", "file": "one.png"}, line)
    with pytest.raises(InputError) as refusal:
        FolderEditor(tmp_path)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_folders_that_are_refused(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        FolderEditor(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no edits"):
        FolderEditor(tmp_path)
    (tmp_path / MANIFEST).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="save it as UTF-8"):
        FolderEditor(tmp_path)


@given(
    st.text()
    | st.builds(
        json.dumps,
        st.dictionaries(
            st.sampled_from(["source", "target", "strength", "file"]),
            st.sampled_from(["anna", "happy", "Joy"]) | st.floats() | st.none(),
        ),
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_manifest_is_read_or_refused_in_one_line(tmp_path, text):
    refused: list[str] = []
    write_manifest(tmp_path, text)
    try:
        FolderEditor(tmp_path).to_record()
    except InputError as refusal:
        refused.append(str(refusal))
    assert not any("\n" in line for line in refused)
