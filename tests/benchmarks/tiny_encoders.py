"""Small identity encoders with random weights."""

from pathlib import Path

import torch

from pixelsmile.faces.encoders.architectures import build
from pixelsmile.faces.encoders.encoder import preprocessing_of
from pixelsmile.faces.encoders.insightface import MobileFaceNetConfig
from pixelsmile.faces.encoders.torch_encoder import EncoderConfig, save_network


def write_encoder(folder: Path, kind: str, seed: int = 0) -> Path:
    """A folder that `load_encoder` reads."""
    shape = MobileFaceNetConfig(num_blocks=(1, 1, 1), width=8, last_width=16, num_features=8)
    preprocessing = preprocessing_of(kind)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(shape, preprocessing.size_px)
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:  # what differs in the picture must still differ in the embedding
                torch.nn.init.kaiming_normal_(parameter)
            elif name.endswith("bias"):  # a grey crop must have an embedding too
                torch.nn.init.normal_(parameter, std=0.05)
    save_network(folder, EncoderConfig(name=kind, preprocessing=preprocessing, architecture=shape), network)
    return folder
