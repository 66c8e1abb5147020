"""Run folders that somebody has edited: a fault is one line, no picture from elsewhere is shown or sent."""

import json
import random
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from benchmarks.fed_run_examples import write_fed_run
from benchmarks.run_examples import png_of, write_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.benchmarks.fed.results import load_fed_results
from pixelsmile.benchmarks.ffe.results import load_results
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.report.fed import fed_page
from pixelsmile.benchmarks.report.ffe import ffe_page
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.judged import MarkScorer, VerdictScorer
from pixelsmile.benchmarks.scorers.scorer import Scoring
from pixelsmile.benchmarks.scores import MARKS
from pixelsmile.benchmarks.study.page import make_study
from pixelsmile.errors import InputError, PixelSmileError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.images import load_image
from pixelsmile.judges import Asker, JudgeIdentity, Mark, VerdictCache
from pixelsmile.results.page import data_uri

QUICK = Bootstrap(num_replicates=100)
SECRET = png_of(Image.new("RGB", (64, 64), "fuchsia"))
SHOWN = data_uri(Image.new("RGB", (64, 64), "fuchsia"), 224)  # how a page would show it


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "secret.png").write_bytes(SECRET)
    write_run(folder / "ffe")
    write_fed_run(folder / "fed")
    return folder


@pytest.fixture
def runs(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def report(run: Path) -> str:
    if run.name == "ffe":
        found = load_results(RunFolder(run), bootstrap=QUICK)
        assert found.to_json()
        return ffe_page({"a": found, "b": found})
    found = load_fed_results(RunFolder(run), bootstrap=QUICK)
    assert found.to_json()
    return fed_page({"a": found, "b": found})


def study(run: Path) -> str:
    made = {"a": RunFolder(run), "b": RunFolder(run)}
    return make_study(made, num_tasks=99, seed=0, codes=random.Random(0)).page


class Recorder:
    """A judge that keeps what was sent to it."""

    def __init__(self, name: str) -> None:
        self.identity = JudgeIdentity("recorder", name, "marks", "4" * 64, {})
        self.sent: list[bytes] = []

    async def judge(self, question) -> Mark:
        self.sent += [picture.image.tobytes() for picture in question.pictures.values()]
        return Mark(self.identity.id, 5.0, "seen")

    async def aclose(self) -> None:
        """Nothing is open."""


def judge(run: Path) -> str:
    """What a judge was sent, as if it were a page."""
    recorders = [Recorder(name) for name in MARKS]
    with VerdictCache(run / "verdicts.sqlite") as cache:
        if run.name == "ffe":
            list(Scoring(RunFolder(run), VerdictScorer(Asker(recorders[0], cache))))
        for component, recorder in zip(MARKS, recorders if run.name == "fed" else (), strict=False):
            list(Scoring(RunFolder(run), MarkScorer(component, Asker(recorder, cache))))
    secret = load_image(SECRET).tobytes()
    return SHOWN if any(secret in recorder.sent for recorder in recorders) else ""


READERS = [("ffe", report), ("ffe", study), ("ffe", judge), ("fed", report), ("fed", judge)]


def edits(run: Path) -> list[dict]:
    """The lines of the edits that were made."""
    lines = map(json.loads, (run / "edits.jsonl").read_text().splitlines())
    return [line for line in lines if line["file"] is not None]


def claim_the_secret(run: Path, **changes) -> None:
    """A later line about every edit, with the hash of the secret."""
    lines = [{**line, "sha256": sha256_bytes(SECRET), **changes} for line in edits(run)]
    with (run / "edits.jsonl").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def link(paths, target: Path) -> None:
    for path in paths:
        path.unlink()
        path.symlink_to(target)


@pytest.mark.parametrize(("name", "read"), READERS)
@pytest.mark.parametrize(
    "attack",
    ["path", "absolute path", "link", "linked folder", "source", "linked source", "circle"],
)
def test_no_picture_from_elsewhere_is_shown_or_sent(runs, name, read, attack):
    run, secret = runs / name, runs / "secret.png"
    files = [run / line["file"] for line in edits(run)]
    match attack:
        case "path":
            claim_the_secret(run, file="../secret.png")
        case "absolute path":
            claim_the_secret(run, file=str(secret))
        case "link":
            claim_the_secret(run)
            link(files, secret)
        case "linked folder":
            (run / "edits").rename(runs / "elsewhere")
            (run / "edits").symlink_to(runs / "elsewhere")
        case "source":
            spec = json.loads((run / "spec.json").read_text())
            for task in spec["tasks"]:
                task |= {key: "../../secret" for key in ("source", "triplet") if key in task}
            (run / "spec.json").write_text(json.dumps(spec))
        case "linked source":
            link([*run.glob("sources/*"), *run.glob("truths/*")], secret)
        case "circle":
            link(files, files[0])
    if attack == "circle" and read is report:  # no file: a page says so in its place
        assert "not shown: the picture is missing" in read(run)
    else:
        with pytest.raises(InputError, match=r"outside of it|its place|cannot name a file|is missing"):
            read(run)


@pytest.mark.parametrize(("name", "read"), READERS)
def test_a_picture_that_was_changed_is_not_shown_as_the_one_that_was_made(runs, name, read):
    for line in edits(runs / name):
        (runs / name / line["file"]).write_bytes(SECRET)
    if read is report:
        page = report(runs / name)
        assert SHOWN not in page
        assert "not shown: the picture was changed since it was made" in page
    else:
        with pytest.raises(InputError, match="was changed since it was made: put it back"):
            read(runs / name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("../../secret"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("task", [None, 3, ["triplet"]])
def test_a_task_that_is_no_object_is_named(made, tmp_path, task):
    run = shutil.copytree(made / "ffe", tmp_path / "run")
    (run / "spec.json").write_text(
        json.dumps({**json.loads((run / "spec.json").read_text()), "tasks": [task]})
    )
    with pytest.raises(InputError, match="tasks"):
        report(run)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_file_of_a_run_gives_a_report_or_one_line(made, data):
    run = made / data.draw(st.sampled_from(["ffe", "fed"]))
    file = data.draw(st.sampled_from(sorted(run.rglob("*.json*"))))
    whole = file.read_bytes()
    file.write_bytes(edited(data, whole, file.suffix == ".jsonl"))
    try:
        with suppress(PixelSmileError):  # anything else fails the test
            report(run)
    finally:
        file.write_bytes(whole)


def edited(data: st.DataObject, whole: bytes, has_lines: bool) -> bytes:
    """Other bytes, or one value in it replaced, at any depth."""
    if data.draw(st.booleans()):
        return data.draw(st.binary(max_size=50)) + whole[data.draw(st.integers(0, len(whole))) :]
    lines = whole.splitlines() if has_lines else [whole]
    place = data.draw(st.integers(0, len(lines) - 1))
    record = within = json.loads(lines[place])
    while True:
        key = data.draw(st.sampled_from([*(within if isinstance(within, dict) else range(len(within)))]))
        if not (isinstance(within[key], dict | list) and within[key] and data.draw(st.booleans())):
            break
        within = within[key]
    within[key] = data.draw(JSON)
    lines[place] = json.dumps(record).encode()
    return b"\n".join(lines) + b"\n"
