"""Looking at a training while it runs: what comes of weights that are no numbers."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from editing.conftest import model_folder
from PIL import Image

from pixelsmile.editing.devices import place
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.errors import AdapterError
from pixelsmile.training.adapter import adapter_bytes, adapter_parameters, add_adapter
from pixelsmile.training.config import AdapterSettings, ValidationSettings
from pixelsmile.training.validation import Validator

__all__ = ["model_folder"]


def test_an_adapter_that_diverged_gives_no_sheet(model_folder: Path, tmp_path: Path) -> None:
    engine = QwenEngine.load(str(model_folder), [], place("cpu"))
    settings = AdapterSettings(rank=2, lora_alpha=2.0)
    add_adapter(engine.parts.transformer, settings, seed=0)
    portrait = tmp_path / "portrait.png"
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(portrait)
    looks = ValidationSettings(every=1, expressions=("happy",), strengths=(0.0, 1.0), num_sampling_steps=1)
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    validate = Validator(
        engine, partial(adapter_bytes, settings=settings), looks, [portrait], "human", 64, sheets
    )
    assert len(validate(1).pictures) == len(list(sheets.iterdir())) == 1
    with torch.no_grad():
        next(iter(adapter_parameters(engine.parts.transformer).values())).fill_(torch.nan)
    with pytest.raises(AdapterError, match=r"not finite.*lora_A.*training diverged"):
        validate(2)
    assert [path.name for path in sheets.iterdir()] == ["step-00000001-portrait.png"]
