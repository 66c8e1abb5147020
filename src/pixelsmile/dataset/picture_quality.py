"""Quality of a picture by a metric without a reference, of the many that pyiqa knows by name.

Most have weights, which pyiqa fetches when a metric is first made; `piqe` and `entropy` have none.
"""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image
from pydantic import JsonValue

from pixelsmile.errors import InputError, ModelError, install, one_line
from pixelsmile.hashing import sha256_bytes, sha256_json

_MAX_REASON = 120  # characters of what pyiqa says


@cache
def load_metric(name: str) -> Any:
    """pyiqa's metric of this name, on the CPU. InputError for none; ModelError where it cannot be loaded."""
    try:
        import pyiqa
    except Exception as error:  # torchvision, which it needs, raises RuntimeError beside another torch
        reason = one_line(error, _MAX_REASON)
        raise ModelError(
            f"faces.quality needs pyiqa and a torchvision that fits torch ({reason}): {install('quality')}"
        ) from error
    known = pyiqa.list_models("NR")
    if name not in known:
        raise InputError(
            f"pyiqa knows no metric {name!r} that needs no reference: choose one of pyiqa.list_models('NR')"
        )
    try:
        return pyiqa.create_metric(name, device="cpu").eval()
    except Exception as error:  # networks that are not reached, files that are none, packages that lack
        reason = one_line(error, _MAX_REASON)
        raise ModelError(
            f"pyiqa's metric {name} cannot be loaded ({reason}): its weights are fetched from the hub once; "
            "piqe and entropy have none"
        ) from error


def metric_record(name: str) -> JsonValue:
    """The metric's name, and the hash of its weights. Errors as `load_metric`."""
    weights = load_metric(name).state_dict()
    hashes = {key: sha256_bytes(value.cpu().numpy().tobytes()) for key, value in weights.items()}
    return {"metric": name, "sha256": sha256_json(hashes)}


def quality_of(image: Image.Image, name: str) -> float:
    """The metric's number for a whole picture. Errors as `load_metric`, and what the metric raises."""
    import torch

    metric = load_metric(name)
    levels_HWC = np.asarray(image.convert("RGB"), np.float32) / 255
    with torch.inference_mode():
        return float(metric(torch.from_numpy(levels_HWC.transpose(2, 0, 1)[None].copy())))
