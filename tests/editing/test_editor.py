"""The public editor on the tiny model: order, ends, seeds, batches, blends, forms, and what is refused."""

import logging
from pathlib import Path
from types import SimpleNamespace

import diffusers.utils.logging
import numpy as np
import pytest
import torch
import transformers.utils.logging
from huggingface_hub.utils import are_progress_bars_disabled
from PIL import Image

from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engine import Progress
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.pictures import open_source
from pixelsmile.editing.requests import Request
from pixelsmile.errors import ExpressionError, ImageError, InputError, StrengthError


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=int)


def difference(a: Image.Image, b: Image.Image) -> int:
    """Largest difference in levels of 255."""
    return int(np.abs(pixels(a) - pixels(b)).max())


def test_pictures_come_in_the_order_of_their_strengths(editor: Editor, portrait: Image.Image) -> None:
    rising = editor.edit(portrait, "happy", strengths=(0, 1, 2))
    falling = editor.edit(portrait, "happy", strengths=(2, 1, 0))
    assert rising.strengths == (0.0, 1.0, 2.0)
    for a, b in zip(rising.images, reversed(falling.images), strict=True):
        assert difference(a, b) <= 1
    assert rising.images[0].size == (64, 64)
    assert rising.settings["target_prompts"] == ["Edit the person to show a happy expression"]


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"expression": 5}, "must be a name like 'happy', not 5"),
        ({"blend": "happy"}, "a blend must be a dict"),
        ({"blend": {1: 2}}, "must be a name like 'happy', not 1"),
        ({"prompt": 3}, "a prompt must be text, not 3"),
        ({"expression": "happy", "strengths": 0.5}, r"write \[0.5\]"),
        ({"expression": "happy", "shift": "x"}, "shift must be a positive number, not 'x'"),
    ],
)
def test_what_is_of_the_wrong_type_is_told(asked, line, editor: Editor, portrait: Image.Image) -> None:
    with pytest.raises(InputError, match=line):
        editor.edit(portrait, **asked)


def test_requests_are_a_list_of_requests(editor: Editor, portrait: Image.Image) -> None:
    for wrong in ("happy", None, 3, ["happy"], {"happy": 1}):
        with pytest.raises(InputError, match=r'like \[?Request\("happy"\)'):
            editor.edit_many(portrait, wrong)


def test_the_libraries_are_silent_while_a_model_loads(model_folder: Path, capfd) -> None:
    """And say afterwards what they said before."""
    diffusers.utils.logging.enable_progress_bar()  # a command may have run in this process before
    transformers.utils.logging.enable_progress_bar()
    diffusers.utils.logging.set_verbosity_info()
    try:
        Editor.from_pretrained(model_folder, device="cpu")
        assert capfd.readouterr() == ("", "")
        assert diffusers.utils.logging.get_verbosity() == logging.INFO
    finally:
        diffusers.utils.logging.set_verbosity_warning()
    assert diffusers.utils.logging.is_progress_bar_enabled()
    assert transformers.utils.logging.is_progress_bar_enabled()
    assert not are_progress_bars_disabled()


def test_a_sweep_is_saved(editor: Editor, portrait: Image.Image, tmp_path: Path) -> None:
    result = editor.edit(portrait, "smile", strengths=np.linspace(0, 1, 2), steps=1)
    names = [path.name for path in result.save(tmp_path / "out")]
    assert names == ["happy-0.00.png", "happy-1.00.png", "manifest.json"]


def test_the_batch_size_does_not_change_the_pictures(editor: Editor, portrait: Image.Image) -> None:
    requests = [Request("happy"), Request(prompt="Make the person smile broadly"), Request("sad")]
    alone = editor.edit_many(portrait, requests, batch_size=1)
    together = editor.edit_many(portrait, requests, batch_size=16)
    for a, b in zip(alone, together, strict=True):
        assert max(difference(x, y) for x, y in zip(a.images, b.images, strict=True)) <= 1


