"""Our editor as a benchmark sees it, on a tiny model with random weights."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from editing.conftest import model_folder
from editors import editor_examples
from editors.editor_examples import a_task
from PIL import Image
from safetensors.numpy import save_file

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import run_edits
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editors import own
from pixelsmile.editors.editor import Box, EditorStoppedError, Task, check_tasks
from pixelsmile.editors.own import PAPER, OwnEditor, OwnSettings, Region
from pixelsmile.errors import FaceError, InputError, StrengthError
from pixelsmile.hashing import sha256_file

__all__ = ["model_folder"]

FACE: Box = (20.0, 20.0, 60.0, 70.0)
STRENGTHS = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def editor(model_folder: Path) -> Editor:
    return Editor.from_pretrained(model_folder, device="cpu")


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def sweep(
    editor: Editor,
    image: Image.Image,
    *,
    box: Box | None = FACE,
    region: Region = "auto",
    strengths: Sequence[float] = STRENGTHS,
    together: Sequence[float] = (),
    target: str = "happy",
    seed: int = 0,
    one_seed: int | None = None,
) -> dict[float, Image.Image]:
    own = OwnEditor(editor, OwnSettings(region=region, steps=1, seed=one_seed), together)
    made = editor_examples.sweep(own, a_task(target, box=box), image, strengths, seed)
    assert [one.strength for one in made] == list(strengths)
    assert all(one.failure is None for one in made)
    return {one.strength: one.image for one in made if one.image is not None}


def changed_box(before: Image.Image, after: Image.Image) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the pixels that differ."""
    differs = (np.asarray(before) != np.asarray(after)).any(-1)
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def test_a_strength_that_a_control_does_not_take_ends_the_run(editor, monkeypatch):
    def refusing(*_: object, **__: object):
        raise StrengthError("k-slider knows strengths from 0 to 1, not 2: lower it")
        yield

    monkeypatch.setattr(own, "stream_edit", refusing)
    with pytest.raises(EditorStoppedError, match="not 2: lower it"):
        sweep(editor, picture(64, 64), strengths=(2.0,))


def test_tasks_of_a_domain_that_a_control_does_not_know_are_refused(editor, monkeypatch):
    tasks = [replace(a_task(), domain=domain) for domain in ("human", "anime")]
    check_tasks(OwnEditor(editor, OwnSettings()).capabilities, tasks, STRENGTHS)
    info = replace(editor.engine.info, control={"domain": "human"})
    monkeypatch.setattr(editor.engine, "info", info)
    can = OwnEditor(editor, OwnSettings()).capabilities
    check_tasks(can, tasks[:1], STRENGTHS)
    with pytest.raises(InputError, match="the editor knows human pictures, and some tasks are anime: add"):
        check_tasks(can, tasks, STRENGTHS)


def test_a_whole_picture_is_edited_as_the_editor_does(editor):
    image = picture(64, 64)
    made = sweep(editor, image, box=None, seed=3)
    wanted = editor.edit(image, "happy", strengths=STRENGTHS, seed=3, steps=1)
    assert [made[s].tobytes() for s in STRENGTHS] == [one.tobytes() for one in wanted.images]
    assert made[0.0].tobytes() != made[1.0].tobytes()


def test_one_noise_for_all_samples_where_that_is_asked_for(editor):
    """As the authors' code has it; a run otherwise gives each sample a noise of its own."""
    image = picture(64, 64)
    one, two, theirs = (
        sweep(editor, image, box=None, seed=seed, one_seed=fixed, strengths=[1.0])[1.0].tobytes()
        for seed, fixed in ((3, 42), (7, 42), (42, None))
    )
    assert one == two == theirs


def test_the_papers_settings_are_recorded(editor):
    record = OwnEditor(editor, PAPER).to_record()
    assert {name: record[name] for name in PAPER.recorded_as()} == PAPER.recorded_as()
    assert record["paper"] is True
    assert "guidance" not in record
    assert "paper" not in OwnEditor(editor, OwnSettings()).to_record()
    assert OwnEditor(editor, OwnSettings(guidance=4.0)).to_record()["guidance"] == 4.0


@pytest.mark.parametrize(
    ("size", "region", "is_pasted"),
    [
        ((160, 100), "auto", True),  # not square
        ((200, 200), "auto", True),  # the face is small
        ((110, 110), "auto", False),  # a portrait: the face's surroundings (1.8 x 50 px) are nearly all of it
        ((110, 110), "face", True),
        ((160, 100), "whole", False),
    ],
)
def test_which_region_is_edited(editor, size, region, is_pasted):
    image = picture(*size)
    after = sweep(editor, image, region=region, strengths=[1.0])[1.0]
    if not is_pasted:
        assert after.size != size  # as large as the model makes them
        return
    assert after.size == size
    x0, y0, x1, y1 = changed_box(image, after)
    assert FACE[0] - 12 < x0 < FACE[0] + 12  # the mask is 1.25 faces wide
    assert FACE[2] - 12 < x1 < FACE[2] + 12
    assert y0 < 30
    assert y1 > 60


