"""Numbers that are none: found before a picture is made of them, and traced to where they come from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from pixelsmile.editing.components import Components
from pixelsmile.errors import AdapterError, ModelError, PixelSmileError

_IN_ADAPTER = ".lora_"
_WAY_OUT = "use dtype bfloat16 or float32"


def is_finite(values: Tensor) -> bool:
    """Whether none of them is NaN or an infinity."""
    return bool(values.isfinite().all())


def not_finite(parts: Components, dtype: str, adapters: Sequence[Mapping[str, Any]]) -> PixelSmileError:
    """Why an edit came out as NaN or infinities: what is wrong with the weights, if it is they.

    dtype: the name of the numbers' format. adapters: those that act. Reads all weights: for when it happened.
    """
    for part, name, values in _suspects(parts):
        found = "NaN" if values.isnan().any() else "infinities"
        if _IN_ADAPTER in name:
            named = " or ".join(str(adapter["source"]) for adapter in adapters) or "in training"
            return AdapterError(
                f"no picture: adapter {named} holds {found} ({name}), its training diverged: take an earlier "
                "checkpoint of it"
            )
        advice = _WAY_OUT if dtype == "float16" else "fetch or convert the model again"
        cause = ", they overflow in float16" if dtype == "float16" else ""
        return ModelError(f"no picture: weights of the {part} hold {found} ({name}){cause}: {advice}")
    if dtype == "float16":
        return ModelError(f"no picture: the model's numbers overflow in float16: {_WAY_OUT}")
    if adapters:
        named = ", ".join(str(adapter["source"]) for adapter in adapters)
        return AdapterError(
            f"no picture: with adapter {named} the model's numbers grow beyond {dtype}: lower the strength "
            "or the adapter's scale, or take an earlier checkpoint of it"
        )
    return ModelError(
        f"no picture: the model's numbers grow beyond {dtype}: lower the strength, or {_WAY_OUT}"
    )


def _suspects(parts: Components) -> Iterator[tuple[str, str, Tensor]]:
    """Weights that are not finite: of which part, their name, and they."""
    modules = {"transformer": parts.transformer, "autoencoder": parts.vae, "text encoder": parts.text_encoder}
    for part, module in modules.items():
        for name, values in module.named_parameters():
            # Weights that are elsewhere between two calls cannot be looked at, quantised ones are no numbers.
            if values.device.type != "meta" and values.is_floating_point() and not is_finite(values.detach()):
                yield part, name.replace(".base_layer", ""), values.detach()
