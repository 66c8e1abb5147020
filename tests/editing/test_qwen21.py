"""The second family, Qwen-Image-2.1: our sweep against the stock pipeline, on a tiny model of its layout.

Stated tolerance in float32 over four steps: latents 2e-5 absolute (their spread is about 1), pictures 1 of
255 levels.
"""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_qwen21
import torch
from accelerate import cpu_offload_with_hook
from adapter_examples import diffusers_now, tiny_transformer
from diffusers import AutoencoderKLQwenImage21, QwenImage21Pipeline, QwenImage21Transformer2DModel
from PIL import Image

from pixelsmile.editing.acceleration import Acceleration
from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.autoencoder import decode_frames, decode_latents, encode_images
from pixelsmile.editing.conditioning import TextualInterpolation, interpolate
from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engine import EditJob, EngineResult, Target
from pixelsmile.editing.engines.jobs import samples_of
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.family import QWEN_21
from pixelsmile.editing.folders import alone, find_model, read_options
from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.editing.part_checks import check_settings
from pixelsmile.editing.pictures import to_tensor
from pixelsmile.editing.sampler import BatchDone, Denoiser, sample_latents
from pixelsmile.errors import InputError, ModelError

LATENTS = {"rtol": 0, "atol": 2e-5}
NEUTRAL, HAPPY, SAD = (f"Edit the person to show a {name} expression" for name in ("neutral", "happy", "sad"))
LONG = "Make the person smile broadly"
SEED, STEPS = 5, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen21.save_model(tmp_path_factory.mktemp("models") / "tiny21")


@pytest.fixture(scope="module")
def engine(folder: Path) -> QwenEngine:
    return QwenEngine.load(str(folder), [], place("cpu"))


