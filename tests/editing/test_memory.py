"""What an edit takes, computed from shapes: against the modules, and against what torch allocates."""

from copy import deepcopy

import pytest
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from perf.memory import (
    LAYERS,
    build,
    counted_flop,
    decoder_peak,
    estimated_flop,
    kept_bytes,
    step_peak,
    transformer_peak,
)
from pixelsmile.editing import autoencoder
from pixelsmile.editing.components import shapes_of
from pixelsmile.editing.memory import (
    FULL_SHAPES,
    RESERVE_GB,
    TILE_PX,
    WAYS,
    best_way,
    card_rows,
    decoder_numbers,
    edit_memory,
    least_gb,
    too_large,
    transformer_numbers,
)
from pixelsmile.store.configuration import read_configuration
from pixelsmile.training import estimate, preset_path
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.step_memory import least_checkpointed, training_gb, training_way

TOLERANCE = 0.1


@pytest.mark.parametrize(
    ("width", "size_px", "text_tokens", "batch"), [(256, 512, 100, 1), (512, 256, 200, 2)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_forward_takes_what_is_said(width, size_px, text_tokens, batch, dtype):
    found = transformer_peak(width, size_px, text_tokens, batch, dtype)
    said = transformer_numbers(width, size_px, batch, text_tokens) * dtype.itemsize
    assert said == pytest.approx(found, rel=TOLERANCE)


def test_a_base_in_few_bits_keeps_no_more_for_a_gradient_than_a_whole_one():
    found = {kind: kept_bytes(kind, 256, 128, 40, torch.float32) for kind in LAYERS}
    weights, kept = found["whole"]
    for kind in ("fp8", "GGUF"):
        assert found[kind][0] < 0.3 * weights
        assert found[kind][1] == pytest.approx(kept, rel=0.05)
    assert found["diffusers' GGUF"][1] > kept + 0.4 * weights  # what is avoided


@pytest.mark.parametrize("checkpointed", [0, 2, 4])
def test_a_step_of_training_takes_what_is_said(checkpointed):
    middle = build((256, 4, 256, 100, 1), torch.float32, checkpointed)
    shape = middle.shape
    said = shape.transformer_numbers * shape.number_bytes
    assert said == pytest.approx(step_peak(middle), rel=TOLERANCE)
    assert estimated_flop(shape) == pytest.approx(counted_flop(middle), rel=0.05)


def test_under_autocast_an_adapter_keeps_no_copies_of_what_it_sees():
    """PEFT itself makes one in 32 bits for each layer: three of one input for query, key and value."""
    middle = build((64, 1, 64, 20, 1), torch.bfloat16, 0, rank=1)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda it: kept.append(it) or it, lambda it: it):
        middle.loss()
    of_pictures = [it for it in kept if it.shape[-2:] == (32, 64) and it.dtype == torch.bfloat16]
    assert len({it.data_ptr() for it in of_pictures}) < len(of_pictures) - 1


@pytest.mark.parametrize(("base_channels", "size_px"), [(8, 64), (16, 128)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_decoding_takes_what_is_said(base_channels, size_px, dtype):
    found = decoder_peak(base_channels, size_px, dtype)
    said = decoder_numbers(base_channels, size_px, number_bytes=dtype.itemsize) * dtype.itemsize
    assert said == pytest.approx(found, rel=TOLERANCE)


def test_no_more_than_a_tile_is_decoded_at_a_time():
    assert TILE_PX == autoencoder.TILE_PX
    assert decoder_numbers(96, 512, 4) == decoder_numbers(96, 1024) == decoder_numbers(96, 512, 12)
    assert decoder_numbers(96, 2048) == decoder_numbers(96, 4096) < 1.5 * decoder_numbers(96, 1024)


@pytest.fixture(scope="module")
def full_model():
    """Those of Qwen-Image-Edit-2511: diffusers' defaults, and Qwen2.5-VL-7B."""
    with torch.device("meta"):
        transformer = QwenImageTransformer2DModel(zero_cond_t=True)
        vae = AutoencoderKLQwenImage()
        text_encoder = Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(
                tie_word_embeddings=False,
                text_config={
                    "vocab_size": 152064,
                    "hidden_size": 3584,
                    "intermediate_size": 18944,
                    "num_hidden_layers": 28,
                    "num_attention_heads": 28,
                    "num_key_value_heads": 4,
                    "rope_parameters": {
                        "rope_type": "default",
                        "mrope_section": [16, 24, 24],
                        "rope_theta": 1e6,
                    },
                    "tie_word_embeddings": False,
                },
                vision_config={
                    "depth": 32,
                    "hidden_size": 1280,
                    "intermediate_size": 3420,
                    "num_heads": 16,
                    "out_hidden_size": 3584,
                },
            )
        )
    return transformer, vae, text_encoder


def test_the_full_model_has_these_shapes(full_model):
    assert shapes_of(*full_model) == FULL_SHAPES


@pytest.mark.parametrize(("quantization", "batch_size"), [(None, 4), ("fp8", 1), ("4bit", 2)])
def test_what_a_training_takes_is_what_a_dry_run_says(
    quantization, batch_size, full_model, tmp_path, monkeypatch
):
    (tmp_path / "model_index.json").write_text('{"_class_name": "QwenImageEditPlusPipeline"}')
    monkeypatch.setattr(estimate, "_config_folder", lambda model: tmp_path)
    monkeypatch.setattr(estimate, "without_storage", lambda folder: deepcopy(full_model))
    recipe = read_configuration(preset_path("human"), TrainingConfig, ["data.triplets=t.jsonl"])
    model = recipe.model.model_copy(update={"quantization": quantization})
    run = recipe.run.model_copy(update={"batch_size": batch_size})
    said = estimate.estimate(recipe.model_copy(update={"model": model, "run": run}), on_gpu=True)
    assert training_gb(quantization, batch_size) == pytest.approx(said.total_gb + RESERVE_GB, rel=1e-3)


def test_a_card_trains_on_the_best_base_that_fits():
    assert training_way(80 * 1.0737) == ("16 bits", 4)  # as the recipe says
    assert training_way(48 * 1.0737) == ("fp8", 2)
    assert training_way(24 * 1.0737) == ("no training", 0)
    assert training_gb("4bit", 2) <= 32 * 1.0737 < training_gb("fp8", 1)


def test_a_card_says_how_many_blocks_must_be_checkpointed():
    assert least_checkpointed(24 * 1.0737) is None
    assert least_checkpointed(141 * 1.0737) == 0
    number = least_checkpointed(80 * 1.0737)
    assert number is not None
    assert training_gb(None, 1, number) <= 80 * 1.0737 < training_gb(None, 1, number - 1)


def test_every_way_takes_less_than_the_one_before_of_its_kind():
    for quantization in (None, "8bit", "4bit"):
        whole, parts = (edit_memory(quantization=quantization, offload=way) for way in ("none", "model"))
        assert parts.total < whole.total
    assert least_gb("4bit", "model") < least_gb("8bit", "model") < least_gb(None, "model")
    assert edit_memory(batch_size=6).working > edit_memory().working
    assert edit_memory(transformer_gb=13.0).weights < edit_memory().weights


@pytest.mark.parametrize("way", WAYS)
def test_a_way_is_taken_as_soon_as_it_fits(way):
    quantization, offload = way
    needed = edit_memory(quantization=quantization, offload=offload).total
    assert WAYS.index(best_way(needed)) <= WAYS.index(way)
    assert best_way(0.1) == (None, "sequential")


def test_larger_cards_run_no_less():
    rows = list(card_rows())
    assert [row.card_gb for row in rows] == sorted(row.card_gb for row in rows)
    assert all(row.size_px >= 512 and row.batch_size >= 1 for row in rows)
    assert rows[-1].options == "none needed"


def test_a_card_that_is_too_small_is_told_what_fits():
    said = too_large(FULL_SHAPES, 24.0, None, "none")
    assert said is not None
    assert "the GPU has 24 GB, the weights that would be on it at once take 58 GB" in said
    assert "use --offload model --quantization fp8 (pixelsmile doctor --cards)" in said
    assert too_large(FULL_SHAPES, 24.0, "fp8", "model") is None
    assert too_large(FULL_SHAPES, 80.0, None, "none") is None
    in_a_file = too_large(FULL_SHAPES, 20.0, None, "none", transformer_gb=11.6)
    assert "use --offload model (" in str(in_a_file)
    in_a_file = too_large(FULL_SHAPES, 16.0, None, "model", transformer_gb=11.6)  # the text encoder is larger
    assert "use --offload model --quantization fp8 (" in str(in_a_file)
    assert "a file of fewer bits" in str(too_large(FULL_SHAPES, 8.0, "4bit", "model", transformer_gb=11.6))


def test_a_training_counts_the_vocabulary_whole_as_an_edit_does():
    """Of the text encoder: what `model.quantization` leaves in 16 bits."""
    for quantization, each in (("fp8", 1.0), ("4bit", 0.53), (None, 2.0)):
        part = estimate._text_encoder(FULL_SHAPES, each, 2.0)
        edit = edit_memory(offload="model", quantization=quantization, transformer_gb=0)
        assert part.size_gb == pytest.approx(edit.weights)
