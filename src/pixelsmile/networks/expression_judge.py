"""The network of the embedded judge: twelve scores of an aligned face, and how far it is from drawn faces.

Shape suffixes: B faces, C channels, H and W rows and columns, E expressions, K domains, D dimensions of a
look. A face is (B, 3, H, W) in -1..1 with the sides that the configuration says.
"""

from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from pixelsmile.expressions import DOMAINS, EXPRESSIONS
from pixelsmile.networks.convolutional import (
    ChannelNorm,
    NetworkConfig,
    NumBlocks,
    SmallNetwork,
    Width,
    halving,
    initialise,
    stage,
)

STRIDE_PX = 16  # of the coarsest maps
_LEAST_SPREAD = 1e-2  # of a dimension, against the median of all: below it, it is constant
_LEAST_VARIANCE = 1e-2  # of a direction, against the mean of all


class EmbeddedJudgeConfig(NetworkConfig):
    """What config.json says: channels at strides 2, 4, 8 and 16, residual blocks at the last three."""

    name: str = "drawn-portraits"
    expressions: tuple[str, ...] = EXPRESSIONS
    crop_px: int = Field(default=96, ge=STRIDE_PX, le=1024, multiple_of=STRIDE_PX)
    widths: tuple[Width, Width, Width, Width] = (24, 32, 80, 144)
    num_blocks: tuple[NumBlocks, NumBlocks, NumBlocks] = (1, 2, 2)
    flat_width: Width = 32  # of the last maps, before places are told apart
    num_features: Width = 128
    neutral_below: float = Field(default=0.25, ge=0, le=1)  # with no score at least this, a face is neutral
    note: str = "It was trained on portraits that pixelsmile draws and judges nothing else."

    @field_validator("expressions")
    @classmethod
    def _ours(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if names != EXPRESSIONS:
            raise ValueError(f"it scores {names}, not {EXPRESSIONS}")
        return names


class Seen(NamedTuple):
    """What the network says about faces."""

    scores: Tensor  # BE; below 0 and above 1 too, to be cut: the ends of the scale are no walls
    drawn: Tensor  # B, mean logit over the places of a face: what is here was drawn as pixelsmile draws
    looks: Tensor  # BD: where a face lies among drawn ones


class EmbeddedJudgeNetwork(SmallNetwork):
    """Convolutions down to stride 16, then one view of the whole face: its features, and the scores of those.

    Two things tell drawn faces from all others: each place at stride 8 says whether it looks drawn (outlines,
    shading, noise), and the features must lie where those of drawn faces lie.
    """

    config_type, noun = EmbeddedJudgeConfig, "judge"
    config: EmbeddedJudgeConfig

    def __init__(self, config: EmbeddedJudgeConfig) -> None:
        super().__init__(config)
        at_2, at_4, at_8, at_16 = config.widths
        self.to_2 = nn.Sequential(halving(3, at_2), nn.SiLU())
        self.to_4 = stage(at_2, at_4, config.num_blocks[0])
        self.to_8 = stage(at_4, at_8, config.num_blocks[1])
        self.to_16 = stage(at_8, at_16, config.num_blocks[2])
        num_cells = (config.crop_px // STRIDE_PX) ** 2
        self.to_features = nn.Sequential(
            ChannelNorm(at_16), nn.Conv2d(at_16, config.flat_width, 1), nn.SiLU(), nn.Flatten(),
            nn.Linear(num_cells * config.flat_width, config.num_features), nn.SiLU(),
        )  # fmt: skip
        self.to_scores = nn.Linear(config.num_features, len(config.expressions))
        self.to_drawn = nn.Sequential(
            ChannelNorm(at_8), nn.Conv2d(at_8, config.flat_width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(config.flat_width, 1, 1),
        )  # fmt: skip
        self.region = DrawnRegion(config.num_features)
        initialise(self)
        with torch.no_grad():
            self.to_scores.weight.mul_(0.1)  # all scores start near 0

    def forward(self, faces_BCHW: Tensor) -> Seen:
        """Scores, and what tells drawn faces from others."""
        at_8 = self.to_8(self.to_4(self.to_2(faces_BCHW)))
        features_BD = self.to_features(self.to_16(at_8))
        drawn_B = self.to_drawn(at_8).mean((1, 2, 3))
        return Seen(self.to_scores(features_BD), drawn_B, features_BD.detach())


class DrawnRegion(nn.Module):
    """Where the looks of drawn faces lie: around the mean of each domain, with one shape (Lee et al. 2018).

    A distance is Mahalanobis's from the nearer mean, over the root of the number of dimensions: about 1 for
    a drawn face. What is farther away than `limit`, or less drawn than `least_drawn`, is something else.
    """

    means: Tensor  # KD
    whitening: Tensor  # DD
    limit: Tensor
    least_drawn: Tensor

    def __init__(self, num_dimensions: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(len(DOMAINS), num_dimensions))
        self.register_buffer("whitening", torch.eye(num_dimensions))
        self.register_buffer("limit", torch.zeros(()))
        self.register_buffer("least_drawn", torch.zeros(()))

    def distances(self, looks_BD: Tensor) -> Tensor:
        """How far faces are from drawn ones: B."""
        away_BKD = (looks_BD[:, None] - self.means) @ self.whitening
        return away_BKD.square().mean(-1).sqrt().amin(1)

    @torch.no_grad()
    def fit(self, looks_BD: Tensor, domains_B: Tensor) -> None:
        """Take means and shape from the looks of drawn faces. domains_B: which of DOMAINS each is."""
        looks_BD = looks_BD.double()
        means_KD = torch.stack([looks_BD[domains_B == domain].mean(0) for domain in range(len(DOMAINS))])
        centred_BD = looks_BD - means_KD[domains_B]
        spread_D = centred_BD.square().mean(0).sqrt()
        spread_D = spread_D.clamp(min=_LEAST_SPREAD * float(spread_D.median()))
        scaled_BD = centred_BD / spread_D
        variances, directions = torch.linalg.eigh(scaled_BD.T @ scaled_BD / len(scaled_BD))
        variances = variances.clamp(min=_LEAST_VARIANCE * float(variances.mean()))
        self.means.copy_(means_KD)
        self.whitening.copy_(directions / spread_D[:, None] / variances.sqrt())


def to_tensor(crops_BHWC: np.ndarray) -> Tensor:
    """uint8 crops as the network takes them."""
    return torch.from_numpy(crops_BHWC).permute(0, 3, 1, 2).float() / 127.5 - 1
