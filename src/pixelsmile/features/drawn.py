"""The embedded image encoder: for drawn portraits what CLIP is for photographs. It knows nothing else.

Shape suffixes: B pictures, C = 3 channels (RGB), H and W height and width in pixels, D numbers of a feature.
"""

from functools import cached_property
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

from pixelsmile.features.encoder import require_pictures, sha256_encoder, unit_length
from pixelsmile.networks.expression_features import DrawnFeaturesNetwork, look_through


class DrawnEncoder:
    """An `ImageEncoder` around the small network. It runs in float32, also under autocast."""

    def __init__(self, network: DrawnFeaturesNetwork, device: str | torch.device = "cpu") -> None:
        self._device = torch.device(device)
        self._network = network.eval().requires_grad_(False).float()
        self._network.to(self._device, memory_format=torch.channels_last)
        self.name = network.config.name

    @classmethod
    def from_folder(cls, folder: str | PathLike[str], device: str | torch.device = "cpu") -> "DrawnEncoder":
        """The encoder that the recipe wrote to `folder`; ModelError where it is absent or damaged."""
        return cls(DrawnFeaturesNetwork.load(Path(folder)), device)

    @cached_property
    def sha256(self) -> str:
        """See `ImageEncoder`."""
        return sha256_encoder(self._network, self._network.config.model_dump(mode="json"))

    @property
    def looked_at(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the part of a picture that it sees, in shares of its sides."""
        window = self._network.config.window
        return window.left, window.top, window.left + window.side, window.top + window.side

    def features(self, images_BCHW: Tensor) -> Tensor:
        """See `ImageEncoder`. Pictures come to the network's device and features go back to theirs."""
        require_pictures(images_BCHW)
        config = self._network.config
        with torch.autocast(self._device.type, enabled=False):
            windows_BCHW = look_through(
                config.window, images_BCHW.to(self._device, torch.float32), config.window_px
            )
            found_BD = self._network(windows_BCHW.contiguous(memory_format=torch.channels_last))
        return unit_length(found_BD).to(images_BCHW.device)
