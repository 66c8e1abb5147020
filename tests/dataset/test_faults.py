"""What goes wrong around a build: it is killed, a server fails, a disk is full, input is bad."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from dataset.dataset_examples import FACES, SIZE_PX, contents, people
from model_examples import HASTE, OPENAI_KEY
from model_server import JudgeServer, at_random
from PIL import Image

from pixelsmile.cli import main
from pixelsmile.dataset.build import build
from pixelsmile.dataset.config import BuildConfig
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.errors import PixelSmileError

NUM_KILLS = 20
# It forks, so that a build that is killed at its beginning has not spent its time on imports.
_KILLS = """
import os, random, signal, sys, time
from pathlib import Path
import pixelsmile.faces.likeness
from dataset.dataset_examples import everything
from pixelsmile.dataset.build import build

def begun(folder):
    if (child := os.fork()):
        return child
    try:
        for _ in build(folder, everything()):
            pass
    except BaseException as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)

def ended(child):
    return os.waitpid(child, 0)[1]

place, wanted = Path(sys.argv[1]), int(sys.argv[2])
began = time.monotonic()
assert ended(begun(place / "whole")) == 0
whole_s = time.monotonic() - began
chance, kills, folders = random.Random(0), 0, 0
while kills < wanted:
    folders += 1
    status = signal.SIGKILL
    while status == signal.SIGKILL:
        child = begun(place / str(folders))
        if kills < wanted:
            time.sleep(chance.uniform(0, 2 * whole_s / wanted * folders))
            os.kill(child, signal.SIGKILL)
        status = ended(child)
        kills += status == signal.SIGKILL
    assert status == 0, status
