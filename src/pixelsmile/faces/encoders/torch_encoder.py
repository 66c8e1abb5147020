"""Identity encoders in torch: gradients reach the crops, and the weights stay as they are.

They come from safetensors, of three kinds: our own folders with config.json and model.safetensors, folders
of CVLface (AdaFace and ArcFace by AdaFace's author), and files of bare weights as they come from insightface,
AdaFace or facenet-pytorch after conversion.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, float32, nn

from pixelsmile.errors import DeviceError, ModelError
from pixelsmile.faces.alignment import Alignment
from pixelsmile.faces.encoders.architectures import Architecture, State, build, recognise
from pixelsmile.faces.encoders.encoder import ArrayT, Preprocessing, preprocessing_of, require_embeddings
from pixelsmile.faces.encoders.inception_resnet import InceptionResnetConfig
from pixelsmile.limits import read_json, validated
from pixelsmile.store.safetensors_header import read_header

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle")

_FLOATS = ("F16", "BF16", "F32", "F64")

# What wraps a network when it is saved: Lightning, CVLface, DataParallel.
_WRAPPERS = ("model.", "net.", "module.")
_CVLFACE_WRAPPER = "model.net."
# Not part of the embedding: the classifier of the training, and counters.
_LEFT_OUT_PREFIXES = ("logits.", "head.")
_LEFT_OUT_SUFFIX = "num_batches_tracked"


class EncoderConfig(BaseModel):
    """What `config.json` says: the name, what the network is given, its shape, and a note for people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    preprocessing: Preprocessing
    architecture: Architecture
    note: str = ""


class TorchEncoder:
    """An `IdentityEncoder` around one of the networks of `architectures`.

    The network runs in its own precision, also under autocast. Its embeddings are divided by their length
    with no floor: what is not finite stays visible, and stops a training.
    """

    differentiable = True

    def __init__(
        self, name: str, preprocessing: Preprocessing, network: nn.Module, device: str | None = None
    ) -> None:
        self.name = name
        self.preprocessing = preprocessing
        self.network = network.eval().requires_grad_(False).to(_device(device))

    @property
    def size_px(self) -> int:
        """Side of the crops that it takes."""
        return self.preprocessing.size_px

    @property
    def alignment(self) -> Alignment:
        """How a face is cut out of its picture for it."""
        return self.preprocessing.alignment

    def embed(self, crops_BCHW: ArrayT) -> ArrayT:
        """See `IdentityEncoder`. Crops come to the network's device and embeddings go back to theirs."""
        if not isinstance(crops_BCHW, np.ndarray):
            return self._embed(crops_BCHW)
        with torch.no_grad():
            embeddings: Any = self._embed(torch.from_numpy(np.ascontiguousarray(crops_BCHW)))
        return embeddings.numpy()

    def _embed(self, crops_BCHW: Tensor) -> Tensor:
        prepared = self.preprocessing.apply(crops_BCHW).to(self._like())
        with torch.autocast(prepared.device.type, enabled=False):
            embeddings = self.network(prepared)
        require_embeddings(self.name, embeddings, len(crops_BCHW))
        return (embeddings / embeddings.norm(dim=1, keepdim=True)).to(crops_BCHW.device)

    def _like(self) -> Tensor:
        """A weight, for its device and number format."""
        tensors = [*self.network.parameters(), *self.network.buffers()]
        return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.empty(0))


def load_safetensors(path: Path, kind: str | None = None, device: str | None = None) -> TorchEncoder:
    """Load a folder, or one safetensors file (with the config.json beside it, where that is an encoder's).

    kind: which encoder it is; needed where no config says so. ModelError for what is missing, damaged, of
    another network, or a pickle.
    """
    file = _weights_file(path)
    config = _read_config(file.with_name(CONFIG_FILE))
    state = _read_state(file)
    if "architecture" in config:
        return _own(file, config, state, kind, device)
    wrapped = any(name.startswith(_CVLFACE_WRAPPER) for name in state)
    if wrapped and "conf" not in config:
        raise ModelError(
            f"{file} is of CVLface, and only its {CONFIG_FILE} says whether it takes RGB or BGR: "
            "put that beside it"
        )
    return _published(file, config.get("conf"), _unwrapped(state), kind, device)


