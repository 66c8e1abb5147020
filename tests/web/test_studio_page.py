"""The studio's page, served on this machine: what a browser is given, and what its script may call."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

pytest.importorskip("gradio", reason="the page needs the extra `studio`")

from pixelsmile.cli.main import main
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.web.address import listen
from pixelsmile.web.studio import page, script
from pixelsmile.web.studio.serving import read_passwords

PHOTO = Path(__file__).parents[2] / "docs" / "astronaut.jpg"
SESSION = "a-session-of-tests"
# The command as it is typed, in a process of its own that says and refuses where it wants to connect to.
PROGRAM = """
import socket, sys
connect = socket.socket.connect
def locally(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        print("OUTSIDE", address, file=sys.stderr, flush=True)
        raise PermissionError("tests run offline")
    connect(self, address)
socket.socket.connect = locally
from pixelsmile.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@contextmanager
def running(*options: str, end: signal.Signals = signal.SIGINT) -> Iterator[str]:
    """The studio's address. Nothing may be asked of another machine while it runs."""
    words = [sys.executable, "-c", PROGRAM, "studio", "--model", "geometric", "--port", "0", *options]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said: list[str] = []
    try:
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"the studio is at (http://\S+):", line):
                yield found[1]
                break
    finally:
        process.send_signal(end)
        said += process.communicate(timeout=60)[1].splitlines()
    assert [line for line in said if "OUTSIDE" in line or "Traceback" in line] == []
    assert process.returncode == 0, said


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=120, trust_env=False) as client:
        yield client


def config(client: httpx2.Client) -> dict[str, Any]:
    return client.get("/config").json()


def by_id(config: dict[str, Any], elem_id: str) -> int:
    (found,) = (part["id"] for part in config["components"] if part["props"].get("elem_id") == elem_id)
    return found


def call(client: httpx2.Client, name: str, data: Any) -> dict[str, Any]:
    """As the page's script calls the server."""
    body = {
        "data": data,
        "component_id": by_id(config(client), "stage"),
        "fn_name": name,
        "session_hash": SESSION,
    }
    return client.post("/gradio_api/component_server/", json=body).raise_for_status().json()


def happen(client: httpx2.Client, event: str, target: str | None, data: list[Any]) -> list[list[Any]]:
    """As an event of the page: what it was told, one after the other."""
    known = config(client)
    wanted = None if target is None else by_id(known, target)
    (number,) = (
        one["id"]
        for one in known["dependencies"]
        if any(happens == event and wanted in (None, source) for source, happens in one["targets"])
    )
    body = {"data": data, "fn_index": number, "session_hash": SESSION}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    told = []
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": SESSION}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
            if message.get("msg") in ("process_generating", "process_completed"):
                assert message["success"], message
                told.append(message["output"]["data"])
            if message.get("msg") == "process_completed":
                return told
    raise AssertionError("the event did not end")


def opened(client: httpx2.Client) -> tuple[str, dict[str, Any]]:
    _, value = happen(client, "load", None, [])[-1]
    upload = client.post("/gradio_api/upload", files={"files": ("a b.jpg", PHOTO.read_bytes())}).json()
    return value["visit"], call(
        client, "open", {"visit": value["visit"], "path": upload[0], "name": "a b.jpg"}
    )


def test_the_page_names_no_other_machine(client: httpx2.Client) -> None:
    """What it would load: scripts, styles, fonts, pictures; words about the page itself are not loaded."""
    html = client.get("/").text
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=[\"']([^\"']+)", html)
    assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []
    for style in re.findall(r"href=[\"']([^\"']+\.css[^\"']*)", html):
        assert not re.search(r"url\([\"']?https?:", client.get(style).text)
    known = config(client)
    assert known["analytics_enabled"] is False
    ours = "".join(
        (script.FILES / name).read_text() for name in ("hub.js", "stage.js", "mixer.js", "studio.css")
    )
    assert set(re.findall(r"https?://[\w.]+", ours)) == {"http://www.w3.org"}  # a name of SVG's


def test_the_script_knows_every_expression_and_unit() -> None:
    assert sorted(script.WHEEL) == sorted(EXPRESSIONS)
    facts = script.facts()
    assert {name for moved in facts["prototypes"].values() for name in moved} <= {
        unit["name"] for unit in facts["units"]
    }
    for text in facts["presets"].values():
        script.read_preset(text)


