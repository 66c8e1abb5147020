"""The files of the container say what the package says; they are not built here."""

import re
import shlex
from pathlib import Path

import yaml

from pixelsmile.cli.serve import parser

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["pixelsmile"]


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2]) for line in text.splitlines() if line.strip()]


def test_what_is_copied_is_there_and_sent() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    for name, rest in instructions():
        if name == "COPY":
            *sources, _ = rest.split()
            for source in sources:
                path = source.removeprefix("./")
                assert (ROOT / path).exists()
                assert f"!{path}" in ignored


def test_the_command_is_one_that_the_program_takes() -> None:
    (entry,) = (rest for name, rest in instructions() if name == "ENTRYPOINT")
    words = [word.strip('",[]') for word in shlex.split(entry.replace(",", " "))]
    assert words[:2] == ["pixelsmile", "serve"]
    options = parser().parse_args([*words[2:], *COMPOSE["command"]])
    assert (options.host, options.key_file) == ("0.0.0.0", "/run/secrets/keys")


def test_nobody_is_root_and_nothing_is_latest() -> None:
    """What hadolint asks for: DL3002, DL3006, DL3007, DL3009, DL3015, DL3042, DL3025."""
    names = [name for name, _ in instructions()]
    assert ("USER", "pixelsmile") in instructions()
    assert names.index("USER") < names.index("ENTRYPOINT")
    (base,) = (rest for name, rest in instructions() if name == "FROM")
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base)
    for name, rest in instructions():
        if name == "RUN" and "apt-get" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists" in rest
        if name == "RUN" and "pip install" in rest:
            assert rest.count("pip install") == rest.count("--no-cache-dir")
        if name == "ENTRYPOINT":
            assert rest.startswith("[")


def test_the_port_is_published_on_this_machine_alone() -> None:
    assert COMPOSE["ports"] == ["127.0.0.1:8000:8000"]
    assert ("EXPOSE", "8000") in instructions()