def test_guidance_leads_away_from_a_prompt_and_is_recorded(editor: Editor, portrait: Image.Image) -> None:
    plain = editor.edit(portrait, "happy", strengths=(1,))
    guided = editor.edit(portrait, "happy", strengths=(1,), guidance=4.0)
    away = editor.edit(portrait, "happy", strengths=(1,), guidance=4, negative_prompt="sad")
    assert "guidance" not in plain.settings
    assert (guided.settings["guidance"], guided.settings["negative_prompt"]) == (4.0, " ")
    assert away.settings["negative_prompt"] == "sad"
    assert (
        min(difference(plain.images[0], guided.images[0]), difference(guided.images[0], away.images[0])) > 0
    )
    none = editor.edit(portrait, "happy", strengths=(1,), guidance=1)
    assert difference(plain.images[0], none.images[0]) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"guidance": 0.5}, "guidance must be a number from 1"),
        ({"guidance": float("nan")}, "guidance must be"),
        ({"negative_prompt": "sad"}, "negative_prompt 'sad' does nothing without guidance"),
        ({"negative_prompt": "", "guidance": 4}, "negative_prompt must be words, or a space"),
    ],
)
def test_guidance_that_cannot_be(editor: Editor, portrait: Image.Image, options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        editor.edit(portrait, "happy", **options)


def test_the_geometric_model_and_closed_vocabularies_refuse_guidance_words(portrait: Image.Image) -> None:
    with pytest.raises(InputError, match="geometric does not use guidance"):
        Editor.from_pretrained("geometric").edit(portrait, "happy", guidance=4)


def test_strength_0_is_the_same_picture_for_every_request(editor: Editor, portrait: Image.Image) -> None:
    requests = [Request("happy"), Request(blend={"sad": 0.5, "angry": 0.5}), Request(prompt="Smile broadly")]
    firsts = [result.images[0] for result in editor.edit_many(portrait, requests)]
    assert all(difference(firsts[0], other) == 0 for other in firsts[1:])
    neutral = editor.edit(portrait, "neutral", strengths=(0.7,))
    assert difference(firsts[0], neutral.images[0]) <= 1


def test_equal_samples_are_made_once(editor: Editor, portrait: Image.Image) -> None:
    requests = [Request("happy", strengths=(0, 1)), Request("sad", strengths=(0, 1))]
    totals = {
        event.total for event in editor.stream(portrait, requests) if getattr(event, "stage", "") == "decode"
    }
    assert totals == {3}


def test_a_blend_of_one_is_that_expression(editor: Editor, portrait: Image.Image) -> None:
    blend = editor.edit(portrait, blend={"joy": 1.0}, strengths=(0.5,))
    single = editor.edit(portrait, "happy", strengths=(0.5,))
    assert blend.label == "happy=1"
    assert difference(blend.images[0], single.images[0]) == 0


def test_a_blend_weighs_its_directions(editor: Editor, portrait: Image.Image) -> None:
    result = editor.edit(portrait, blend={"happy": 0.6, "angry": 0.4}, strengths=(0.5, 1.0))
    assert result.settings["weights"] == [[0.3, 0.2], [0.6, 0.4]]


def test_forms_agree_at_the_ends_and_differ_between(editor: Editor, portrait: Image.Image) -> None:
    def sweep(conditioning: str) -> EditResult:
        return editor.edit(portrait, "happy", strengths=(0, 0.5, 1), conditioning=conditioning)

    everywhere, velocity, span = sweep("all"), sweep("velocity"), sweep("span")
    assert [r.settings["conditioning"] for r in (everywhere, velocity, span)] == ["all", "velocity", "span"]
    for end in (0, 2):
        assert difference(everywhere.images[end], velocity.images[end]) <= 1
    assert difference(everywhere.images[0], span.images[0]) <= 1


def test_the_seed_is_what_changes_the_noise(editor: Editor, portrait: Image.Image) -> None:
    one, two = (editor.edit(portrait, "happy", strengths=(1,), seed=seed).images[0] for seed in (1, 2))
    again = editor.edit(portrait, "happy", strengths=(1,), seed=1).images[0]
    assert difference(one, again) == 0
    assert difference(one, two) > 1


def test_one_step_is_clean(editor: Editor, portrait: Image.Image) -> None:
    result = editor.edit(portrait, "happy", steps=1)
    assert result.settings["sigmas"] == [1.0, 0.0]
    assert len({picture.tobytes() for picture in result.images}) > 1


def test_a_fixed_shift_replaces_the_schedule(editor: Editor, portrait: Image.Image) -> None:
    result = editor.edit(portrait, "happy", strengths=(1,), steps=2, shift=3.0)
    assert result.settings["sigmas"] == [1.0, 0.75, 0.0]


def test_the_stream_tells_its_progress_then_the_results(editor: Editor, portrait: Image.Image) -> None:
    events = list(editor.stream(portrait, [Request("happy"), Request("sad")], batch_size=2))
    progress = [event for event in events if isinstance(event, Progress)]
    assert [type(event) for event in events[-2:]] == [EditResult, EditResult]
    for stage in ("encode", "denoise", "decode"):
        done = [event.done for event in progress if event.stage == stage]
        assert done == sorted(done)
        assert done[-1] == next(event.total for event in progress if event.stage == stage)


def test_an_edit_that_is_broken_off_frees_the_memory(
    engine: QwenEngine, portrait: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed = []

    def run_out(*arguments: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(engine, "_hooks", SimpleNamespace(maybe_free_model_hooks=lambda: freed.append("all")))
    monkeypatch.setattr(engine, "_decode", run_out)
    with pytest.raises(torch.OutOfMemoryError):
        Editor(engine).edit(portrait, "happy", steps=1)
    assert freed == ["all"]


def test_aspect_and_size_are_kept(editor: Editor, portrait: Image.Image) -> None:
    wide = portrait.resize((128, 64))
    made = {"strengths": (1,), "steps": 1}
    assert editor.edit(wide, "happy", **made, restore=False).images[0].size == (96, 48)
    assert editor.edit(wide, "happy", **made, restore=False, size=32).images[0].size == (48, 16)
    assert editor.edit(wide, "happy", **made).images[0].size == (128, 64)


def test_arrays_and_files_are_pictures(tmp_path: Path, portrait: Image.Image) -> None:
    assert difference(open_source(np.asarray(portrait)).image, portrait) == 0
    portrait.save(tmp_path / "face.png")
    assert difference(open_source(tmp_path / "face.png").image, portrait) == 0
    with pytest.raises(ImageError, match="uint8"):
        open_source(np.zeros((4, 4, 3)))
    with pytest.raises(ImageError, match="not a picture: int"):
        open_source(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "options", "error", "message"),
    [
        (Request(), {}, ExpressionError, "exactly one of expression, blend and prompt"),
        (Request("happy", prompt="smile"), {}, ExpressionError, "exactly one"),
        (Request("hapy"), {}, ExpressionError, "happy"),
        (Request(prompt="  "), {}, ExpressionError, "empty"),
        (Request(prompt="a <|image_pad|>"), {}, ExpressionError, "a mark of the template"),
        (Request(prompt="ha " * 2000), {}, ExpressionError, "at most 1024 fit"),
        (Request(blend={}), {}, ExpressionError, "empty"),
        (Request(blend={"joy": 0.5, "happy": 0.5}), {}, ExpressionError, "twice"),
        (Request("happy", strengths=(0, float("nan"))), {}, StrengthError, "nan"),
        (Request("happy", strengths=(2.5,)), {}, StrengthError, "2.5"),
        (Request("happy", strengths=()), {}, StrengthError, "no strengths"),
        (Request("happy"), {"domain": "robot"}, ExpressionError, "robot"),
        (Request("happy"), {"steps": 0}, InputError, "steps must be a whole number from 1"),
        (Request("happy"), {"seed": 1.5}, InputError, "seed"),
        (Request("happy"), {"size": 10**6}, InputError, "size"),
        (Request("happy"), {"shift": float("nan")}, InputError, "shift"),
        (Request("happy"), {"conditioning": "some"}, InputError, "choose from auto"),
        (Request(prompt="Smile broadly"), {"conditioning": "all"}, ExpressionError, "one token length"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(
    editor: Editor,
    portrait: Image.Image,
    request_: Request,
    options: dict,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message) as caught:
        editor.edit_many(portrait, [request_], **options)
    assert "\n" not in str(caught.value)


def test_no_requests_are_refused(editor: Editor, portrait: Image.Image) -> None:
    with pytest.raises(InputError, match="no requests"):
        editor.edit_many(portrait, [])