def test_a_person_opens_previews_renders_and_takes_it_away(client: httpx2.Client) -> None:
    visit, told = opened(client)
    assert told["name"] == "a b.jpg"
    wish = {"visit": visit, "face": "", "mixes": {"": {"weights": {"happy": 0.6}}}, "strength": 1.0}
    look = call(client, "preview", wish)
    assert look["picture"].startswith("data:image/jpeg;base64,")
    assert look["command"] == "pixelsmile edit 'a b.jpg' --blend happy=0.6 -s 1 --model geometric"
    controls = [page.AUTO, 0, 0, 3, "PNG", 95]
    updates = happen(client, "click", "render", [wish, *controls])
    flat = json.dumps(updates)
    assert "done" in flat
    assert "happy 0.6 at strength 1" in flat
    assert 'data-by=\\"geometric\\"' in flat
    path = re.search(r'"path": "([^"]+/happy0.6-1.00.png)"', flat)
    assert path is not None
    taken = client.get(f"/gradio_api/file={path[1]}")
    assert taken.content.startswith(b"\x89PNG")
    swept = json.dumps(happen(client, "click", "sweep", [wish, *controls[:-2], "GIF animation", 95]))
    assert "happy0.6.gif" in swept
    assert client.get("/gradio_api/file=/etc/hostname").status_code == 403


def test_refusals_reach_the_page_in_one_line(client: httpx2.Client) -> None:
    visit, _ = opened(client)
    for name, data in (
        ("preview", {"visit": "nobody"}),
        ("preview", {}),
        ("open", {"visit": visit, "path": "/etc/hostname", "name": "x"}),
        ("open", {}),
        ("draw", {"visit": visit, "seed": "7", "domain": "cat"}),
        ("preset", {"text": "{"}),
        ("keep", {"asked": {"visit": visit}, "name": "x"}),
        ("copy", {"visit": visit, "path": str(PHOTO), "units": True}),
    ):
        error = call(client, name, data)["error"]
        assert 0 < len(error) <= 300
        assert "\n" not in error
    told = json.dumps(happen(client, "click", "render", [{"visit": visit}, page.AUTO, 0, 0, 3, "PNG", 95]))
    assert "move a slider" in told
    wish = {"visit": visit, "mixes": {"": {"weights": {"happy": 1.0}}}}
    for seed, steps, words in ((0, 9999, "steps"), (0, -1, "steps"), (-1, 0, "seed")):
        told = json.dumps(happen(client, "click", "render", [wish, page.AUTO, seed, steps, 3, "PNG", 95]))
        assert f"wish: {words}" in told  # and no traceback: `running` looks for one


def test_somebody_is_drawn_and_looked_at(client: httpx2.Client) -> None:
    visit, _ = opened(client)
    told = call(client, "draw", {"visit": visit, "seed": 7, "domain": "anime"})
    assert (told["name"], told["drawn"], told["faces"]) == ("portrait-7.png", True, [])
    wish = {"visit": visit, "mixes": {"": {"weights": {"sad": 1.0}}}}
    looks = [call(client, "preview", {**wish, "strength": strength}) for strength in (0.0, 1.0)]
    assert looks[0]["picture"] != looks[1]["picture"]
    assert looks[0]["by"] == "drawn"


def test_passwords_are_asked_for_everywhere(tmp_path: Path) -> None:
    people = tmp_path / "people.txt"
    people.write_text("anna:secret\n")
    with (
        running("--password-file", str(people)) as url,
        httpx2.Client(base_url=url, timeout=60, trust_env=False) as client,
    ):
        body = {"data": {}, "component_id": 1, "fn_name": "preview", "session_hash": "x"}
        assert client.post("/gradio_api/component_server/", json=body).status_code == 401
        assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 401
        assert client.post("/login", data={"username": "anna", "password": "wrong"}).status_code == 400
        assert client.post("/login", data={"username": "anna", "password": "secret"}).status_code == 200
        assert client.get("/config").status_code == 200


@pytest.mark.parametrize("text", ["", "anna", "anna:", ":x", "anna:1\nanna:2"])
def test_a_file_of_passwords_is_read_whole_or_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "people.txt"
    file.write_text(text)
    with pytest.raises(InputError, match="NAME:PASSWORD"):
        read_passwords(file)
    file.write_text("anna:a:b\n\nben:c\n")
    assert read_passwords(file) == {"anna": "a:b", "ben": "c"}
    file.write_text("# carla:left us\nben:c\n", encoding="utf-8")
    assert read_passwords(file) == {"ben": "c"}


def test_it_starts_beside_a_proxy_and_leaves_nothing_when_its_terminal_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nobody answers
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running("--host", "::1" if _has_ipv6() else "127.0.0.1", end=signal.SIGHUP) as url:
        assert httpx2.get(url, trust_env=False).status_code == 200
        assert list(tmp_path.glob("pixelsmile-studio-*"))
    assert not list(tmp_path.glob("pixelsmile-studio-*"))


def _has_ipv6() -> bool:
    try:
        listen("::1", 0).close()
    except InputError:
        return False
    return True


def test_without_the_tunnel_nothing_is_shared() -> None:
    words = [sys.executable, "-c", PROGRAM, "studio", "--model", "geometric", "--port", "0", "--share"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2, ended.stderr
    assert "no public address could be made" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert not ended.stdout


def test_the_command_refuses_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--model", "nowhere"], ["--password-file", "nowhere"], ["--port", "99999"]):
        assert main(["studio", *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1