@pytest.fixture(scope="module")
def stock(folder: Path) -> QwenImage21Pipeline:
    pipeline = QwenImage21Pipeline.from_pretrained(
        folder, processor=tiny_qwen21.processor(), dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def wide() -> Image.Image:
    """96 x 64 pixels of smooth colour."""
    y, x = np.mgrid[0:64, 0:96] / 63.0
    pixels = np.stack([x / 1.5, y, 0.5 + 0.5 * np.sin(6 * x * y)], axis=-1)
    return Image.fromarray((255 * pixels).astype(np.uint8))


def job(image: Image.Image, *targets: Target, **options: Any) -> EditJob:
    return EditJob(image, NEUTRAL, targets, SEED, STEPS, **options)


def sweep(text: str, *strengths: float) -> Target:
    return Target((text,), tuple((strength,) for strength in strengths))


def prepared(engine: QwenEngine, edit: EditJob) -> tuple[Denoiser, list[Any], list[int]]:
    prompts, reference = engine._encode(edit)
    samples, shown, _ = samples_of(edit, prompts, TextualInterpolation())
    return engine._denoiser(edit, reference), samples, [index for row in shown for index in row]


def our_latents(engine: QwenEngine, edit: EditJob) -> list[torch.Tensor]:
    """(1, N, C) of each target at each weight."""
    denoiser, samples, shown = prepared(engine, edit)
    events = sample_latents(denoiser, samples, STEPS)
    latents = torch.cat([event.latents for event in events if isinstance(event, BatchDone)])
    return [latents[index : index + 1].flatten(2).transpose(1, 2) for index in shown]


def run_stock(stock: QwenImage21Pipeline, image: Image.Image, kind: str = "latent", **options: Any) -> Any:
    return stock(
        image=image,
        height=image.height,
        width=image.width,
        output_resolution=round((image.width * image.height) ** 0.5),
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(SEED),
        output_type=kind,
        **options,
    ).images


@pytest.mark.parametrize("use_kv_cache", [True, False])
def test_both_ends_equal_the_stock_pipeline(
    engine: QwenEngine, stock: QwenImage21Pipeline, wide: Image.Image, use_kv_cache: bool
) -> None:
    start, end = our_latents(engine, job(wide, sweep(HAPPY, 0, 1)))
    for ours, prompt in ((start, NEUTRAL), (end, HAPPY)):
        theirs = run_stock(stock, wide, prompt=prompt, use_kv_cache=use_kv_cache)
        torch.testing.assert_close(ours, theirs, **LATENTS)
    assert (end - start).abs().max() > 100 * LATENTS["atol"]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_sweep_equals_the_stock_pipeline_on_interpolated_embeddings(
    engine: QwenEngine,
    stock: QwenImage21Pipeline,
    portrait: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
) -> None:
    strengths = (0.5, 1.5)
    ours = our_latents(engine, job(portrait, sweep(HAPPY, *strengths), batch_size=batch_size))
    (neutral, _, slots), (happy, _, _) = (
        stock.encode_prompt(text, image=[portrait.convert("RGBA")]) for text in (NEUTRAL, HAPPY)
    )
    for latents, strength in zip(ours, strengths, strict=True):
        mixed = interpolate(neutral, [happy], [strength])
        monkeypatch.setattr(stock, "encode_prompt", lambda *_, e=mixed, **__: (e, None, slots))
        torch.testing.assert_close(latents, run_stock(stock, portrait, prompt="-"), **LATENTS)


def test_pictures_equal_the_stock_pipelines(
    engine: QwenEngine, stock: QwenImage21Pipeline, portrait: Image.Image
) -> None:
    """Theirs have a fourth channel, opacity, which is left out."""
    (ours,) = results(engine, job(portrait, sweep(SAD, 1)))[0].images[0]
    (theirs,) = run_stock(stock, portrait, "pil", prompt=SAD)
    assert (ours.mode, theirs.mode) == ("RGB", "RGBA")
    assert difference(ours, theirs.convert("RGBA")) <= 1


def test_guidance_equals_the_stock_pipelines(
    engine: QwenEngine, stock: QwenImage21Pipeline, portrait: Image.Image
) -> None:
    """Away from a negative prompt of another length; no token is brought back to a length."""
    (ours,) = our_latents(engine, job(portrait, sweep(HAPPY, 1), guidance=3.0, negative="sad"))
    asked = {"prompt": HAPPY, "negative_prompt": "sad"}
    torch.testing.assert_close(ours, run_stock(stock, portrait, **asked, true_cfg_scale=3.0), **LATENTS)
    assert (ours - run_stock(stock, portrait, prompt=HAPPY)).abs().max() > 100 * LATENTS["atol"]


def test_embeddings_equal_the_stock_pipelines(
    engine: QwenEngine, stock: QwenImage21Pipeline, wide: Image.Image
) -> None:
    """In one padded batch; before the last norm; with the picture's tokens where theirs are."""
    with torch.inference_mode():
        ours = engine.encoder.encode(wide, [NEUTRAL, LONG, HAPPY], torch.device("cpu"))
    for prompt in ours:
        theirs, _, slots = stock.encode_prompt(prompt.text, image=[wide.convert("RGBA")])
        torch.testing.assert_close(prompt.embedding, theirs[0], rtol=0, atol=1e-5)
        num_slots = 96 * 64 // 32**2
        start = engine.encoder.picture_start
        assert slots[0].nonzero().flatten().tolist() == list(range(start, start + num_slots))


def test_the_template_is_the_stock_pipelines(engine: QwenEngine, stock: QwenImage21Pipeline) -> None:
    template = engine.encoder.template
    assert stock.prompt_template_ti2i == f"{template.prefix}{template.picture}{{}}{template.suffix}"
    assert engine.encoder.prefix_length == stock._drop_idx


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_a_picture_does_not_depend_on_its_batch(
    engine: QwenEngine, portrait: Image.Image, wide: Image.Image, batch_size: int
) -> None:
    """Not on the strengths beside it, and not on another picture's; prompts of unequal length among them."""
    turned = portrait.transpose(Image.Transpose.ROTATE_90)
    jobs = [
        job(portrait, sweep(HAPPY, 0, 0.5, 1), sweep(LONG, 0.7), batch_size=batch_size),
        job(turned, sweep(SAD, 1), batch_size=batch_size),
    ]
    together = results(engine, *jobs)
    for one, whole in zip(jobs, together, strict=True):
        for target, made in zip(one.targets, whole.images, strict=True):
            for weights, image in zip(target.weights, made, strict=True):
                single = job(one.image, Target(target.prompts, (weights,)), batch_size=1)
                assert difference(image, results(engine, single)[0].images[0][0]) <= 1


def test_what_is_kept_of_the_source_changes_nothing_and_spares_its_tokens(
    engine: QwenEngine, portrait: Image.Image
) -> None:
    """From the second step on, a layer sees the target alone."""
    edit = job(portrait, sweep(HAPPY, 0.3, 1), sweep(LONG, 1))
    denoiser, samples, _ = prepared(engine, edit)
    sigmas, kept = denoiser.schedule.sigmas(STEPS), {}
    torch.manual_seed(1)
    tokens = torch.randn(len(samples), 16, tiny_qwen21.CHANNELS)
    seen: list[int] = []
    layer = denoiser.transformer.transformer_blocks[0]
    handle = layer.register_forward_pre_hook(
        lambda _module, _inputs, given: seen.append(given["hidden_states"].shape[1]), with_kwargs=True
    )
    with torch.inference_mode():
        for sigma in sigmas[:-1]:
            with_memory = denoiser.guided(tokens, sigma, samples, kept)
            torch.testing.assert_close(
                with_memory, denoiser.guided(tokens, sigma, samples), rtol=0, atol=1e-5
            )
    handle.remove()
    num_forwards = len(kept)
    assert num_forwards == 2  # prompts of two lengths
    remembering = [seen[i : i + num_forwards] for i in range(0, len(seen), 2 * num_forwards)]
    assert all(length > 32 for length in remembering[0])
    assert all(length == 16 for row in remembering[1:] for length in row)


def test_the_autoencoder_equals_the_stock_one(
    engine: QwenEngine, stock: QwenImage21Pipeline, wide: Image.Image
) -> None:
    pixels = to_tensor(wide)
    opaque = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=1)[:, :, None]
    with torch.no_grad():
        ours = encode_images(engine.parts.vae, pixels)
        theirs = stock._encode_vae_image(opaque, torch.Generator())[:, :, 0]
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
        raw = stock.vae.encode(opaque).latent_dist.mode()
        decoded = stock.vae.decode(raw).sample[:, :3, 0]
        torch.testing.assert_close(decode_frames(engine.parts.vae, raw[:, :, 0]), decoded)
        torch.testing.assert_close(decode_latents(engine.parts.vae, ours), decoded, rtol=0, atol=1e-4)