def save_network(folder: Path, config: EncoderConfig, network: nn.Module) -> None:
    """Write `network` as a folder that `load_safetensors` reads; counters of training are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items() if _is_kept(name)}
    save_file(state, str(folder / WEIGHTS_FILE))
    (folder / CONFIG_FILE).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _own(file: Path, raw: dict[str, Any], state: State, kind: str | None, device: str | None) -> TorchEncoder:
    where = file.with_name(CONFIG_FILE)
    config = validated(EncoderConfig, raw, f"{where} is not valid", error=ModelError)
    if kind not in (None, config.name):
        raise ModelError(
            f"{where} says that the encoder is {config.name!r}, not {kind!r}: leave the kind out"
        )
    network = filled(file, config.architecture, config.preprocessing.size_px, state)
    return TorchEncoder(config.name, config.preprocessing, network, device)


def _published(file: Path, cvlface: Any, state: State, kind: str | None, device: str | None) -> TorchEncoder:
    if kind is None:
        raise ModelError(f"{file} does not say which encoder it is: give its kind, for example adaface")
    preprocessing = preprocessing_of(kind)
    if cvlface is not None:
        preprocessing = _cvlface_preprocessing(file, cvlface)
    found = recognise(state)
    if found is None:
        raise ModelError(
            f"{file} holds no network that is known (it begins with {sorted(state)[:2]}): give weights with "
            "the names of insightface, AdaFace or facenet-pytorch"
        )
    architecture, state = found
    if isinstance(architecture, InceptionResnetConfig) != (kind == "facenet"):
        raise ModelError(f"{file} holds an {architecture.type}, which is not {kind}: give its own kind")
    network = filled(file, architecture, preprocessing.size_px, state)
    return TorchEncoder(kind, preprocessing, network, device)


def _cvlface_preprocessing(file: Path, conf: Any) -> Preprocessing:
    """(x / 255 - 0.5) / 0.5 in the order that it states: CVLface, run_v1/models/iresnet/__init__.py."""
    try:
        return Preprocessing(channel_order=conf["color_space"], size_px=conf["input_size"][-1])
    except (KeyError, TypeError, IndexError, ValidationError):
        raise ModelError(
            f"{file.with_name(CONFIG_FILE)} lacks the colour space and size of CVLface: fetch it again"
        ) from None


def filled(file: Path, architecture: Architecture, size_px: int, state: State) -> nn.Module:
    """The network with the weights of a file. ModelError where they are not exactly the ones that it has."""
    with torch.device("meta"):  # without memory: until the file fits it, it is a claim
        network = build(architecture, size_px)
    wanted = {name: tensor for name, tensor in network.state_dict().items() if _is_kept(name)}
    problems = [f"{name} is missing" for name in wanted if name not in state]
    problems += [f"{name} is unknown" for name in state if name not in wanted]
    problems += [
        f"{name} is {tuple(state[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ModelError(
            f"{file} does not fit its network ({architecture.type} at {size_px} px): "
            f"{'; '.join(problems[:3])}{more}; fetch it again, or give its own kind"
        )
    counters = {name: torch.tensor(0) for name in network.state_dict() if not _is_kept(name)}
    network.load_state_dict({**state, **counters}, assign=True)
    return network


def _weights_file(path: Path) -> Path:
    if path.suffix.lower() in PICKLES:
        raise ModelError(f"{path} is a pickle, which is never loaded: convert it to safetensors")
    if not path.is_dir():
        if not path.is_file():
            raise ModelError(f"there is no file {path}: check the path")
        return path
    file = path / WEIGHTS_FILE
    if file.is_file():
        return file
    pickles = sorted(found.name for found in path.iterdir() if found.suffix.lower() in PICKLES)
    if pickles:
        raise ModelError(
            f"{path} has only {pickles[0]}, a pickle, which is never loaded: convert it to safetensors"
        )
    raise ModelError(f"{path} has no {WEIGHTS_FILE}: give the folder of an encoder")


def _read_config(file: Path) -> dict[str, Any]:
    """The config beside the weights; empty where there is none."""
    if not file.is_file():
        return {}
    config = read_json(file, error=ModelError)
    return config if isinstance(config, dict) else {}


def _read_state(file: Path) -> State:
    header = read_header(file, error=ModelError)
    odd = [name for name, entry in header.tensors.items() if _is_kept(name) and entry.dtype not in _FLOATS]
    if odd:
        raise ModelError(
            f"{file} holds {odd[0]!r} as {header.tensors[odd[0]].dtype}, where weights are floating point: "
            "give the weights as they were published"
        )
    try:
        with safe_open(file, framework="pt") as stream:
            names = [name for name in stream.keys() if _is_kept(name)]  # noqa: SIM118  # no mapping
            return {name: stream.get_tensor(name).to(float32) for name in names}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file} is no whole safetensors file ({error}): fetch or save it again") from None


def _unwrapped(state: State) -> State:
    """The tensors under their own names, without the classifier that they were trained with."""
    bare: dict[str, Tensor] = {}
    for name, tensor in state.items():
        while name.startswith(_WRAPPERS):
            name = name.partition(".")[2]
        if not name.startswith(_LEFT_OUT_PREFIXES):
            bare[name] = tensor
    return bare


def _is_kept(name: str) -> bool:
    return not name.endswith(_LEFT_OUT_SUFFIX)


def _device(name: str | None) -> torch.device:
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):  # an unknown name; a build without CUDA
        raise DeviceError(f"no device {name!r} on this machine for an identity encoder: use cpu") from None
