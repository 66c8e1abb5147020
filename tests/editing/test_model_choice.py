"""Which model edits when nobody names one."""

import pytest

from pixelsmile.editing import model_choice
from pixelsmile.editing.acceleration import Acceleration
from pixelsmile.editing.folders import EMBEDDED, FULL_MODEL, GEOMETRIC
from pixelsmile.editing.model_choice import ModelChoice, choose_model, full_model_options, is_downloaded


@pytest.fixture
def machine(monkeypatch):
    """A machine with that GPU memory, with or without the full model in its cache."""

    def build(memory_gb: float | None, downloaded: bool) -> None:
        monkeypatch.setattr(model_choice, "gpu_memory_gb", lambda device=None: memory_gb)
        monkeypatch.setattr(model_choice, "is_downloaded", lambda repository: downloaded)

    return build


@pytest.mark.parametrize(
    ("memory_gb", "downloaded", "model", "reason"),
    [
        (None, True, EMBEDDED, "no GPU found"),
        (80, False, EMBEDDED, "pixelsmile models fetch qwen-image-edit-2511"),
        (24, True, EMBEDDED, "--offload model --quantization fp8"),
        (80, True, FULL_MODEL, "on the GPU"),
    ],
)
def test_the_default(memory_gb, downloaded, model, reason, machine):
    machine(memory_gb, downloaded)
    choice = choose_model(ModelChoice(), drawn=True)
    assert choice.model == model
    assert reason in (choice.reason or "")
    assert "\n" not in (choice.reason or "")


@pytest.mark.parametrize(
    ("memory_gb", "asked", "model"),
    [
        # What the weights take by `edit_memory`: 20.4 GB of 8 bits, 0.85 of an adapter, 0.23, and 1 of CUDA.
        (24, {"quantization": "fp8", "offload": "model"}, FULL_MODEL),
        (22, {"quantization": "fp8", "offload": "model"}, GEOMETRIC),
        (23, {"quantization": "fp8", "offload": "model"}, FULL_MODEL),
        (23, {"quantization": "fp8", "offload": "model", "preset": "lightning-4"}, GEOMETRIC),
        (23, {"quantization": "fp8", "offload": "model", "preset": "lightning-4", "fuse": True}, FULL_MODEL),
        (23, {"quantization": "fp8", "offload": "model", "preset": "lightning-4", "adapter": ()}, FULL_MODEL),
        (23, {"quantization": "fp8", "offload": "model", "adapter": ["a/b", "c/d"]}, GEOMETRIC),
        (24, {"offload": "model"}, GEOMETRIC),
        (48, {"offload": "model"}, FULL_MODEL),
        (80, {"dtype": "float32"}, GEOMETRIC),
        (80, {"dtype": "bfloat16"}, FULL_MODEL),
        (8, {"offload": "sequential"}, FULL_MODEL),
    ],
)
def test_the_default_is_what_fits_as_it_was_asked_to_be_put(memory_gb, asked, model, machine, monkeypatch):
    machine(memory_gb, True)
    monkeypatch.setattr(ModelChoice, "check_device", lambda self: None)  # no GPU is here
    given = dict(asked)
    acceleration = Acceleration(preset=given.pop("preset", None), fuse=given.pop("fuse", False))
    choice = choose_model(ModelChoice(acceleration=acceleration, **given), drawn=False)
    assert choice.model == model
    if model == GEOMETRIC:
        put = "".join(f" --{name} {asked[name]}" for name in ("offload", "quantization") if name in asked)
        assert f"{FULL_MODEL}{put}" in (choice.reason or "")
        assert len(choice.reason or "") <= 300


def test_what_is_asked_for_is_used_without_a_word(machine):
    machine(80, True)
    assert choose_model(ModelChoice("some/model"), drawn=True) == ModelChoice("some/model")
    assert choose_model(ModelChoice(device="cpu"), drawn=True).model == EMBEDDED
    assert choose_model(ModelChoice(device="cpu"), drawn=False).model == GEOMETRIC


@pytest.mark.parametrize(
    ("memory_gb", "downloaded", "model", "reason"),
    [
        (None, True, GEOMETRIC, "no GPU found: using the geometric model, which moves a mesh of the face"),
        (80, False, GEOMETRIC, "the paper's would do better (pixelsmile doctor says what it needs)"),
        (24, True, GEOMETRIC, "--offload model --quantization fp8"),
        (80, True, FULL_MODEL, "on the GPU"),
    ],
)
def test_the_default_for_a_photograph(memory_gb, downloaded, model, reason, machine):
    machine(memory_gb, downloaded)
    choice = choose_model(ModelChoice(), drawn=False)
    assert choice.model == model
    assert reason in (choice.reason or "")


def test_no_gpu_is_sought_for_a_photograph_without_weights(monkeypatch):
    monkeypatch.setattr(model_choice, "is_downloaded", lambda repository: False)
    monkeypatch.setattr(model_choice, "gpu_memory_gb", lambda device=None: pytest.fail("torch is slow"))
    assert choose_model(ModelChoice(), drawn=False).model == GEOMETRIC


def test_smaller_cards_get_stronger_measures():
    options = [full_model_options(memory_gb) for memory_gb in (80, 48, 24, 16, 8)]
    assert len(set(options)) == 5
    assert all(option.startswith(f"--model {FULL_MODEL}") for option in options)


def test_nothing_is_downloaded_here(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert not is_downloaded(FULL_MODEL)
