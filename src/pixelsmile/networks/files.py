"""The small networks of ours on disk: folders with their shape (config.json) and their weights."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import torch
from pydantic import BaseModel, Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pixelsmile.errors import ModelError
from pixelsmile.limits import read_json_object, validated
from pixelsmile.store.safetensors_header import read_header

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
_SHOWN = 3  # of what does not fit, so much is named

Width = Annotated[int, Field(ge=1, le=4096)]  # channels of maps, numbers of a feature
NumBlocks = Annotated[int, Field(ge=0, le=64)]

Config = TypeVar("Config", bound=BaseModel)
Network = TypeVar("Network", bound=nn.Module)


def read_network(folder: Path, kind: type[Config], build: Callable[[Config], Network], what: str) -> Network:
    """The network in `folder`, in float32, for inference.

    build: makes one of its configuration. what: the name of such a thing, for messages. ModelError where it
    is absent or damaged: a file that is cut short, a tensor too many or too few, another shape, a number that
    is none. Nothing is allocated for a configuration that the weights do not fit.
    """
    missing = [name for name in (CONFIG_FILE, WEIGHTS_FILE) if not (folder / name).exists()]
    if missing:
        raise ModelError(f"there is no {what} in {str(folder)!r}, it lacks {missing[0]}: check the folder")

    def damaged(reason: object) -> ModelError:
        return ModelError(f"the {what} in {str(folder)!r} is damaged ({reason}): train it again")

    config = validated(
        kind, read_json_object(folder / CONFIG_FILE, error=damaged), CONFIG_FILE, error=damaged
    )
    read_header(folder / WEIGHTS_FILE, error=damaged)
    try:
        with torch.device("meta"):
            network = build(config)
        state = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS_FILE).items()}
    except (RuntimeError, ValueError, OSError, SafetensorError) as error:
        raise damaged(" ".join(str(error).split())) from error
    problems = list(_problems(network.state_dict(), state))
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise damaged("; ".join(problems[:_SHOWN]) + more)
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def _problems(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Iterator[str]:
    for name in sorted(wanted.keys() | state.keys()):
        if name not in state:
            yield f"{name} is missing"
        elif name not in wanted:
            yield f"{name} is unknown"
        elif state[name].shape != wanted[name].shape:
            yield f"{name} is {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}"
        elif not state[name].isfinite().all():
            yield f"{name} holds NaN or infinities"
