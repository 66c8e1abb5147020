"""The README and the pages of docs/: commands work or are understood, links lead somewhere."""

import importlib.util
import json
import os
import re
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from pixelsmile.cli import main
from pixelsmile.errors import install
from pixelsmile.expressions import EXPRESSIONS

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("walk", ROOT / "docs" / "walk.py")
walk = importlib.util.module_from_spec(SPEC)
sys.modules["walk"] = walk  # dataclasses look their module up
SPEC.loader.exec_module(walk)

PAGES = {page.relative_to(ROOT).as_posix(): page for page in walk.pages()}
README = PAGES["README.md"].read_text(encoding="utf-8")
PROBE = "--no-such-option-at-all"


def commands(page: Path) -> list[str]:
    """Every command of a page that calls pixelsmile, run by the walk or not."""
    found = [command for block in walk.blocks(page) if block.language == "sh" for command in block.commands()]
    found = [command.removeprefix(".venv/bin/") for command in found]
    return [command for command in found if command.startswith("pixelsmile ")]


ALL = [(name, command) for name, page in PAGES.items() for command in commands(page)]


@pytest.mark.parametrize(("page", "command"), ALL, ids=[f"{page}: {command}" for page, command in ALL])
def test_every_command_is_understood(page, command, capsys):
    assert main([*shlex.split(command)[1:], PROBE]) == 2
    assert f"'{PROBE}'" in capsys.readouterr().err


def test_the_readme_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its commands and its Python, in their order; the pages are walked by docs/walk.py."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    for block in walk.blocks(PAGES["README.md"]):
        if block.language == "python":
            exec(compile(block.text, "README.md", "exec"), {})
        elif block.needs is None:
            for command in block.commands():
                if command.startswith("pixelsmile "):
                    assert main(shlex.split(command)[1:]) == 0, f"{command}: {capsys.readouterr().err}"
    made = ("edits/grid.png", "edits/angry.gif", "surprised/manifest.json", "drawn/happy-1.50.png")
    for file in (*made, "runs/first/report.html"):
        assert (tmp_path / file).is_file(), file


def test_extras_are_installed_in_one_way_and_are_there():
    """Of the checkout, as `errors.install` has it: messages by that function, pages in its words."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    other = re.compile(r"install [\"']?pixelsmile\b|'\.\[|pip install (?!-c constraints\.txt )[^\n]*\.\[")
    named = {}
    for page in PAGES.values():
        text = page.read_text(encoding="utf-8")
        assert not other.search(text), page
        named |= dict.fromkeys(re.findall(r"\".\[(\w+)\]\"", text), page)
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert path.name == "errors.py" or not re.search(r"\.\[\w+\]['\"]|'pixelsmile\[", text), path
        named |= dict.fromkeys(re.findall(r"\binstall\([\"'](\w+)", text), path)
    assert {"faces", "ray", "studio"} <= named.keys() <= extras
    assert install("ray") == 'pip install -c constraints.txt -e ".[ray]"'


def test_links_and_files_are_there():
    for name, page in PAGES.items():
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", text):
            file, _, anchor = target.partition("#")
            other = (page.parent / file).resolve() if file else page
            assert other.exists(), f"{name} links to {target}"
            if anchor:
                assert anchor in anchors(other), f"{name} links to {target}"
        for file in re.findall(r"\b(?:perf|tests|docs|examples)/[\w/-]+\.(?:py|md|json|png)\b", text):
            assert (ROOT / file).exists(), f"{name} names {file}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_readme_is_short_and_names_every_page():
    assert README.count("\n") <= 200
    for name in PAGES:
        assert name == "README.md" or f"({name})" in README


def test_a_block_that_needs_something_unknown_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(walk, "ROOT", tmp_path)
    (tmp_path / "a.md").write_text("```sh luck\npixelsmile edit\n```\n")
    with pytest.raises(ValueError, match="luck"):
        walk.blocks(tmp_path / "a.md")


def test_a_part_of_a_blend_that_its_truth_hardly_shows_is_to_be_seen_all_the_same():
    spec = importlib.util.spec_from_file_location("blends", ROOT / "docs" / "blends.py")
    blends = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(blends)

    def scores(happy, sad, others=0.0):
        by_name = {name: others for name in EXPRESSIONS} | {"happy": happy, "sad": sad}
        return np.array([by_name[name] for name in EXPRESSIONS])

    for edited, truth, is_plausible in (
        (scores(0.2, 0.3), scores(0.4, 0.4), True),
        (scores(0.1, 0.3), scores(0.4, 0.4), False),
        (scores(0.2, 0.3, others=0.4), scores(0.4, 0.4), False),
        (scores(0.02, 0.3), scores(0.03, 0.4), False),
    ):
        assert blends.plausible(("happy", "sad"), edited, truth) is is_plausible
    for blend in json.loads((ROOT / "docs" / "blends.json").read_text())["blends"]:
        assert min(blend["scores"]) >= blends.LEAST_SCORE or not blend["plausible"]
        assert min(blend["truth"]) >= blends.LEAST_SCORE or not blend["truth_plausible"]


def test_the_walk_types_line_by_line_and_reads_exit_codes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(walk, "ROOT", tmp_path)
    (tmp_path / "a.md").write_text(
        "```sh\nPLACE=here   # a comment\ntest $PLACE = here\nfalse\n```\n\n```sh gpu\nhf download x\n```\n"
    )
    assert walk.walk(tmp_path, tmp_path / "a.md") == 1
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows if row] == ["ran", "ran", "failed", "parsed"]
    assert os.getcwd() != str(tmp_path)


def test_the_files_that_the_architecture_names_are_there():
    text = PAGES["docs/architecture.md"].read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_/]+(?:\.py|/))[`:]", text)
    assert len(named) > 40
    rooms = [ROOT, ROOT / "src", ROOT / "src" / "pixelsmile"]
    assert [name for name in named if not any((room / name).exists() for room in rooms)] == []
