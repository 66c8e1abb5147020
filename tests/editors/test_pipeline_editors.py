"""Editors that are stock pipelines: the real classes, on tiny random checkpoints, saved and loaded."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.flux import pipeline_flux_kontext
from diffusers.pipelines.longcat_image import pipeline_longcat_image_edit
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus
from editors.editor_examples import a_task, sweep
from editors.tiny_pipelines import save
from PIL import Image

from pixelsmile.editors.editor import EditOutcome
from pixelsmile.editors.pipelines import PipelineEditor, PipelineSettings, fitted_size
from pixelsmile.editors.table import Fit, PipelineRun, Row, find_row, rows
from pixelsmile.errors import DeviceError, FaceError, ModelError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE = 64  # of the area at which pipelines work that else work at a megapixel
NAMES = tuple(
    {row.run.pipeline: row.name for row in rows().values() if isinstance(row.run, PipelineRun)}.values()
)
PROMPT = "Edit the person to show a happy expression"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(autouse=True)
def small_areas(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus, pipeline_longcat_image_edit):
        stock = module.calculate_dimensions
        monkeypatch.setattr(
            module, "calculate_dimensions", lambda area, ratio, stock=stock: stock(SIDE * SIDE, ratio)
        )
    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(64, 64), (72, 56)])


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    y, x = np.mgrid[0:64, 0:80] / 63.0
    pixels = np.stack([x / 1.3, y, 0.5 + 0.5 * np.sin(6 * x * y)], axis=-1)
    return Image.fromarray((255 * pixels).clip(0, 255).astype(np.uint8))


def small(row: Row) -> Row:
    """The row with two steps, at a small size."""
    arguments = {**row.run.arguments, "num_inference_steps": 2}
    if row.run.pipeline == "FluxKontextPipeline":
        arguments["max_area"] = SIDE * SIDE
    fit = Fit(longest_px=64, multiple=16) if row.run.fit.longest_px else row.run.fit
    return row.model_copy(update={"run": row.run.model_copy(update={"arguments": arguments, "fit": fit})})


def folder_of(name: str, checkpoints: Path) -> Path:
    pipeline = find_row(name).run.pipeline
    folder = checkpoints / pipeline
    return folder if folder.exists() else save(pipeline, folder)


def opened(name: str, folder: Path, **settings) -> PipelineEditor:
    return PipelineEditor(small(find_row(name)), PipelineSettings(str(folder), device="cpu", **settings))


def edited(editor: PipelineEditor, picture: Image.Image, seed: int = 3, prompt: str = PROMPT) -> EditOutcome:
    (outcome,) = sweep(editor, a_task("happy", prompt, (10, 6, 50, 44)), picture, (1.0,), seed)
    return outcome


def test_every_pipeline_of_the_issue_is_tried():
    assert {find_row(name).run.pipeline for name in NAMES} == {
        *("QwenImageEditPipeline", "QwenImageEditPlusPipeline", "FluxKontextPipeline", "FluxFillPipeline"),
        *("Flux2KleinPipeline", "LongCatImageEditPipeline", "StableDiffusionInstructPix2PixPipeline"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_real_pipeline_edits(name, checkpoints, picture):
    """It reads the picture, the prompt and the seed; the same of them gives the same edit in any order."""
    editor = opened(name, folder_of(name, checkpoints))
    first = edited(editor, picture).image
    assert first is not None
    assert 0.5 <= (first.width * first.height) / (picture.width * picture.height) <= 1.5
    assert abs(first.width / first.height - picture.width / picture.height) < 0.4
    other = edited(editor, picture, seed=4).image
    assert other.tobytes() != first.tobytes()
    assert (
        edited(editor, picture, prompt="angry, as if nothing else were left").image.tobytes()
        != first.tobytes()
    )
    assert edited(editor, picture.transpose(Image.Transpose.ROTATE_180)).image.tobytes() != first.tobytes()
    assert edited(editor, picture).image.tobytes() == first.tobytes()
    record = editor.to_record()
    assert (record["kind"], record["pipeline"]) == ("diffusers", find_row(name).run.pipeline)
    assert json.loads(json.dumps(record)) == record


def test_it_is_the_stock_pipeline_with_published_guidance(checkpoints, picture):
    """By hand: the class, its arguments, and what it forgets to tell the text encoder (issue 14194)."""
    from pixelsmile.editing.prompts import image_only_processor

    name = "qwen-image-edit-2511"
    folder = folder_of(name, checkpoints)
    ours = opened(name, folder)
    tokenizer, pictures = ours._pipeline.tokenizer, ours._pipeline.processor.image_processor
    stock = diffusers.QwenImageEditPlusPipeline.from_pretrained(
        folder, tokenizer=tokenizer, processor=image_only_processor(pictures, tokenizer), dtype=torch.float32
    )
    stock.set_progress_bar_config(disable=True)
    given = {
        "image": picture,
        "prompt": PROMPT,
        "negative_prompt": " ",
        "true_cfg_scale": 4.0,
        "guidance_scale": 1.0,
        "num_inference_steps": 2,
    }

    def run() -> bytes:
        return stock(**given, generator=torch.Generator().manual_seed(3)).images[0].tobytes()

    edit = edited(ours, picture).image.tobytes()
    assert run() != edit
    image_token_id = stock.text_encoder.config.image_token_id
    stock.text_encoder.register_forward_pre_hook(
        lambda _, args, kwargs: (
            args,
            {**kwargs, "mm_token_type_ids": (kwargs["input_ids"] == image_token_id).int()},
        ),
        with_kwargs=True,
    )
    assert run() == edit
    given["true_cfg_scale"] = 1.0
    assert run() != edit, "guidance has a say in it"


def test_it_fills_the_face_and_keeps_the_rest_out_of_the_mask(checkpoints, picture, monkeypatch):
    editor = opened("flux-kontext-fill", folder_of("flux-kontext-fill", checkpoints))
    seen = {}

    def called(**given):
        seen.update(given)
        return type("Result", (), {"images": np.zeros((1, given["height"], given["width"], 3))})()

    monkeypatch.setattr(editor, "_pipeline", called)
    edited(editor, picture)
    mask_HW = np.asarray(seen["mask_image"])
    assert (seen["width"], seen["height"]) == seen["image"].size == seen["mask_image"].size == (80, 64)
    assert set(np.unique(mask_HW)) == {0, 255}
    assert mask_HW[25, 30] == 255
    assert mask_HW[0, 0] == mask_HW[-1, -1] == 0
    with pytest.raises(FaceError):  # nobody said where a face is, and none is seen
        sweep(editor, a_task("happy", PROMPT), picture, (1.0,))


@pytest.mark.parametrize(
    ("size", "fit", "fitted"),
    [
        ((640, 480), Fit(), (640, 480)),
        ((640, 480), Fit(longest_px=512, multiple=64), (512, 384)),
        ((100, 300), Fit(longest_px=512, multiple=64), (192, 512)),
        ((1152, 896), Fit(area_px=1024, multiple=16), (1152, 896)),
        ((4000, 3000), Fit(area_px=1024, multiple=16), (1184, 880)),
        ((50, 40), Fit(area_px=1024, multiple=16), (48, 32)),
        ((3, 900), Fit(longest_px=512, multiple=64), (64, 512)),
    ],
)
def test_sizes(size, fit, fitted):
    assert fitted_size(*size, fit) == fitted


def test_steps_and_other_strengths(checkpoints, picture):
    name = "flux-2-klein-4b"
    editor = opened(name, folder_of(name, checkpoints), steps=3)
    assert editor.to_record()["arguments"]["num_inference_steps"] == 3
    (outcome,) = sweep(editor, a_task(), picture, (0.5,))
    assert outcome.failure == "the model takes no strength: ask at strength 1"
    with pytest.raises(ModelError, match=r"^flux-2-klein-.* makes nothing of this picture: Image too small"):
        edited(editor, picture.resize((70, 50)))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda folder: shutil.rmtree(folder / "vae"), "lacks its vae: fetch or save the model again"),
        (lambda folder: (folder / "model_index.json").unlink(), "it has no model_index.json"),
        (
            lambda folder: (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"x" * 100),
            "cannot load ",
        ),
        (
            lambda folder: index(folder, vae=["my_own_code", "AutoencoderKL"]),
            "no part of diffusers or transformers: no code of a model folder is run",
        ),
        (
            lambda folder: index(folder, _class_name="FluxPipeline"),
            "is a model for 'FluxPipeline', and flux-kontext-dev runs FluxKontextPipeline",
        ),
    ],
)
def test_a_folder_that_is_not_the_model(spoil, error, checkpoints, tmp_path):
    folder = tmp_path / "spoilt"
    shutil.copytree(folder_of("flux-kontext-dev", checkpoints), folder)
    spoil(folder)
    with pytest.raises(ModelError) as refusal:
        opened("flux-kontext-dev", folder)
    assert error in str(refusal.value)


def index(folder: Path, **changed) -> None:
    file = folder / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def test_a_model_that_is_not_there(tmp_path, monkeypatch):
    """Offline, gated, gone: one line each that says what to do."""
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError

    row = find_row("flux-kontext-dev")
    with pytest.raises(ModelError, match=r"no model folder '/nowhere': give a folder of black-forest-labs/"):
        PipelineEditor(row, PipelineSettings("/nowhere"))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(
        ModelError, match=r"cannot fetch 'black-forest-labs/FLUX.1-Kontext-dev@.* the network"
    ):
        PipelineEditor(row)
    asked = []
    for kind, words in (
        (GatedRepoError, "accept its licence at https://hugg"),
        (RevisionNotFoundError, "no revision"),
    ):

        def refused(name, revision, allow_patterns, kind=kind):
            asked.append((name, revision))
            raise kind("no", response=SimpleNamespace(headers={}, request=None))

        monkeypatch.setattr(huggingface_hub, "snapshot_download", refused)
        with pytest.raises(ModelError, match=words):
            PipelineEditor(row)
    assert asked == [("black-forest-labs/FLUX.1-Kontext-dev", row.run.revision)] * 2


def test_ways_to_fit_it_need_a_gpu(checkpoints):
    folder = folder_of("flux-kontext-dev", checkpoints)
    for settings in ({"offload": "model"}, {"offload": "sequential"}, {"quantization": "4bit"}):
        with pytest.raises(DeviceError, match="needs a GPU, the device is cpu"):
            opened("flux-kontext-dev", folder, **settings)


def test_what_a_pipeline_may_come_to(checkpoints, picture, monkeypatch):
    """Out of memory ends the run; anything else is the reason of that edit, in one line."""
    editor = opened("flux-kontext-dev", folder_of("flux-kontext-dev", checkpoints))

    def raising(error):
        def called(**given):
            raise error

        return called

    monkeypatch.setattr(editor, "_pipeline", raising(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(torch.OutOfMemoryError):
        edited(editor, picture)
    monkeypatch.setattr(editor, "_pipeline", raising(ValueError("height has to be\na multiple of 16")))
    with pytest.raises(
        ModelError, match=r"^flux-kontext-dev makes nothing of this picture: height has to be$"
    ):
        edited(editor, picture)
    result = type("Result", (), {"images": np.full((1, 8, 8, 3), np.nan)})()
    monkeypatch.setattr(editor, "_pipeline", lambda **given: result)
    assert edited(editor, picture).failure.startswith("flux-kontext-dev made numbers that are no colours")
    result.nsfw_content_detected = [True]
    outcome = edited(editor, picture)
    assert (outcome.image, outcome.fault) == (None, "refused")