print(kills, folders)
"""


@pytest.mark.slow
def test_killed_at_random_moments_it_comes_to_the_same(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", _KILLS, str(tmp_path), str(NUM_KILLS)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    kills, folders = map(int, run.stdout.split())
    assert kills == NUM_KILLS
    wanted = contents(tmp_path / "whole")
    assert [name for name in wanted if name.endswith("manifest.json")] == [
        f"{step}/manifest.json"
        for step in sorted(
            ("collect", "faces", "duplicates", "identities", "compose", "generate", "annotate", "screen")
        )
    ]
    for number in range(folders):
        assert contents(tmp_path / str(number + 1)) == wanted


def test_a_server_that_fails_for_a_third_of_all_calls_costs_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI_KEY)
    monkeypatch.setattr("pixelsmile.remote.client.RetryPolicy", lambda: HASTE)
    with JudgeServer(at_random(0.3, ("429", "500", "503 page", "closed"))) as server:

        def config(max_requests: int | None) -> BuildConfig:
            return people(
                6,
                compose={"expressions": {"targets": ["happy", "sad"], "prompt": "dual"}},
                generate={
                    "editor": f"openai-images:m@{server.url}/v1",
                    "key_env": "OPENAI_API_KEY",
                    "max_requests": max_requests,
                    "max_concurrency": 3,
                },
            )

        folder = tmp_path / "set"
        with pytest.raises(PixelSmileError, match="the same command") as stopped:
            list(build(folder, config(20)))
        assert len(str(stopped.value)) <= 300
        assert 0 < server.met["good"] < 48
        list(build(folder, config(None)))
        list(build(folder, config(None), redo="generate"))
        assert server.met["good"] == 48
        assert sum(server.met.values()) > 52
    rows = list(StepFolder(folder / "generate").all_rows())
    assert sum(row.base is not None for row in rows) == 48
    assert all(row.picture is not None and (folder / row.picture).is_file() for row in rows)
    assert list(StepFolder(folder / "generate").all_rows(rejected=True)) == []


@pytest.mark.parametrize("num_bytes", [300, 3000])
def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing_half(num_bytes, tmp_path):
    """RLIMIT_FSIZE in a process of its own: no file of it becomes longer."""
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({num_bytes}, {num_bytes}))\n"
        "from pixelsmile.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(people(3).model_dump(mode="json")))
    command = ["dataset", "build", str(config), "-o", str(tmp_path / "set"), "--workers", "1", "-q"]
    run = subprocess.run(
        [sys.executable, "-c", script, *command],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2, run.stderr
    assert "File too large".casefold() in run.stderr.casefold()
    assert len(run.stderr.splitlines()) == 1
    for path in (tmp_path / "set").rglob("rows-*.jsonl"):
        assert path.read_bytes().endswith(b"\n") or path.stat().st_size == 0
    assert main(command) == 0
    list(build(tmp_path / "other", people(3)))
    assert contents(tmp_path / "set") == contents(tmp_path / "other")


def test_pictures_that_are_none_and_one_that_was_replaced_are_set_aside_with_a_line(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    list(build(tmp_path / "people", people(2), until="collect"))
    for number, row in enumerate(StepFolder(tmp_path / "people/collect").all_rows()):
        shutil.copy(tmp_path / "people" / row.picture, folder / f"good{number}.png")
    (folder / "text.png").write_text("none")
    (folder / "empty.jpg").touch()
    (folder / "cut.png").write_bytes((folder / "good0.png").read_bytes()[:3000])
    (folder / "folder.png").mkdir()
    (folder / "away.png").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.png")
    source = {"in": {"path": str(folder), "is_drawn": True}}
    config = BuildConfig.model_validate(
        {"collect": {"folders": source, "min_side_px": SIZE_PX}, "faces": FACES}
    )
    list(build(tmp_path / "out", config, until="collect"))
    rejected = list(StepFolder(tmp_path / "out/collect").all_rows(rejected=True))
    assert {row.key for row in rejected} == {"text.png", "empty.jpg", "cut.png", "away.png", "pipe.png"}
    assert {row.reason for row in rejected} == {"unreadable"}
    assert all(row.detail and len(row.detail) <= 300 and "\n" not in row.detail for row in rejected)

    first, _ = StepFolder(tmp_path / "out/collect").all_rows()
    Image.new("RGB", (SIZE_PX, SIZE_PX)).save(tmp_path / "out" / first.picture)
    list(build(tmp_path / "out", config))
    (lost,) = StepFolder(tmp_path / "out/faces").all_rows(rejected=True)
    assert (lost.id, lost.reason) == (first.id, "failed")
    assert "has changed since it was kept" in lost.detail
    (tmp_path / "out" / first.picture).unlink()
    list(build(tmp_path / "out", config, redo="faces"))
    (lost,) = StepFolder(tmp_path / "out/faces").all_rows(rejected=True)
    assert lost.detail.endswith(
        f"the picture of row {first.id}, is lost: put it back, or have it made again with --redo collect"
    )
    list(build(tmp_path / "out", config, redo="collect"))
    assert StepFolder(tmp_path / "out/faces").manifest().num_kept == 2


def test_a_source_that_changes_under_the_build_costs_the_pictures_that_did(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(folder / f"{number}.png")
    source = {"in": {"path": str(folder), "is_drawn": True}}
    config = BuildConfig.model_validate(
        {"collect": {"folders": source, "min_side_px": 64, "shard_rows": 2}, "faces": FACES}
    )
    events = build(tmp_path / "out", config, until="collect")
    next(events)
    (folder / "5.png").unlink()
    (folder / "3.png").write_bytes(b"other")
    list(events)
    rejected = list(StepFolder(tmp_path / "out/collect").all_rows(rejected=True))
    assert [(row.key, row.reason) for row in rejected] == [("3.png", "unreadable"), ("5.png", "unreadable")]
    begun = build(tmp_path / "killed", config, until="collect")
    next(begun)
    begun.close()
    (folder / "4.png").unlink()
    with pytest.raises(PixelSmileError, match=r"made from other pictures .* --redo collect"):
        list(build(tmp_path / "killed", config, until="collect"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("collect: {drawn: {a: {num_peple: 2}}}", "did you mean 'collect.drawn.a.num_people'?"),
        ("collect: {folders: {mine: {pth: x}}}", "did you mean 'collect.folders.mine.path'?"),
        ("collect: {drawn: {a: {num_people: 2}}}\nfases: {}", "faces"),
        ("collect: {drawn: {a: {num_people: 2}}}\nfaces: {min_sharpnes: 2}", "min_sharpness"),
        ("collect: {drawn: {a: {num_people: two}}}", "num_people"),
        ("", "collect"),
    ],
)
def test_a_wrong_key_is_one_line_with_the_nearest(text, line, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text(text)
    assert main(["dataset", "build", str(tmp_path / "c.yaml"), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert line in said
    assert not (tmp_path / "out").exists()
