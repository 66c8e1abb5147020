"""`pixelsmile editors`, and editors of the table in a run of FFE-Bench."""

import json
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from editors.tiny_pipelines import save

from pixelsmile.cli import main
from pixelsmile.cli.commands import COMMANDS
from pixelsmile.cli.editors import markdown
from pixelsmile.editors.remote import RemoteSettings
from pixelsmile.editors.services import provider_of
from pixelsmile.editors.table import ServiceRun, image_services, rows
from pixelsmile.remote import RemoteError

ROOT = Path(__file__).parents[2]


def test_the_list_and_a_row(capsys):
    assert main(["editors", "list"]) == 0
    table, services = capsys.readouterr().out.split("\n\n")
    lines = table.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *rows()]
    assert all(f"{name}:" in services for name in image_services())
    assert main(["editors", "list", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["editors"]] == list(rows())
    for name in rows():
        assert main(["editors", "show", name]) == 0
        shown = capsys.readouterr().out
        assert name in shown
        assert all(what in shown for what in rows()[name].unsure)
    assert main(["editors", "show", "nano-banana-pro", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["price"] == "0.136"
    assert main(["editors", "show", "gpt-image-1.5"]) == 0
    assert "price        not known" in capsys.readouterr().out
    assert main(["editors", "show", "nano"]) == 2
    assert "did you mean nano-banana-pro?" in capsys.readouterr().err
    assert main(["editors", "show", "sedream-4.5"]) == 2
    assert "did you mean seedream-4.5 or seedream-4.0?" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name, row in rows().items() if row.run.by != "nobody"])
def test_what_a_row_has_one_type_is_taken(name, capsys, monkeypatch):
    """Each command is read by its own parser; what a service needs beside it is the key that it asks for."""
    monkeypatch.chdir(ROOT)
    for key in [service.key for service in image_services().values()]:
        monkeypatch.delenv(key, raising=False)
    assert main(["editors", "show", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    typed = [line.removeprefix("type").strip() for line in lines if line.startswith("type ")]
    commands = [line.replace("DOLLARS", "0.1") for line in typed if line.startswith("pixelsmile ")]
    assert len(commands) >= 2
    for command in commands:
        words = shlex.split(command)[1:]
        called = next(called for called in COMMANDS if words[: called.count(" ") + 1] == called.split())
        module, _, function = COMMANDS[called].entry.partition(":")
        parser = getattr(import_module(f"pixelsmile.cli.{module}"), function or "parser")()
        assert parser.parse_args(words[called.count(" ") + 1 :]).editor == name
    if isinstance(run := rows()[name].run, ServiceRun):
        key = image_services()[run.service].key
        assert f"export {key}=..." in typed
        with pytest.raises(RemoteError, match=key):
            provider_of(run.service, run.model, RemoteSettings(), ROOT)


def test_the_page_has_the_table_of_the_code():
    """`pixelsmile editors list --markdown` writes it."""
    page = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
    assert markdown() in page, "put what `pixelsmile editors list --markdown` prints into docs/editors.md"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_an_editor_without_strength_is_measured_at_full_strength(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = save("StableDiffusionInstructPix2PixPipeline", tmp_path / "pix2pix")
    words = f"bench ffe run --editor instruct-pix2pix --model {folder} --device cpu --steps 1 --samples 1"
    assert main(f"{words} --domain human -o run".split()) == 0
    assert (
        "takes no strength: it is asked for full edits alone, and measured without CLS"
        in capsys.readouterr().err
    )
    spec = json.loads((tmp_path / "run" / "spec.json").read_text())
    assert (spec["setting"], spec["strengths"]) == ("general", [1.0])
    assert (spec["editor"]["name"], spec["editor"]["arguments"]["num_inference_steps"]) == (
        "instruct-pix2pix",
        1,
    )
    assert main(f"{words} -s 0,1 -o other".split()) == 2
    assert "takes no strength" in capsys.readouterr().err
