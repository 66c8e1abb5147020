"""The names of editors."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quick_benchmark import QuickBenchmark, run

from pixelsmile.benchmarks.editors.choosing import EditorChoice, open_editor, parse_editor
from pixelsmile.benchmarks.editors.command import DEFAULT_TIMEOUT_S, CommandEditor
from pixelsmile.benchmarks.editors.drawn import SANITY_EDITORS, CopyEditor
from pixelsmile.benchmarks.editors.folder import FolderEditor
from pixelsmile.benchmarks.editors.own_settings import OwnSettings
from pixelsmile.errors import InputError


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("pixelsmile", EditorChoice("own")),
        (" PixelSmile ", EditorChoice("own")),
        ("folder:edits/of mine", EditorChoice("folder", "edits/of mine")),
        ("folder:C:/edits", EditorChoice("folder", "C:/edits")),
        (
            'command:python "my editor.py" --port 80:80',
            EditorChoice("command", 'python "my editor.py" --port 80:80'),
        ),
        *((name, EditorChoice("sanity", name)) for name in SANITY_EDITORS),
    ],
)
def test_what_can_be_named(text, choice):
    assert parse_editor(text) == choice


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("truht", "did you mean truth?"),
        ("pixelsmil", "did you mean pixelsmile?"),
        ("fodler:x", "did you mean folder:PATH?"),
        ("comand:x", 'did you mean command:"python my_editor.py"?'),
        ("folder", "did you mean folder:PATH?"),
        ("truth:x", "did you mean truth?"),
        ("folder: ", "nothing after the colon: write folder:PATH"),
        ("gpt-image", "choose from pixelsmile, folder:PATH, command:"),
        ("", "choose from pixelsmile"),
    ],
)
def test_what_cannot(text, hint):
    with pytest.raises(InputError) as refusal:
        parse_editor(text)
    assert hint in str(refusal.value)


@given(st.text())
def test_any_text_is_an_editor_or_a_refusal(text):
    with suppress(InputError):
        assert parse_editor(text).kind in ("own", "folder", "command", "sanity")


def test_opening(tmp_path):
    run(tmp_path / "run")

    def opened(text: str, timeout_s: float | None = None):
        return open_editor(parse_editor(text), QuickBenchmark(), OwnSettings(), tmp_path, (1.0,), timeout_s)

    assert isinstance(opened("copy"), CopyEditor)
    assert isinstance(opened(f"folder:{tmp_path}/run/edits"), FolderEditor)
    command = opened("command:python x")
    assert isinstance(command, CommandEditor)
    assert command._timeout_s == DEFAULT_TIMEOUT_S
    assert opened("command:python x", 3.0)._timeout_s == 3.0
    with pytest.raises(InputError, match="embedded benchmark"):
        opened("truth")
