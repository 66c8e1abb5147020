"""Textual latent interpolation between CONDITIONINGs (PixelSmile, Eq. 4 and 5), for models in ComfyUI itself.

A CONDITIONING is a list of entries [embedding (1, T, D), settings]. What a text encode node makes of a
neutral prompt and of an expression's becomes one that lies between them, or beyond:

    all        e_neu + sum_k w_k (e_k - e_neu), token by token: needs prompts of one length
    velocity   an entry for each prompt, whose predictions ComfyUI adds with weights 1 - sum w_k and w_k

ComfyUI divides what it adds by the sum of the weights, which is 1 here whatever the strength: so the second
is the same sum over predicted velocities, exactly, and serves prompts of any length. Padding does not: the
norm of the model brings the padded tokens back at full size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pixelsmile.editing.conditioning import Prompt, choose_interpolation, condition, interpolate
from pixelsmile.errors import InputError

METHODS = ("auto", "all", "velocity")  # of INTERPOLATIONS those that need no token ids
Conditioning = Sequence[Sequence[Any]]
_POOLED, _STRENGTH = "pooled_output", "strength"


def interpolated(
    neutral: Conditioning, targets: Sequence[Conditioning], weights: Sequence[float], method: str = "auto"
) -> list[list[Any]]:
    """The conditioning at weights w_k of the targets: zeros give the neutral one, a single 1 that target.

    method: one of METHODS; `auto` takes all tokens where the prompts have one length, velocities otherwise.
    What else an entry holds (reference latents and so on) is the neutral prompt's, with velocities that of
    each prompt. InputError, ExpressionError for what cannot be interpolated.
    """
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}: choose from {', '.join(METHODS)}")
    entries = [_entry("neutral", neutral), *(_entry("target", target) for target in targets)]
    _check_alike([embedding for embedding, _ in entries])
    prompts = [Prompt("", tuple(range(embedding.shape[1])), embedding[0]) for embedding, _ in entries]
    form = choose_interpolation(method, prompts[0], prompts[1:])
    terms = condition(form, prompts[0], prompts[1:], weights)
    if form == "velocity":
        own = {id(prompt.embedding): settings for prompt, (_, settings) in zip(prompts, entries, strict=True)}
        return [
            [term.embedding[None], _weighted(own[id(term.embedding)], float(term.weight))] for term in terms
        ]
    settings = dict(entries[0][1])
    pooled = [settings.get(_POOLED) for _, settings in entries]
    if all(isinstance(one, Tensor) for one in pooled):
        settings[_POOLED] = interpolate(pooled[0], pooled[1:], weights)
    return [[terms[0].embedding[None], settings]]


def _entry(name: str, conditioning: Conditioning) -> tuple[Tensor, dict[str, Any]]:
    """The one entry of a conditioning of one prompt."""
    if len(conditioning) != 1:
        raise InputError(
            f"the {name} conditioning has {len(conditioning)} entries, where one prompt's is needed: connect "
            "what a text encode node gives"
        )
    embedding, settings = conditioning[0][0], conditioning[0][1]
    if not isinstance(embedding, Tensor) or embedding.ndim != 3 or embedding.shape[0] != 1:
        shape = tuple(embedding.shape) if isinstance(embedding, Tensor) else type(embedding).__name__
        raise InputError(f"the {name} conditioning is {shape}, where (1, tokens, channels) is needed")
    if not bool(torch.isfinite(embedding).all()):
        raise InputError(f"the {name} conditioning holds NaN or infinities: load the text encoder again")
    return embedding, dict(settings)


def _check_alike(embeddings: Sequence[Tensor]) -> None:
    channels = sorted({embedding.shape[-1] for embedding in embeddings})
    if len(channels) > 1:
        raise InputError(
            f"the conditionings have {', '.join(map(str, channels))} channels, so they are of several text "
            "encoders: encode all prompts with one"
        )


def _weighted(settings: dict[str, Any], weight: float) -> dict[str, Any]:
    return {**settings, _STRENGTH: settings.get(_STRENGTH, 1.0) * weight}
