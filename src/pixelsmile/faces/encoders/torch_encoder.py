"""An identity encoder in torch: gradients reach the crops, and the weights stay as they are."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pixelsmile.errors import DeviceError
from pixelsmile.faces.alignment import Alignment
from pixelsmile.faces.encoders.encoder import ArrayT, Preprocessing, require_embeddings


class TorchEncoder:
    """An `IdentityEncoder` around a network: one of `architectures`, or an `OnnxGraph`.

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


def _device(name: str | None) -> torch.device:
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):  # an unknown name; a build without CUDA
        raise DeviceError(f"no device {name!r} on this machine for an identity encoder: use cpu") from None