@pytest.mark.parametrize("quantization", [None, "fp8"])
def test_parts_that_move_at_each_call_give_the_same_pictures(
    folder: Path, portrait: Image.Image, quantization: str | None
) -> None:
    placement = place("cpu", quantization=quantization)
    still, moving = (QwenEngine.load(str(folder), [], placement) for _ in range(2))
    for part in (moving.parts.text_encoder, moving.parts.transformer, moving.parts.vae):
        cpu_offload_with_hook(part, execution_device="cpu")
    ours, theirs = (Editor(each).edit(portrait, "happy", strengths=(1,)) for each in (moving, still))
    assert difference(ours.images[0], theirs.images[0]) <= 1
    assert theirs.settings["quantization"] == quantization


def test_its_licence_is_said_and_goes_with_the_pictures(
    folder: Path, portrait: Image.Image, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        editor = Editor.from_pretrained(folder, "none", device="cpu")
    said = "Qwen-Image-2.1: Qwen Research License, for research and evaluation alone, not for commercial use"
    assert said in caplog.text
    assert any(said in note for note in editor.edit(portrait, "happy", steps=1).settings["notes"])


def test_nobody_fetches_it_without_reading_its_licence(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"models fetch qwen-image-2.1 --accept-licence$"):
        find_model("Qwen/Qwen-Image-2.1")
    with pytest.raises(ModelError, match=r"qwen-image-2.1 --revision main --accept-licence$"):
        find_model("Qwen/Qwen-Image-2.1@main")
    with pytest.raises(ModelError, match=r"^Qwen/Qwen-Image-2.1 is for research and evaluation alone"):
        find_model("qwen/qwen-image-2.1")  # the hub takes any case


def test_without_an_adapter_it_edits_as_its_card_says(folder: Path, copy: Path) -> None:
    (copy / "pixelsmile.json").unlink()
    options = alone(copy, read_options(copy))
    assert (options.steps, options.guidance) == (40, 1.0)
    own = read_options(folder)
    assert alone(folder, own) == own


@pytest.mark.parametrize(
    ("file", "values", "words"),
    [
        ("transformer/config.json", {"in_channels": 4}, "the transformer has 4 channels in and 8 out"),
        ("transformer/config.json", {"context_in_dim": 24}, "the transformer's context_in_dim 24"),
        ("transformer/config.json", {"causal_condition": False}, "causal_condition is"),
        ("transformer/config.json", {"_class_name": "QwenImageTransformer2DModel"}, "_class_name is"),
        ("transformer/config.json", {"num_layers": 200}, "asks for 200 layers and the files hold"),
        ("vae/config.json", {"in_channels": 3}, "in_channels is 3"),
        ("vae/config.json", {"temperal_downsample": [True] * 3}, "are not of one length"),
        ("vae/config.json", {"latents_mean": [1.0] * 3}, "latents_mean has 3 numbers"),
        ("text_encoder/config.json", {"model_type": "qwen2_5_vl"}, "model_type is"),
        ("model_index.json", {"sample_sigmas": [1.0, 0.5]}, "fixes its noise levels"),
        ("pixelsmile.json", {"condition_size": 64}, "sets condition_size, which this family does not have"),
    ],
)
def test_settings_that_cannot_be_are_refused(copy: Path, file: str, values: Any, words: str) -> None:
    change(copy / file, values)
    with pytest.raises(ModelError, match=words):
        Editor.from_pretrained(copy, "none", device="cpu")


def test_a_token_of_the_text_encoder_is_two_by_two_latents(copy: Path) -> None:
    """Else the source would not fit into its place in the text."""
    file = copy / "text_encoder" / "config.json"
    vision = json.loads(file.read_text())["vision_config"]
    change(file, {"vision_config": {**vision, "patch_size": 14}})
    with pytest.raises(ModelError, match="a token of the text encoder is 28 px, 2 latents are 32"):
        Editor.from_pretrained(copy, "none", device="cpu")


def test_the_settings_of_the_published_size_pass(tmp_path: Path) -> None:
    """The library's own defaults, and those of Qwen3-VL-8B."""
    with torch.device("meta"):
        for part, kind in (
            ("transformer", QwenImage21Transformer2DModel),
            ("vae", AutoencoderKLQwenImage21),
        ):
            sizes = {"num_layers": 1} if part == "transformer" else {}
            kind(**sizes).save_config(tmp_path / part)
    (tmp_path / "text_encoder").mkdir()
    language = {"hidden_size": 4096, "num_hidden_layers": 36, "num_attention_heads": 32, "head_dim": 128}
    rope = {"rope_scaling": {"mrope_section": [24, 20, 20], "rope_type": "default"}, "rope_theta": 5e6}
    eye = {"depth": 27, "hidden_size": 1152, "num_heads": 16, "out_hidden_size": 4096, "patch_size": 16}
    config = {
        "model_type": "qwen3_vl",
        "text_config": {**language, **rope, "num_key_value_heads": 8},
        "vision_config": {**eye, "spatial_merge_size": 2, "temporal_patch_size": 2},
    }
    (tmp_path / "text_encoder" / "config.json").write_text(json.dumps(config))
    check_settings(tmp_path, QWEN_21)
    change(tmp_path / "transformer" / "config.json", {"axes_dims_rope": [16, 56, 58]})
    with pytest.raises(ModelError, match="do not sum up to attention_head_dim 128"):
        check_settings(tmp_path, QWEN_21)


def test_a_part_that_is_missing_is_named(copy: Path) -> None:
    (copy / "processor" / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match=r"is incomplete \(processor/tokenizer_config.json\)"):
        find_model(str(copy))


def test_a_single_file_is_for_the_other_family(copy: Path) -> None:
    file = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    with pytest.raises(ModelError, match="is a single file, which is read for Qwen-Image-Edit alone"):
        find_model(str(file))


def test_gguf_in_a_folder_is_for_the_other_family(copy: Path) -> None:
    for file in (copy / "transformer").glob("*.safetensors"):
        file.rename(file.with_suffix(".gguf"))
    with pytest.raises(ModelError, match="GGUF is read for Qwen-Image-Edit alone"):
        find_model(str(copy))


@pytest.mark.parametrize("asked", [{"preset": "lightning-4"}, {"step_cache": "taylor"}])
def test_what_was_made_for_the_other_family_is_refused(
    folder: Path, tmp_path: Path, asked: dict[str, Any]
) -> None:
    file = diffusers_now(tiny_transformer()).save(tmp_path, "Lightning-4steps.safetensors")
    words = r"^(preset|step cache) '.*' is for Qwen-Image-Edit, .* is Qwen-Image-2.1: leave it out$"
    with pytest.raises(InputError, match=words):
        QwenEngine.load(str(folder), [AdapterSpec(str(file))], place("cpu"), None, Acceleration(**asked))


@pytest.mark.parametrize("named", [True, False])
def test_it_is_refused_before_anything_is_fetched(
    folder: Path, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder, and of the published model by its name: neither it nor the preset's adapter."""
    asked_for: list[str] = []
    for place_ in ("editing.folders", "editing.adapters.files"):
        monkeypatch.setattr(f"pixelsmile.{place_}.fetched", lambda name, *_, **__: asked_for.append(name))
    model, preset = "Qwen/Qwen-Image-2.1" if named else str(folder), Acceleration(preset="lightning-4")
    with pytest.raises(InputError, match="preset 'lightning-4' is for Qwen-Image-Edit"):
        QwenEngine.load(model, None, place("cpu"), None, preset)
    with pytest.raises(InputError, match="preset 'lightning-4' is for Qwen-Image-Edit"):
        ModelChoice(model, acceleration=preset).check_files()
    assert asked_for == []


def test_no_published_adapter_is_recommended_for_it(folder: Path) -> None:
    remarks = QwenEngine.load(str(folder), None, place("cpu")).info.remarks
    assert any("give one of yours as --adapter" in remark for remark in remarks)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "copy")


def change(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def results(engine: QwenEngine, *jobs: EditJob) -> list[EngineResult]:
    """Of jobs that are made together."""
    found = [event for event in engine.stream_many(jobs) if isinstance(event[1], EngineResult)]
    return [result for _, result in sorted(found, key=lambda event: event[0])]  # type: ignore[misc]


def difference(a: Image.Image, b: Image.Image) -> int:
    """The largest of the colours, in levels."""
    first, second = (np.asarray(each, dtype=int)[..., :3] for each in (a, b))
    return int(np.abs(first - second).max())