def test_a_part_of_a_sweep_is_the_sweep_to_the_last_bit(editor):
    image = picture(64, 64)
    whole = sweep(editor, image, together=STRENGTHS)
    part = sweep(editor, image, together=STRENGTHS, strengths=[1.0, 0.5])
    assert [part[s].tobytes() for s in (0.5, 1.0)] == [whole[s].tobytes() for s in (0.5, 1.0)]


def test_neutral_is_a_target_too(editor):
    made = sweep(editor, picture(64, 64), target="neutral")
    assert made[0.0].tobytes() == made[1.0].tobytes()


def test_a_face_that_is_too_small_is_refused(editor):
    with pytest.raises(FaceError, match="face box"):
        sweep(editor, picture(160, 100), box=(0.0, 0.0, 8.0, 8.0))


def adapter_file(path: Path) -> Path:
    """A LoRA of rank 1 on one module of the tiny transformer (width 32)."""
    module = "transformer_blocks.0.attn.to_q"
    factor = np.full((1, 32), 0.1, np.float32)
    save_file({f"{module}.lora_A.weight": factor, f"{module}.lora_B.weight": factor.T.copy()}, path)
    return path


def test_adapters_that_the_model_brings_are_not_named_one_by_one(model_folder, tmp_path):
    folder = tmp_path / "tiny"
    shutil.copytree(model_folder, folder)
    adapter_file(folder / "smile.safetensors")
    options = json.loads((folder / "pixelsmile.json").read_bytes())
    own = {"adapters": {"human": "smile.safetensors"}}
    (folder / "pixelsmile.json").write_text(json.dumps({**options, **own}))
    with_own = OwnEditor(Editor.from_pretrained(folder, device="cpu"), OwnSettings())
    without = OwnEditor(Editor.from_pretrained(folder, "none", device="cpu"), OwnSettings())
    assert with_own.to_record()["name"] == "tiny + its adapters"
    assert without.to_record()["name"] == "tiny"


def test_the_record(model_folder, tmp_path):
    adapter = adapter_file(tmp_path / "smile.safetensors")
    loaded = Editor.from_pretrained(model_folder, f"{adapter}=0.5", device="cpu")
    editor = OwnEditor(loaded, OwnSettings(steps=2))
    record = editor.to_record()
    assert (record["kind"], record["name"]) == ("pixelsmile", "tiny + smile.safetensors")
    assert (record["device"], record["dtype"], record["steps"]) == ("cpu", "float32", 2)
    assert record["adapters"] == [
        {
            "source": str(adapter),
            "scale": 0.5,
            "modules": 1,
            "sha256": sha256_file(adapter),
            "format": "LoRA (bare names of layers)",
            "alpha": "none stated: scale 1",
            "notes": ["it states no alpha: scale 1"],
        }
    ]
    asyncio.run(editor.close())

    same, other = tmp_path / "same", tmp_path / "other"
    for folder in (same, other):
        shutil.copytree(model_folder, folder)
    (same / "quality.json").write_text("{}")  # no part of the model
    (other / "pixelsmile.json").write_text('{"size": 64, "condition_size": 64, "steps": 5}')
    hashes = [
        OwnEditor(Editor.from_pretrained(folder, device="cpu"), OwnSettings()).to_record()["model_sha256"]
        for folder in (same, other)
    ]
    assert hashes[0] == record["model_sha256"] != hashes[1]


def test_an_edit_of_numbers_that_are_none_is_a_failure_and_the_run_goes_on(
    model_folder: Path, tmp_path: Path
) -> None:
    """The weights are mended after the first task: the second is made."""
    editor = Editor.from_pretrained(model_folder, "none", device="cpu")
    assert isinstance(editor.engine, QwenEngine)
    weight = editor.engine.parts.transformer.proj_out.bias.detach()
    weight[0] = torch.nan
    own = OwnEditor(editor, OwnSettings(steps=1), (1.0,))
    with RunFolder.claimed(tmp_path / "run") as folder:
        for event in run_edits(TWO_PICTURES, own, folder, "general", (1.0,)):
            if event.num_done == 1:
                weight[0] = 0
    failed, made = (record for _, record in sorted(folder.edits().items()))
    assert failed.failure == (
        "no picture: weights of the transformer hold NaN (proj_out.bias): fetch or convert the model again"
    )
    assert (failed.file, made.failure) == (None, None)
    assert made.file is not None


@dataclass(frozen=True)
class NoisePicture:
    """What `picture` makes."""

    name: str

    def load(self) -> Image.Image:
        return picture(64, 64)

    def sha256(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()


TWO_PICTURES = Benchmark(
    "two",
    "tests",
    tuple(Task(name, "happy", "human", "smile", picture=NoisePicture(name)) for name in "ab"),
    dict,
)
