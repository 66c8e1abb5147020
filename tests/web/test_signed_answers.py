"""`pixelsmile serve --sign`: every picture that goes out is signed, marked, and names nobody's file."""

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from pixelsmile.cli import main
from pixelsmile.provenance.certificates import make_test_certificate, read_anchors
from pixelsmile.provenance.credentials import read_credentials
from pixelsmile.provenance.findings import inspect

pytest.importorskip("c2pa")
PHOTO = Path(__file__).parents[2] / "docs" / "astronaut.jpg"
EDITS, SWEEPS = "/v1/images/edits", "/v1/images/sweeps"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signer")
    make_test_certificate(folder, "Anna Example")
    return folder


@pytest.fixture(scope="module")
def server(certificates: Path) -> Iterator[httpx2.Client]:
    """A client of a server that was started by the command, with a certificate."""
    signer = [str(certificates / name) for name in ("certificate.pem", "key.pem")]
    command = [sys.executable, "-m", "pixelsmile", "serve", "--port", "0", "--model", "geometric"]
    process = subprocess.Popen([*command, "--sign", *signer], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    url = process.stderr.readline().split(" at ")[1].split()[0]
    with httpx2.Client(base_url=url, trust_env=False, timeout=60) as http:
        yield http
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


def post(server: httpx2.Client, path: str, **fields: str) -> httpx2.Response:
    return server.post(path, files={"image": ("anna-at-home.jpg", PHOTO.read_bytes())}, data=fields)


@pytest.mark.parametrize(("form", "suffix"), [("png", "png"), ("jpeg", "jpg"), ("webp", "webp")])
def test_an_edit_is_signed(server, certificates, tmp_path, form, suffix):
    answer = post(server, EDITS, expression="happy", output_format=form)
    path = tmp_path / f"edit.{suffix}"
    path.write_bytes(base64.b64decode(answer.json()["data"][0]["b64_json"]))
    found = inspect(path, read_anchors(certificates / "root.pem"))
    assert found.credentials is not None
    assert (found.credentials.state, found.credentials.signer) == ("trusted", "Anna Example")
    assert found.credentials.problems == ()
    assert ("c2pa.watermarked.unbound", None) in found.credentials.actions
    assert found.mark is not None
    assert found.mark.is_found
    assert b"anna-at-home" not in path.read_bytes()


def test_what_is_streamed_is_signed_too(server, tmp_path):
    text = post(server, SWEEPS, expression="sad", strengths="0.5").text
    records = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line[:6] == "data: "]
    (made,) = [one for one in records if one["type"] == "sweep.picture"]
    path = tmp_path / "sweep.png"
    path.write_bytes(base64.b64decode(made["b64_json"]))
    found = read_credentials(path)
    assert found is not None
    assert (found.state, found.signer) == ("untrusted", "Anna Example")


def test_a_changed_byte_of_an_answer_is_found(server, tmp_path):
    data = bytearray(base64.b64decode(post(server, EDITS, expression="happy").json()["data"][0]["b64_json"]))
    data[-40] ^= 1
    (tmp_path / "edit.png").write_bytes(data)
    found = read_credentials(tmp_path / "edit.png")
    assert found is not None
    assert found.state == "broken"


def test_who_cannot_sign_is_refused_before_anything_is_served(certificates, tmp_path, capsys):
    certificate = str(certificates / "certificate.pem")
    assert main(["serve", "--model", "geometric", "--sign", certificate, str(tmp_path / "none.pem")]) == 2
    assert "none.pem" in capsys.readouterr().err
    assert main(["serve", "--model", "geometric", "--sign", certificate, certificate]) == 2
    assert "certificate.pem" in capsys.readouterr().err
