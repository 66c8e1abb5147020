"""`pixelsmile editors`, and editors of the table in a run of FFE-Bench."""

import json
from pathlib import Path

import pytest
from editors.tiny_pipelines import save

from pixelsmile.cli import main
from pixelsmile.cli.editors import markdown
from pixelsmile.editors.table import image_services, rows

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
    assert main(["editors", "show", "sedream-4.5"]) == 2
    assert "did you mean seedream-4.5 or seedream-4.0?" in capsys.readouterr().err


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
