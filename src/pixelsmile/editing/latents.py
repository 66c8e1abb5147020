"""Pictures to normalised latents and back.

The transformer works on (latent - mean) / std, channel by channel, with the statistics of the autoencoder's
config. Shape suffixes: B pictures, C channels, H and W height and width (of the picture or of the latent).
"""

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from torch import Tensor

from pixelsmile.editing.vae2d import decode_frames, encode_frames


def encode_images(vae: AutoencoderKLQwenImage, images_BCHW: Tensor) -> Tensor:
    """Normalised latents (the mode, not a sample) of pictures in -1..1, in float32.

    Height and width are multiples of `vae.spatial_compression_ratio`.
    """
    images_BCHW = images_BCHW.to(dtype=vae.dtype)
    if _is_hooked(vae):
        mean_BCHW = vae.encode(images_BCHW[:, :, None], return_dict=False)[0].mode()[:, :, 0]
    else:
        mean_BCHW, _ = encode_frames(vae, images_BCHW)
    return normalise(vae, mean_BCHW.float())


def decode_latents(vae: AutoencoderKLQwenImage, latents_BCHW: Tensor, *, clamp: bool = True) -> Tensor:
    """Pictures in -1..1, in the autoencoder's dtype, from normalised latents.

    clamp: False leaves what lies outside, so that infinities can be seen (not where offloading moves the
    weights: the stock method always cuts).
    """
    latents_BCHW = denormalise(vae, latents_BCHW.float()).to(vae.dtype)
    if _is_hooked(vae):
        return vae.decode(latents_BCHW[:, :, None], return_dict=False)[0][:, :, 0]  # pyright: ignore
    return decode_frames(vae, latents_BCHW, clamp=clamp)


def normalise(vae: AutoencoderKLQwenImage, latents_BCHW: Tensor) -> Tensor:
    """Latents with mean 0 and deviation 1 in each channel, over what the autoencoder was fitted to."""
    mean, std = _statistics(vae, latents_BCHW)
    return (latents_BCHW - mean) / std


def denormalise(vae: AutoencoderKLQwenImage, latents_BCHW: Tensor) -> Tensor:
    """The inverse of `normalise`."""
    mean, std = _statistics(vae, latents_BCHW)
    return latents_BCHW * std + mean


def _statistics(vae: AutoencoderKLQwenImage, like: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = (like.new_tensor(values).view(1, -1, 1, 1) for values in _config_statistics(vae))
    return mean, std


def _config_statistics(vae: AutoencoderKLQwenImage) -> tuple[list[float], list[float]]:
    return vae.config["latents_mean"], vae.config["latents_std"]


def _is_hooked(vae: torch.nn.Module) -> bool:
    """Whether offloading moves the weights at each call: then the module's own methods must be called."""
    return hasattr(vae, "_hf_hook")
