"""The networks that safetensors weights are for: chosen by a config, or recognised by the tensors' names."""

import re
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn

from pixelsmile.faces.encoders.inception_resnet import InceptionResnetConfig, InceptionResnetV1
from pixelsmile.faces.encoders.insightface import IResNet, IResNetConfig, MobileFaceNet, MobileFaceNetConfig

Architecture = Annotated[
    IResNetConfig | InceptionResnetConfig | MobileFaceNetConfig, Field(discriminator="type")
]
State = Mapping[str, Tensor]

_STAGES = (1, 2, 3, 4)

# AdaFace's names for what insightface calls otherwise.
_ADAFACE_OUTSIDE = {
    "input_layer.0": "conv1",
    "input_layer.1": "bn1",
    "input_layer.2": "prelu",
    "output_layer.0": "bn2",
    "output_layer.3": "fc",
    "output_layer.4": "features",
}
_ADAFACE_INSIDE = {
    "res_layer.0": "bn1",
    "res_layer.1": "conv1",
    "res_layer.2": "bn2",
    "res_layer.3": "prelu",
    "res_layer.4": "conv2",
    "res_layer.5": "bn3",
    "shortcut_layer.0": "downsample.0",
    "shortcut_layer.1": "downsample.1",
}
_ADAFACE_BLOCK = re.compile(r"body\.(?P<index>\d+)\.(?P<layer>\w+\.\d+)\.(?P<tensor>\w+)$")


def build(architecture: Architecture, size_px: int) -> nn.Module:
    """The network, with random weights, for pictures of `size_px`."""
    match architecture:
        case IResNetConfig():
            return IResNet(architecture, size_px)
        case InceptionResnetConfig():
            return InceptionResnetV1(architecture)
        case MobileFaceNetConfig():
            return MobileFaceNet(architecture, size_px)


def recognise(state: State) -> tuple[Architecture, State] | None:
    """The network that published weights are for, and the weights under our names; None for an unknown one.

    Known are the names of insightface's IResNet, of AdaFace's IR and of facenet-pytorch; the numbers of
    blocks and channels are counted. Whether every tensor fits is left to the loading.
    """
    try:
        return _recognise(state)
    except ValidationError:  # tensors are missing, so that a count is 0
        return None


def _recognise(state: State) -> tuple[Architecture, State] | None:
    if "body.0.res_layer.1.weight" in state:
        state = _from_adaface(state)
        return _iresnet(state, "subsampling"), state
    if "layer1.0.conv1.weight" in state and "conv1.weight" in state and "fc.weight" in state:
        return _iresnet(state, "convolution"), state
    if "conv2d_1a.conv.weight" in state and "last_linear.weight" in state:
        return _inception(state), state
    return None


def _iresnet(state: State, shortcut: str) -> IResNetConfig:
    return IResNetConfig.model_validate(
        {
            "layers": tuple(_count(state, f"layer{stage}.") for stage in _STAGES),
            "widths": tuple(_width(state, f"layer{stage}.0.conv1.weight") for stage in _STAGES),
            "stem_width": _width(state, "conv1.weight"),
            "num_features": _width(state, "fc.weight"),
            "shortcut": shortcut,
        }
    )


def _inception(state: State) -> InceptionResnetConfig:
    published_stem_width = 32
    num_blocks = tuple(_count(state, f"repeat_{index}.") for index in (1, 2, 3))
    return InceptionResnetConfig.model_validate(
        {
            "num_blocks": num_blocks,
            "width": _width(state, "conv2d_1a.conv.weight") / published_stem_width,
            "num_features": _width(state, "last_linear.weight"),
        }
    )


def _from_adaface(state: State) -> State:
    """AdaFace's weights under insightface's names."""
    place = _places(state)
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        layer, _, last = name.rpartition(".")
        if layer in _ADAFACE_OUTSIDE:
            renamed[f"{_ADAFACE_OUTSIDE[layer]}.{last}"] = tensor
        elif (match := _ADAFACE_BLOCK.match(name)) and match["layer"] in _ADAFACE_INSIDE:
            block = place.get(int(match["index"]), "a block out of order")
            renamed[f"{block}.{_ADAFACE_INSIDE[match['layer']]}.{match['tensor']}"] = tensor
        else:
            renamed[name] = tensor  # the loading will say that it is unknown
    if "features.running_mean" in renamed:  # its last normalisation has no weights of its own
        renamed.setdefault("features.weight", torch.ones_like(renamed["features.running_mean"]))
        renamed.setdefault("features.bias", torch.zeros_like(renamed["features.running_mean"]))
    return renamed


def _places(state: State) -> dict[int, str]:
    """Where each of AdaFace's blocks belongs: a stage begins where the number of channels changes."""
    places: dict[int, str] = {}
    stage, first, previous = 0, 0, 0
    for index in range(_count(state, "body.")):
        width = _width(state, f"body.{index}.res_layer.1.weight")
        if width != previous:
            stage, first, previous = stage + 1, index, width
        places[index] = f"layer{stage}.{index - first}"
    return places


def _count(state: State, prefix: str) -> int:
    """How many numbered parts there are under a prefix."""
    return len({name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)})


def _width(state: State, name: str) -> int:
    return int(state[name].shape[0]) if name in state else 0
