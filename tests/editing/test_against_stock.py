"""Our batched sweep against the stock pipeline, run one strength at a time.

Stated tolerance in float32 over four steps: latents 2e-5 absolute (their spread is about 1; measured 1e-6),
pictures 1 of 255 levels.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adapter_examples import diffusers_now, tiny_transformer
from diffusers import QwenImageEditPlusPipeline
from PIL import Image

from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.conditioning import TextualInterpolation, interpolate
from pixelsmile.editing.devices import place
from pixelsmile.editing.engine import EditJob, Target
from pixelsmile.editing.engines.jobs import samples_of
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.flow import pack
from pixelsmile.editing.sampler import BatchDone, sample_latents
from pixelsmile.embedded import model_path

MakeStock = Callable[[Path, QwenEngine, tuple[int, int]], QwenImageEditPlusPipeline]

LATENTS = {"rtol": 0, "atol": 2e-5}
TRAINED = {"rtol": 0, "atol": 1e-4}  # measured 1.3e-5
NEUTRAL, HAPPY, SAD = (f"Edit the person to show a {name} expression" for name in ("neutral", "happy", "sad"))
LONG = "Make the person smile broadly"
SEED = 5


def job(image: Image.Image, *targets: Target, **options: object) -> EditJob:
    return EditJob(image, NEUTRAL, targets, SEED, 4, **options)  # type: ignore[arg-type]


def our_latents(engine: QwenEngine, edit: EditJob) -> list[torch.Tensor]:
    """Packed final latents (1, N, D) of each target at each weight."""
    prompts, reference = engine._encode(edit)
    samples, shown, _ = samples_of(edit, prompts, TextualInterpolation())
    denoiser = engine._denoiser(edit, reference)
    events = sample_latents(denoiser, samples, edit.num_steps)
    latents = torch.cat([event.latents for event in events if isinstance(event, BatchDone)])
    return [pack(latents[index : index + 1]) for row in shown for index in row]


def stock_latents(stock: QwenImageEditPlusPipeline, image: Image.Image, **prompt: object) -> torch.Tensor:
    return run_stock(stock, image, "latent", **prompt)


def run_stock(stock: QwenImageEditPlusPipeline, image: Image.Image, kind: str, **prompt: Any) -> Any:
    return stock(
        image=image,
        height=image.height,
        width=image.width,
        num_inference_steps=4,
        generator=torch.Generator().manual_seed(SEED),
        output_type=kind,
        **{"true_cfg_scale": 1.0, **prompt},
    ).images


def with_embedding(embedding: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"prompt_embeds": embedding[None], "prompt_embeds_mask": torch.ones(1, len(embedding))}


def embeddings(engine: QwenEngine, image: Image.Image, texts: Sequence[str]) -> list[torch.Tensor]:
    with torch.inference_mode():
        return [prompt.embedding for prompt in engine.encoder.encode(image, list(texts), torch.device("cpu"))]


def pass_token_types(stock: QwenImageEditPlusPipeline) -> None:
    """What the stock pipeline forgets (diffusers issue 14194)."""
    image_token_id = stock.text_encoder.config.image_token_id

    def hook(_module: object, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        return args, {**kwargs, "mm_token_type_ids": (kwargs["input_ids"] == image_token_id).int()}

    stock.text_encoder.register_forward_pre_hook(hook, with_kwargs=True)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_sweep_equals_the_stock_pipeline_on_given_embeddings(
    engine: QwenEngine, stock: QwenImageEditPlusPipeline, portrait: Image.Image, batch_size: int
) -> None:
    strengths = (0.0, 0.5, 1.0, 1.5)
    edit = job(portrait, Target((HAPPY,), tuple((s,) for s in strengths)), batch_size=batch_size)
    neutral, happy = embeddings(engine, portrait, [NEUTRAL, HAPPY])
    for ours, strength in zip(our_latents(engine, edit), strengths, strict=True):
        embedding = interpolate(neutral, [happy], [strength])
        torch.testing.assert_close(
            ours, stock_latents(stock, portrait, **with_embedding(embedding)), **LATENTS
        )


def test_the_ends_equal_the_stock_pipeline_with_its_own_encoding(
    engine: QwenEngine, stock: QwenImageEditPlusPipeline, portrait: Image.Image
) -> None:
    pass_token_types(stock)
    start, end = our_latents(engine, job(portrait, Target((HAPPY,), ((0.0,), (1.0,)))))
    torch.testing.assert_close(start, stock_latents(stock, portrait, prompt=NEUTRAL), **LATENTS)
    torch.testing.assert_close(end, stock_latents(stock, portrait, prompt=HAPPY), **LATENTS)
    assert (end - start).abs().max() > 100 * LATENTS["atol"]


def test_prompts_of_unequal_length_equal_the_stock_pipeline_at_both_ends(
    engine: QwenEngine, stock: QwenImageEditPlusPipeline, portrait: Image.Image
) -> None:
    """The prompts are encoded in one padded batch; each must come out as if it were alone."""
    pass_token_types(stock)
    start, near, end = our_latents(engine, job(portrait, Target((LONG,), ((0.0,), (1e-4,), (1.0,)))))
    torch.testing.assert_close(start, stock_latents(stock, portrait, prompt=NEUTRAL), **LATENTS)
    torch.testing.assert_close(end, stock_latents(stock, portrait, prompt=LONG), **LATENTS)
    assert (near - start).abs().max() < 0.01 * (end - start).abs().max()


def test_pictures_equal_the_stock_pipelines(
    engine: QwenEngine, stock: QwenImageEditPlusPipeline, portrait: Image.Image
) -> None:
    edit = job(portrait, Target((SAD,), ((1.0,),)))
    (ours,) = list(engine.stream(edit))[-1].images[0]  # type: ignore[union-attr]
    (sad,) = embeddings(engine, portrait, [SAD])
    theirs = run_stock(stock, portrait, "pil", **with_embedding(sad))[0]
    difference = np.asarray(ours, dtype=int) - np.asarray(theirs, dtype=int)
    assert np.abs(difference).max() <= 1


def test_embeddings_equal_the_stock_pipelines(
    engine: QwenEngine, stock: QwenImageEditPlusPipeline, portrait: Image.Image
) -> None:
    pass_token_types(stock)
    ours = embeddings(engine, portrait, [NEUTRAL, LONG, HAPPY])
    for text, embedding in zip([NEUTRAL, LONG, HAPPY], ours, strict=True):
        theirs, _ = stock.encode_prompt(text, image=[portrait])
        torch.testing.assert_close(embedding, theirs[0], rtol=0, atol=1e-5)


def test_with_pixelsmiles_adapter_the_encoder_sees_the_source_as_it_is(
    model_folder: Path, tmp_path: Path, make_stock: MakeStock
) -> None:
    """As the reference shows it: its 512 x 512 source straight to `encode_prompt`, 324 tokens of it."""
    folder = tmp_path / "real"
    shutil.copytree(model_folder, folder)
    (folder / "pixelsmile.json").unlink()  # as on the hub, whose models say nothing about themselves
    adapter = AdapterSpec(str(diffusers_now(tiny_transformer()).save(tmp_path, "my-PixelSmile.safetensors")))
    engine = QwenEngine.load(str(folder), [adapter], place("cpu"))
    source = smooth_picture(512)
    (ours,) = embeddings(engine, source, [HAPPY])
    stock = make_stock(folder, engine, (64, 384))
    pass_token_types(stock)
    theirs, _ = stock.encode_prompt(HAPPY, image=source)
    torch.testing.assert_close(ours, theirs[0], rtol=0, atol=1e-5)
    assert num_picture_tokens(engine, source) == 324
    assert num_picture_tokens(engine, smooth_picture(1024)) == 324
    assert num_picture_tokens(engine, smooth_picture(256)) == 81
    assert engine.info.record["condition_size"] == 512
    assert "revision" not in engine.info.record  # no commit of the hub
    assert set(engine.info.record["fingerprints"]) == {"transformer", "vae", "text_encoder"}
    assert (engine.info.steps, engine.info.guidance) == (50, 1)  # the reference
    alone = QwenEngine.load(str(folder), [], place("cpu"))
    assert num_picture_tokens(alone, source) == num_picture_tokens(alone, smooth_picture(256)) == 196
    assert alone.info.record["condition_size"] == 384  # as the stock pipeline shows it
    assert (alone.info.steps, alone.info.guidance) == (40, 4)  # the card of 2511


def test_with_another_adapter_the_encoder_sees_what_the_base_alone_does(
    model_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "real"
    shutil.copytree(model_folder, folder)
    (folder / "pixelsmile.json").unlink()
    lightning = "Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors"
    for name, remarks in (("style.safetensors", 1), (lightning, 0)):
        adapter = AdapterSpec(str(diffusers_now(tiny_transformer()).save(tmp_path, name)))
        engine = QwenEngine.load(str(folder), [adapter], place("cpu"))
        assert num_picture_tokens(engine, smooth_picture(512)) == 196
        assert engine.info.record["condition_size"] == 384
        assert [remark.startswith("nothing says that adapter") for remark in engine.info.remarks] == [
            True
        ] * remarks


def num_picture_tokens(engine: QwenEngine, source: Image.Image) -> int:
    encoder = engine.encoder
    with torch.inference_mode():
        (prompt,) = encoder.encode(source, [HAPPY], torch.device("cpu"))
    return prompt.token_ids.count(encoder.image_token_id)


def smooth_picture(size_px: int) -> Image.Image:
    y, x = np.mgrid[0:size_px, 0:size_px] / size_px
    pixels = np.stack([x, y, 0.5 + 0.5 * np.sin(6 * x * y)], axis=-1)
    return Image.fromarray((255 * pixels).astype(np.uint8))


def test_the_token_types_matter(
    engine: QwenEngine, stock: QwenImageEditPlusPipeline, portrait: Image.Image
) -> None:
    """Without them the stock pipeline places the picture's tokens on a line: why ours are passed."""
    (ours,) = embeddings(engine, portrait, [NEUTRAL])
    theirs, _ = stock.encode_prompt(NEUTRAL, image=[portrait])
    assert (ours - theirs[0]).abs().max() > 1e-3


