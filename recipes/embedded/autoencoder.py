"""The autoencoder of the embedded editor: AutoencoderKLQwenImage, trained on crops of drawn portraits.

Then what the editor is trained on, computed once: latents of all portraits, and what the text encoder sees.
Shape suffixes: N, B pictures, C channels, H and W height and width.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import (
    QwenImageAttentionBlock,
    QwenImageResidualBlock,
)
from PIL import Image
from torch import Tensor, nn

from pixelsmile.editing.autoencoder import decode_frames, encode_frames, normalise
from pixelsmile.editing.pictures import resized
from recipes.embedded.plan import AutoencoderPhase, AutoencoderPlan
from recipes.embedded.text import build_image_processor
from recipes.optimisation import Losses, autocast, train
from recipes.pictures import ArrayFile, fill, load_autoencoder, to_tensor
from recipes.work_folder import whole_folder

BATCH = 16  # of pictures whose latents are computed
VALUES_PER_PATCH = 1176  # of Qwen2-VL: two frames of 14 x 14 px in three colours
MAX_COLOUR_GAIN = 6.0
COLOUR_LENGTH, LATENT_LENGTH = 1.5, 6.0  # about those of a colour and of a latent, as vectors


def build(plan: AutoencoderPlan, seed: int) -> AutoencoderKLQwenImage:
    """An untrained autoencoder.

    The attention of the middle blocks is switched off (its projection is zero and frozen): what it would
    learn on crops of 8 x 8 latents would not hold on whole pictures of 32 x 32.
    """
    torch.manual_seed(seed)
    vae = AutoencoderKLQwenImage(
        base_dim=plan.base_dim,
        z_dim=plan.z_dim,
        dim_mult=list(plan.dim_mult),
        num_res_blocks=plan.num_res_blocks,
        temperal_downsample=[False] * (len(plan.dim_mult) - 1),
        latents_mean=[0.0] * plan.z_dim,
        latents_std=[1.0] * plan.z_dim,
    )
    for module in vae.modules():
        if isinstance(module, nn.Conv3d | nn.Conv2d):
            _start_as_isometry(module)
    for conv, length in ((vae.encoder.conv_in, COLOUR_LENGTH), (vae.decoder.conv_in, LATENT_LENGTH)):
        _give_reference(conv, length)
    for module in vae.modules():
        if isinstance(module, QwenImageResidualBlock):
            nn.init.zeros_(module.conv2.weight)
        if isinstance(module, QwenImageAttentionBlock):
            nn.init.zeros_(module.proj.weight)
            module.requires_grad_(False)
    return vae


@torch.no_grad()
def _start_as_isometry(conv: nn.Conv3d | nn.Conv2d) -> None:
    """Delta-orthogonal weights (Xiao et al. 2018): the middle tap keeps lengths, the others are zero.

    Colours then pass the whole network from the first step; from random weights they take thousands of steps.
    Of a 3-D kernel only the last slice in time meets a single picture.
    """
    middle = tuple(size // 2 for size in conv.kernel_size[-2:])
    tap = nn.init.orthogonal_(torch.empty(conv.out_channels, conv.in_channels))
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    if isinstance(conv, nn.Conv3d):
        conv.weight[:, :, -1, middle[0], middle[1]] = tap
    else:
        conv.weight[:, :, middle[0], middle[1]] = tap


@torch.no_grad()
def _give_reference(conv: nn.Conv3d, length: float) -> None:
    """Start with a bias of that length, at right angles to everything that the input can say.

    The RMS norms before the outputs keep directions and drop lengths: of three colours two numbers would be
    left. Beside a constant, a length is a direction.
    """
    tap = conv.weight[:, :, -1, 1, 1]
    bias = torch.randn(conv.out_channels)
    bias -= tap @ torch.linalg.lstsq(tap, bias[:, None]).solution[:, 0]
    conv.bias.copy_(length * bias / bias.norm())  # pyright: ignore[reportOptionalMemberAccess]


@torch.no_grad()
def _whiten_colours(vae: AutoencoderKLQwenImage, pictures_NHWC: np.ndarray) -> None:
    """Let the first layer see the three principal colours at one size.

    Skin, hair and most backgrounds lie near a plane of warm colours; what lies off it is learned late else.
    """
    colours = (
        to_tensor(pictures_NHWC[:: max(1, len(pictures_NHWC) // 256), ::8, ::8]).transpose(0, 1).flatten(1)
    )
    variances, axes = torch.linalg.eigh(torch.cov(colours))
    gains = (variances[-1] / variances).sqrt().clamp(max=MAX_COLOUR_GAIN)
    kernel = vae.encoder.conv_in.weight[:, :, -1]
    kernel.copy_(torch.einsum("ochw,cr->orhw", kernel, gains[:, None] * axes.T))


def train_autoencoder(
    plan: AutoencoderPlan,
    seed: int,
    pictures_NHWC: np.ndarray,
    folder: Path,
    compile_network: bool,
    device: torch.device,
    start: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """Train on crops of `pictures_NHWC` (uint8) phase by phase, then write the diffusers folder `folder/vae`.

    Nothing is done where it is. start: a finished model folder to go on from, without the first phase.
    """
    if (folder / "vae" / "config.json").is_file():
        return
    vae = build(plan, seed)
    if start is None:
        _whiten_colours(vae, pictures_NHWC)
    else:
        vae.load_state_dict(load_autoencoder(start / "vae").state_dict())
    vae.to(device)

    def reconstruct(images_BCHW: Tensor, noise_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        latents_BCHW, _ = encode_frames(vae, images_BCHW)
        return decode_frames(vae, latents_BCHW + noise_BCHW, clamp=False), latents_BCHW

    forward = torch.compile(reconstruct, dynamic=False) if compile_network else reconstruct

    for index, phase in enumerate(plan.phases):
        if phase == plan.phases[0] and start is not None:
            continue

        def losses_of_step(step: int, phase: AutoencoderPhase = phase, index: int = index) -> Losses:
            rng = np.random.default_rng((seed, index, step))
            final = step >= phase.optimisation.num_steps * (1 - plan.final_share)
            images_BCHW = _crops(pictures_NHWC, plan, final, rng).to(device)
            size = images_BCHW.shape[-1] // vae.spatial_compression_ratio
            noise_BCHW = torch.from_numpy(
                rng.standard_normal((len(images_BCHW), plan.z_dim, size, size), np.float32)
            ).to(device)
            with autocast(device):
                decoded_BCHW, latents_BCHW = forward(images_BCHW, phase.latent_noise * noise_BCHW)
            return _losses(decoded_BCHW.float(), images_BCHW, latents_BCHW.float(), plan)

        records = train(vae, losses_of_step, phase.optimisation, folder / phase.name)
        yield from ({"phase": phase.name, **record} for record in records)
    _settle_latents(vae.cpu(), pictures_NHWC, plan.phases[-1].latent_noise)
    with whole_folder(folder / "vae") as partial:
        vae.half().save_pretrained(partial)


def _losses(decoded: Tensor, images: Tensor, latents: Tensor, plan: AutoencoderPlan) -> Losses:
    error = decoded - images
    gradients = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    square = error.square().mean()
    loss = error.abs().mean() + plan.square_weight * square + plan.gradient_weight * gradients
    chroma = (error - error.mean(1, keepdim=True)).abs().mean()
    loss = loss + plan.chroma_weight * chroma + plan.latent_decay * latents.square().mean()
    return {
        "loss": loss,
        "psnr_db": -10 * torch.log10(square.detach() / 4),
        "latent_rms": latents.detach().norm() / math.sqrt(latents.numel()),
    }


def _crops(pictures_NHWC: np.ndarray, plan: AutoencoderPlan, final: bool, rng: np.random.Generator) -> Tensor:
    """Random crops (B, 3, crop, crop) in -1..1, most of them around the face; fewer, larger ones if final."""
    batch, crop = (plan.final_batch_size, plan.final_crop_px) if final else (plan.batch_size, plan.crop_px)
    size = pictures_NHWC.shape[1]
    crops = np.empty((batch, crop, crop, 3), np.uint8)
    for index in range(batch):
        picture = pictures_NHWC[rng.integers(len(pictures_NHWC))]
        if rng.random() < plan.face_share:  # the face lies in the middle half of the picture
            y, x = np.clip(rng.normal(0.53, 0.13, 2) * size - crop / 2, 0, size - crop).astype(int)
        else:
            y, x = rng.integers(0, size - crop + 1, 2)
        cut = picture[y : y + crop, x : x + crop]
        crops[index] = cut[:, ::-1] if rng.random() < 0.5 else cut
    return to_tensor(crops)


@torch.no_grad()
def _settle_latents(vae: AutoencoderKLQwenImage, pictures_NHWC: np.ndarray, latent_noise: float) -> None:
    """Write mean and deviation of the latents into the config, and make the variance the trained noise's."""
    half = slice(vae.config.z_dim, 2 * vae.config.z_dim)  # the log-variances
    vae.quant_conv.weight[half] = 0
    assert vae.quant_conv.bias is not None
    vae.quant_conv.bias[half] = 2 * math.log(latent_noise)
    chosen = np.linspace(0, len(pictures_NHWC) - 1, 256).astype(int)
    batches = [to_tensor(pictures_NHWC[chosen[i : i + 16]]) for i in range(0, len(chosen), 16)]
    latents_BCHW = torch.cat([encode_frames(vae, batch)[0] for batch in batches])
    vae.register_to_config(
        latents_mean=latents_BCHW.mean((0, 2, 3)).tolist(), latents_std=latents_BCHW.std((0, 2, 3)).tolist()
    )


