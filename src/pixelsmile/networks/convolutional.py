"""What the small convolutional networks of ours share: blocks, where training starts, and their folders.

A folder holds the shape of a network (config.json) and its weights (model.safetensors).
Shape suffixes: B pictures, C channels, H and W rows and columns of a map.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pixelsmile.errors import ModelError
from pixelsmile.limits import read_json_object, validated
from pixelsmile.store.safetensors_header import read_header

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
_SHOWN = 3  # of what does not fit, so much is named

Width = Annotated[int, Field(ge=1, le=4096)]  # channels of maps, numbers of a feature
NumBlocks = Annotated[int, Field(ge=0, le=64)]


class NetworkConfig(BaseModel):
    """The shape of a network, as its config.json states it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SmallNetwork(nn.Module):
    """A network of ours that is kept in a folder. Subclasses say which configuration builds them."""

    config_type: ClassVar[type[NetworkConfig]]
    noun: ClassVar[str]  # what it is called in messages

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The network in `folder`, in float32, for inference.

        ModelError where it is absent or damaged: a file that is cut short, a tensor too many or too few,
        another shape, a number that is none. Nothing is allocated for a configuration that the weights do
        not fit.
        """
        missing = [name for name in (CONFIG_FILE, WEIGHTS_FILE) if not (folder / name).exists()]
        if missing:
            raise ModelError(
                f"there is no {cls.noun} in {str(folder)!r}, it lacks {missing[0]}: check the folder"
            )

        def damaged(reason: object) -> ModelError:
            return ModelError(f"the {cls.noun} in {str(folder)!r} is damaged ({reason}): train it again")

        read = read_json_object(folder / CONFIG_FILE, error=damaged)
        config = validated(cls.config_type, read, CONFIG_FILE, error=damaged)
        read_header(folder / WEIGHTS_FILE, error=damaged)
        try:
            with torch.device("meta"):
                network = cls(config)
            state = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS_FILE).items()}
        except (RuntimeError, ValueError, OSError, SafetensorError) as error:
            raise damaged(" ".join(str(error).split())) from error
        if problems := list(_problems(network.state_dict(), state)):
            more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            raise damaged("; ".join(problems[:_SHOWN]) + more)
        network.load_state_dict(state, assign=True)
        return network.eval().requires_grad_(False)

    def save(self, folder: Path) -> None:
        """Write a folder that `load` reads: weights in float16, what was counted or fitted in float32."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name for name, _ in self.named_parameters()}
        state = {
            name: (tensor.half() if name in weights else tensor.float()).detach().contiguous()
            for name, tensor in self.state_dict().items()
        }
        save_file(state, folder / WEIGHTS_FILE)
        (folder / CONFIG_FILE).write_text(self.config.model_dump_json(indent=2) + "\n", encoding="utf-8")


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each place: what is far away changes nothing here."""

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        return super().forward(maps_BCHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two convolutions whose sum with what came in goes on; it starts as the identity."""

    def __init__(self, width: int, norm: Callable[[int], nn.Module] = ChannelNorm) -> None:
        super().__init__()
        self.norm = norm(width)
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        return maps_BCHW + self.second(nn.functional.silu(self.first(self.norm(maps_BCHW))))


def stage(
    width_in: int, width_out: int, num_blocks: int, norm: Callable[[int], nn.Module] = ChannelNorm
) -> nn.Sequential:
    """To half the sides, then some blocks."""
    blocks = (ResidualBlock(width_out, norm) for _ in range(num_blocks))
    return nn.Sequential(halving(width_in, width_out), *blocks)


def halving(width_in: int, width_out: int) -> nn.Conv2d:
    """A convolution to half the sides."""
    return nn.Conv2d(width_in, width_out, 3, stride=2, padding=1)


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """He's initialisation; blocks start as the identity."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            nn.init.zeros_(module.second.weight)


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