@pytest.mark.parametrize("batch_size", [1, 4])
def test_guidance_equals_the_stock_pipelines(
    engine: QwenEngine, stock: QwenImageEditPlusPipeline, portrait: Image.Image, batch_size: int
) -> None:
    """A sweep whose samples share their batches, each away from a negative prompt of another length."""
    strengths = (0.0, 0.5, 1.5)
    edit = job(
        portrait,
        Target((HAPPY,), tuple((s,) for s in strengths)),
        batch_size=batch_size,
        guidance=4.0,
        negative="sad",
    )
    neutral, happy, sad = embeddings(engine, portrait, [NEUTRAL, HAPPY, "sad"])
    assert len(sad) != len(happy)
    away = {f"negative_{name}": value for name, value in with_embedding(sad).items()}
    for ours, strength in zip(our_latents(engine, edit), strengths, strict=True):
        embedding = interpolate(neutral, [happy], [strength])
        theirs = stock_latents(stock, portrait, **with_embedding(embedding), **away, true_cfg_scale=4.0)
        torch.testing.assert_close(ours, theirs, **LATENTS)
    plain = stock_latents(stock, portrait, **with_embedding(embedding))
    assert (plain - theirs).abs().max() > 100 * LATENTS["atol"]


def test_the_template_is_the_stock_pipelines(engine: QwenEngine, stock: QwenImageEditPlusPipeline) -> None:
    from pixelsmile.editing.prompts import PREFIX, SUFFIX

    assert stock.prompt_template_encode == f"{PREFIX}{{}}{SUFFIX}"


def test_the_embedded_checkpoint_equals_the_stock_pipeline(
    portrait: Image.Image, make_stock: MakeStock
) -> None:
    """Through its own encoding, at both ends of a sweep."""
    engine = QwenEngine.load("embedded", [], place("cpu"))
    info = engine.info
    sizes = (info.size, engine.encoder.condition_size.px)
    picture = portrait.resize((info.size, info.size))
    stock = make_stock(model_path(), engine, sizes)
    pass_token_types(stock)
    start, end = our_latents(engine, job(picture, Target((HAPPY,), ((0.0,), (1.0,)))))
    torch.testing.assert_close(start, stock_latents(stock, picture, prompt=NEUTRAL), **TRAINED)
    torch.testing.assert_close(end, stock_latents(stock, picture, prompt=HAPPY), **TRAINED)
