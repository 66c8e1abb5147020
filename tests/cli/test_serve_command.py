"""`pixelsmile serve`: what is refused before it listens."""

import socket
import sys
from pathlib import Path

import pytest

from pixelsmile.cli import main


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "70000"], "port 70000 is out of range"),
        (["--max-queue", "0"], "max-queue 0 is out of range"),
        (["--timeout", "-1"], "timeout '-1' is not a positive number"),
        (["--model", "no/such/folder/at/all"], "no/such/folder/at/all"),
        (["--model", "geometric", "--model", "geometric"], "two models are called 'geometric'"),
        (["--model", "geometric", "--control", "none/here"], "geometric does not use control: leave it out"),
        (["--model", "geometric", "--preset", "lightning-4", "--dtype", "float16"], "use dtype, preset:"),
        (["--model", "embedded", "--preset", "lightning-8"], "is for Qwen/Qwen-Image-Edit-2511, not embed"),
        (["--preset", "lightning-4"], "is for Qwen/Qwen-Image-Edit-2511, not embedded: leave it out"),
        (["--key-file", "missing"], "there is no file 'missing'"),
        (["--key-file", "short"], "key 1 of 'short' is none"),
        (["--key-file", "empty"], "'empty' holds no key"),
        (["--model", "embedded", "--device", "cuda:99"], "cuda"),
        (["--hots", "x"], "did you mean --host"),
    ],
)
def test_refusals(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("short").write_text("# keys\nabc\n")
    Path("empty").write_text("# keys\n")
    assert main(["serve", "--port", "0", *options]) == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["serve", "--model", "geometric", "--port", str(port)]) == 2
    assert f"cannot listen at 127.0.0.1 port {port}" in capsys.readouterr().err


def test_without_its_libraries_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    for name in [name for name in sys.modules if name.startswith("pixelsmile.web.")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["serve"]) == 2
    assert 'the server needs fastapi: pip install -c constraints.txt -e ".[serve]"' in capsys.readouterr().err
