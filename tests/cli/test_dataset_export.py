"""`pixelsmile dataset export` and `validate`, and a hub that is on this machine."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dataset.export_examples import NUM_KEPT, finished

from pixelsmile.cli import main


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("cli") / "people")


def dataset(*words: str) -> int:
    return main(["dataset", *words])


def test_exported_and_validated(people, capsys):
    assert dataset("export", str(people), "-o", "out", "--splits", "train=.5,test=.5") == 0
    out, err = capsys.readouterr()
    train, test, last = out.splitlines()
    assert train.startswith("train: ")
    assert test.endswith(" people in the split)")
    assert last == "next: pixelsmile dataset validate out"
    assert err == ""
    assert dataset("validate", "out") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"0 faults; whole: 8 files, {NUM_KEPT} rows"
    assert dataset("export", str(people), "-o", "out", "--format", "fed", "--force", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["unit"], record["counts"], record["pushed_to"]) == ("triplet", {"test": 18}, None)
    Path("out/README.md").write_text("other")
    Path("out/stray").touch()
    assert dataset("validate", "out") == 1
    assert capsys.readouterr().out.splitlines()[:2] == [
        "README.md: it is not what its manifest says",
        "stray: no manifest names it",
    ]
    assert dataset("validate", "out", "--json") == 1
    assert len(json.loads(capsys.readouterr().out)["faults"]) == 2


def test_the_benchmark_is_run(people, capsys):
    """The copy editor on both makes all that is asked."""
    assert dataset("export", str(people), "-o", "ffe", "--format", "ffe", "-q") == 0
    assert dataset("export", str(people), "-o", "fed", "--format", "fed", "-q") == 0
    capsys.readouterr()
    run = ["--editor", "copy", "--json"]
    assert main(["bench", "ffe", "run", "--benchmark", "ffe/test", "-o", "a", *run]) == 0
    only = ["--instructions", "simple"]
    assert main(["bench", "fed", "run", "--benchmark", "fed/test", "-o", "b", *run, *only]) == 0
    ffe, fed = map(json.loads, capsys.readouterr().out.splitlines())
    assert (ffe["made"], fed["made"]) == (5 * 18, 18)  # at five strengths, and with one instruction


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["export", "none", "-o", "out"], "'none' holds no data set"),
        (["export", "none", "-o", "out", "--format", "parket"], "did you mean parquet?"),
        (["export", "none", "-o", "out", "--splits", "train"], "split 'train' is none"),
        (["validate", "none"], "'none' is no data set, and no export of one"),
        (["export", "none", "-o", "out", "--push", "nobody"], "names no owner: write OWNER/NAME"),
        (["export", "none", "-o", "out", "--push", "a/b/c"], "names no data set of a hub"),
        (["export", "none", "-o", "out", "--push", "a/b"], "--push needs a login"),
    ],
)
def test_refusals_are_one_line(words, line, capsys, monkeypatch, tmp_path):
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    assert dataset(*words) == 2
    out, err = capsys.readouterr()
    assert line in err
    assert err.count("\n") == 1
    assert out == ""
    assert not Path("out").exists()


class Hub(ThreadingHTTPServer):
    """What huggingface_hub speaks to for an upload of small files; it keeps what it was told."""

    def __init__(self, *, refuses: bool) -> None:
        super().__init__(("127.0.0.1", 0), HubRequests)
        self.refuses = refuses
        self.created: dict = {}
        self.files: dict[str, str] = {}
        self.tokens: set[str | None] = set()


class HubRequests(BaseHTTPRequestHandler):
    server: Hub

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.refuses:
            self.answer(403, {"error": "no rights here"})
        elif self.path == "/api/repos/create":
            self.server.created = json.loads(body)
            self.answer(200, {"url": f"{self.address}/datasets/me/faces", "name": "me/faces", "id": "0"})
        elif self.path.endswith("/preupload/main"):
            named = json.loads(body)["files"]
            modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in named]
            self.answer(200, {"files": modes})
        elif self.path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = line["value"]["content"]
            url = f"{self.address}/datasets/me/faces/commit/1"
            self.answer(200, {"commitUrl": url, "commitOid": "1", "success": True})
        else:
            self.answer(200, {})

    def do_GET(self) -> None:
        self.answer(200, {"id": "me/faces", "siblings": [], "sha": "0", "private": True})

    def answer(self, code: int, record: dict) -> None:
        data = json.dumps(record).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(params=[False, True], ids=["willing", "refusing"])
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    with Hub(refuses=request.param) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_pushed(people, hub, tmp_path):
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_secret",
        "HF_HOME": str(tmp_path / "home"),
    }
    words = ["dataset", "export", str(people), "-o", "out", "--push", "me/faces", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pixelsmile", *words], env=environment, capture_output=True, text=True
    )
    assert hub.tokens == {"Bearer hf_secret"}, done.stderr
    names = {path.relative_to("out").as_posix() for path in Path("out").rglob("*") if path.is_file()}
    if hub.refuses:
        assert done.returncode != 0
        assert "me/faces was not pushed" in done.stderr
        assert "hf upload me/faces out --repo-type dataset" in done.stderr
        assert "secret" not in done.stderr
        assert "README.md" in names
        return
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].endswith("datasets/me/faces")
    assert (hub.created["type"], hub.created["visibility"]) == ("dataset", "private")
    assert set(hub.files) - {".gitattributes"} == names


def test_a_built_one_in_every_form(capsys):
    """By the real steps: composed, drawn, judged and screened."""
    sizes = [
        f"collect.drawn.{name}.{key}"
        for name in ("humans", "anime")
        for key in ("num_people=1", "size_px=128")
    ]
    more = ["collect.min_side_px=128", "faces.min_px=40", "compose.expressions.strengths=[0.5,1.0]"]
    more += ["compose.expressions.targets=[happy,surprised]", "annotate.statistics=drawn"]
    words = [word for change in (*sizes, *more) for word in ("--set", change)]
    assert dataset("build", "ffe-miniature", "-o", "built", "--workers", "1", "-q", *words) == 0
    assert dataset("validate", "built") == 0
    for form in ("parquet", "webdataset", "triplets", "ffe"):
        assert dataset("export", "built", "-o", form, "--format", form) == 0
        assert dataset("validate", form) == 0
    text = Path("parquet/README.md").read_text()
    assert "Edits made by truth" in text
    assert "figures/people.svg" in text
