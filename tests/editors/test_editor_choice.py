"""The names of editors."""

from contextlib import suppress

import pytest
from benchmarks.quick_benchmark import TASKS, run
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.editors.choice import EditorChoice, open_editor, parse_editor
from pixelsmile.editors.command import DEFAULT_TIMEOUT_S, CommandEditor
from pixelsmile.editors.folder import FolderEditor
from pixelsmile.editors.remote import DEFAULT_CONCURRENCY
from pixelsmile.editors.sanity import FED_SANITY_EDITORS, SANITY_EDITORS, SanityEditor
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
        ("openai-images:m@http://h/v1", EditorChoice("service", "m@http://h/v1", "openai-images")),
        ("Gemini-Images: gemini-3-pro-image", EditorChoice("service", "gemini-3-pro-image", "gemini-images")),
        ("bfl:flux-2-pro", EditorChoice("service", "flux-2-pro", "bfl")),
        ("ark:seedream-4-5-251128", EditorChoice("service", "seedream-4-5-251128", "ark")),
        (
            "replicate:bytedance/seededit-3.0",
            EditorChoice("service", "bytedance/seededit-3.0", "replicate"),
        ),
        *((name, EditorChoice("sanity", name)) for name in SANITY_EDITORS),
        (" Seedream-4.5", EditorChoice("service", "seedream-4-5-251128", "ark", "seedream-4.5")),
        ("flux-kontext-dev", EditorChoice("diffusers", name="flux-kontext-dev")),
        ("uniworld-v2", EditorChoice("own", name="uniworld-v2")),
    ],
)
def test_what_can_be_named(text, choice):
    assert parse_editor(text) == choice


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("truht", "did you mean truth?"),
        ("pixelsmil", "did you mean pixelsmile, pixelsmile-"),
        ("fodler:x", "did you mean folder:PATH?"),
        ("comand:x", 'did you mean command:"python my_editor.py"?'),
        ("folder", "did you mean folder:PATH?"),
        ("truth:x", "did you mean truth?"),
        ("folder: ", "nothing after the colon: write folder:PATH"),
        ("replicat:a/b", "did you mean replicate:OWNER/NAME?"),
        ("bfl:", "nothing after the colon: write bfl:MODEL"),
        ("gpt-image", "did you mean gpt-image-1.5?"),
        ("flux-kontext", "did you mean flux-kontext-"),
        ("nano-banana", "did you mean nano-banana-pro?"),
        ("nano", "did you mean nano-banana-pro?"),
        ("Seedream 4.5", "did you mean seedream-4.5?"),
        ("qwen-image", "did you mean qwen-image-edit, qwen-image-edit-2511 or qwen-image-edit-plus?"),
        ("flux", "did you mean flux-2-pro, flux-"),
        ("Flux-Kontext-FED", "cannot be run: neither its weights"),
        ("step1x-edit", "step1x-edit "),
        ("zzz", "choose from pixelsmile, folder:PATH, command:"),
        ("", "choose from pixelsmile"),
    ],
)
def test_what_cannot(text, hint):
    with pytest.raises(InputError) as refusal:
        parse_editor(text)
    assert hint in str(refusal.value)


def test_each_benchmark_has_editors_of_its_own():
    for name in FED_SANITY_EDITORS:
        assert parse_editor(f" {name.upper()}", FED_SANITY_EDITORS) == EditorChoice("sanity", name)
    with pytest.raises(InputError, match=r"did you mean wrong-expression\?"):
        parse_editor("wrong expression", FED_SANITY_EDITORS)
    with pytest.raises(InputError, match="unknown editor 'other-person'"):
        parse_editor("other-person")


@given(st.text())
def test_any_text_is_an_editor_or_a_refusal(text):
    with suppress(InputError):
        assert parse_editor(text).kind in ("own", "folder", "command", "service", "diffusers", "sanity")


def test_opening(tmp_path):
    run(tmp_path / "run")

    def opened(text: str, **how: float | int):
        return open_editor(parse_editor(text), TASKS, tmp_path, (1.0,), **how)

    assert isinstance(opened("copy"), SanityEditor)
    assert isinstance(opened(f"folder:{tmp_path}/run/edits"), FolderEditor)
    command = opened("command:python x")
    assert isinstance(command, CommandEditor)
    assert (command._timeout_s, command.max_concurrency) == (DEFAULT_TIMEOUT_S, 1)
    command = opened("command:python x", timeout_s=3.0, max_concurrency=4)
    assert (command._timeout_s, command.max_concurrency) == (3.0, 4)
    with pytest.raises(InputError, match="embedded benchmark"):
        opened("truth")
    for text in (
        "openai-images:m@http://localhost:1/v1",
        *("gemini-images:m@http://localhost:1", "bfl:m@http://localhost:1", "ark:m@http://localhost:1"),
        "replicate:a/b@http://localhost:1",
    ):
        editor = opened(text)
        assert editor.max_concurrency == DEFAULT_CONCURRENCY
        assert editor.to_record()["kind"] == text.partition(":")[0]