def encode_all(
    vae: AutoencoderKLQwenImage,
    pictures_NHWC: np.ndarray,
    condition_px: int,
    folder: Path,
    compile_network: bool,
) -> Iterator[dict[str, int]]:
    """Write `latents.npy` (N x C x h x w, normalised) and `patches.npy` (N x patches x values), both float16.

    Skipped where they exist. Yields how many pictures are encoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encode = torch.compile(encode_frames, dynamic=False) if compile_network else encode_frames
    num, side = len(pictures_NHWC), pictures_NHWC.shape[1] // vae.spatial_compression_ratio
    arrays = (
        ArrayFile(folder / "latents.npy", (num, vae.config.z_dim, side, side), np.float16),
        ArrayFile(
            folder / "patches.npy", (num, *_patches(pictures_NHWC[:1], condition_px).shape[1:]), np.float16
        ),
    )

    def encoded(rows: range) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(rows.start, rows.stop, BATCH):
            batch_BHWC = pictures_NHWC[start : min(start + BATCH, rows.stop)]
            filler_BHWC = np.repeat(batch_BHWC[-1:], BATCH - len(batch_BHWC), axis=0)
            whole_BHWC = np.concatenate([batch_BHWC, filler_BHWC])  # of one shape: compiled once
            with torch.inference_mode(), autocast(vae.device):
                means_BCHW, _ = encode(vae, to_tensor(whole_BHWC).to(vae.device))
            latents_BCHW = normalise(vae, means_BCHW.float())[: len(batch_BHWC)].cpu().numpy()
            yield from zip(latents_BCHW, _patches(batch_BHWC, condition_px), strict=True)

    yield from fill(arrays, encoded, 50 * BATCH)


def load_latents(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The two arrays, in memory."""
    return np.load(folder / "latents.npy"), np.load(folder / "patches.npy")


def _patches(pictures_BHWC: np.ndarray, condition_px: int) -> np.ndarray:
    """What the text encoder sees of each: (B, patches, values)."""
    seen = [resized(Image.fromarray(picture), condition_px, condition_px) for picture in pictures_BHWC]
    values = build_image_processor()(images=seen, return_tensors="np")["pixel_values"]
    return values.reshape(len(seen), -1, VALUES_PER_PATCH)
