"""The autoencoders of the families on single pictures, with 2-D convolutions.

AutoencoderKLQwenImage is a video model: a picture is a film of one frame, and each causal 3-D convolution
sees two frames of zeros before it. Only the last temporal slice of a kernel then meets data, so the same
numbers come out of a 2-D convolution with `weight[:, :, -1]`. With channels-last memory that is four times
faster on a CPU. The layers that resample time do nothing for a first frame.

These functions read the weights of the loaded module and change nothing on it: gradients arrive at its own
parameters, `save_pretrained` writes what was trained, and the other temporal slices stay as they were. The
transformer works on normalised latents, (latent - mean) / std channel by channel, with the statistics of the
autoencoder's config.

Pictures larger than TILE_PX go through the layers of high resolution tile by tile. Those see no further than
a few pixels (norms are over channels, attention is at the lowest resolution alone, which is never cut): with
a margin as wide as that the picture is the same to rounding, without seams, and nothing has to be blended.

That of Qwen-Image-2.1 has 2-D convolutions already, and a fourth channel, opacity: a picture goes in opaque,
and of what comes out the colours are kept. No picture of it is cut into tiles.

Shape suffixes: B pictures, C channels, H and W height and width (of the picture or of the latent, as named).
"""

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import chain
from typing import Any, TypeAlias, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import (
    AutoencoderKLQwenImage,
    QwenImageAttentionBlock,
    QwenImageCausalConv3d,
    QwenImageDecoder3d,
    QwenImageEncoder3d,
    QwenImageMidBlock,
    QwenImageResample,
    QwenImageResidualBlock,
    QwenImageRMS_norm,
)
from diffusers.models.autoencoders.autoencoder_kl_qwenimage21 import AutoencoderKLQwenImage21
from torch import Tensor, nn

DETAIL_TOLERANCE = 24 / 127.5  # a change of so much, on average around, leaves 1 / e of the source's detail
Autoencoder: TypeAlias = AutoencoderKLQwenImage | AutoencoderKLQwenImage21
Part: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom of a picture's latents, ends excluded
_DETAIL_REACH = 1 / 128  # of the longer side: how far around
_RGB = 3  # channels of a picture
_SMALLEST_NORM = 1e-12  # of `torch.nn.functional.normalize`
TILE_PX = 1024  # side of what is decoded at a time


def encode_images(vae: Autoencoder, images_BCHW: Tensor) -> Tensor:
    """Normalised latents (the mode, not a sample) of pictures in -1..1, in float32.

    Height and width are multiples of `vae.spatial_compression_ratio`.
    """
    images_BCHW = images_BCHW.to(dtype=vae.dtype)
    if _is_hooked(vae):
        mean_BCHW = vae.encode(_opaque(vae, images_BCHW)[:, :, None], return_dict=False)[0].mode()[:, :, 0]
    else:
        mean_BCHW, _ = encode_frames(vae, images_BCHW)
    return normalise(vae, mean_BCHW.float())


def decode_latents(vae: Autoencoder, latents_BCHW: Tensor, *, clamp: bool = True) -> Tensor:
    """Pictures in -1..1, in the autoencoder's dtype, from normalised latents.

    clamp: False leaves what lies outside, so that infinities can be seen (not where offloading moves the
    weights: the stock method always cuts). At most the pixels of a tile are decoded at a time.
    """
    latents_BCHW = denormalise(vae, latents_BCHW.float()).to(vae.dtype)
    at_once = max(1, (TILE_PX // vae.spatial_compression_ratio) ** 2 // latents_BCHW[0, 0].numel())
    parts = latents_BCHW.split(at_once)
    if _is_hooked(vae):
        pictures = [vae.decode(part[:, :, None], return_dict=False)[0][:, :_RGB, 0] for part in parts]
        return torch.cat(pictures)
    return torch.cat([decode_frames(vae, part, clamp=clamp) for part in parts])


def keep_details(edits_BCHW: Tensor, source_1CHW: Tensor, reconstruction_1CHW: Tensor) -> Tensor:
    """Edits with what the autoencoder loses of their source, wherever they show what the source shows.

    All are pictures in -1..1, float32. reconstruction_1CHW: the source, encoded and decoded. An autoencoder
    blurs hair, lashes and freckles also where nothing was edited; the difference that it makes to the source
    is taken back with weight exp(-(d / DETAIL_TOLERANCE)^2), where d is how far an edit is from the
    reconstruction around a pixel. An edit that changes nothing is the source itself. Not in the paper.
    """
    reach = max(1, round(max(source_1CHW.shape[-2:]) * _DETAIL_REACH))
    change_B1HW = (edits_BCHW - reconstruction_1CHW).abs().amax(1, keepdim=True)
    for _ in range(2):
        change_B1HW = nn.functional.avg_pool2d(
            change_B1HW, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False
        )
    weight_B1HW = torch.exp(-(change_B1HW / DETAIL_TOLERANCE).square())
    return edits_BCHW + weight_B1HW * (source_1CHW - reconstruction_1CHW)


def normalise(vae: Autoencoder, latents_BCHW: Tensor) -> Tensor:
    """Latents with mean 0 and deviation 1 in each channel, over what the autoencoder was fitted to."""
    mean, std = _statistics(vae, latents_BCHW)
    return (latents_BCHW - mean) / std


def denormalise(vae: Autoencoder, latents_BCHW: Tensor) -> Tensor:
    """The inverse of `normalise`."""
    mean, std = _statistics(vae, latents_BCHW)
    return latents_BCHW * std + mean


def encode_frames(vae: Autoencoder, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log-variance (-30..20) of the latents of pictures.

    images_BCHW: RGB in -1..1, height and width multiples of `vae.spatial_compression_ratio`.
    Both results have shape (B, z_dim, H / ratio, W / ratio) and are not normalised (see `normalise`).
    Equal to `vae.encode(images[:, :, None]).latent_dist` up to rounding.
    """
    if isinstance(vae, AutoencoderKLQwenImage21):
        hidden_BCHW = vae.quant_conv(vae.encoder(_opaque(vae, images_BCHW)[:, :, None]))[:, :, 0]
    else:
        hidden_BCHW = _conv(vae.quant_conv, _encode(vae.encoder, _channels_last(images_BCHW)))
    mean_BCHW, logvar_BCHW = hidden_BCHW.chunk(2, dim=1)
    return mean_BCHW, logvar_BCHW.clamp(-30.0, 20.0)


def decode_frames(
    vae: Autoencoder, latents_BCHW: Tensor, *, clamp: bool = True, part: Part | None = None
) -> Tensor:
    """Pictures (B, 3, H * ratio, W * ratio) from latents that are not normalised.

    clamp: cut to -1..1 as the stock `decode` does. Training passes False: a clamped pixel has no gradient.
    part: of the pictures that is wanted: the same pixels as of the whole, to rounding, by less work. It is
    not cut into tiles.
    Equal to `vae.decode(latents[:, :, None]).sample[:, :, 0]` up to rounding.
    """
    if isinstance(vae, AutoencoderKLQwenImage21):
        frames_BCTHW = vae.decoder(vae.post_quant_conv(latents_BCHW[:, :, None]), first_chunk=True)
        images_BCHW = frames_BCTHW[:, :_RGB, 0]
        if part is not None:
            left, top, right, bottom = (vae.spatial_compression_ratio * place for place in part)
            images_BCHW = images_BCHW[..., top:bottom, left:right]
    else:
        x = _conv(vae.post_quant_conv, _channels_last(latents_BCHW))
        images_BCHW = _decode(vae.decoder, x) if part is None else _decode_part(vae.decoder, x, part)
    return images_BCHW.clamp(-1.0, 1.0) if clamp else images_BCHW


def _opaque(vae: Autoencoder, images_BCHW: Tensor) -> Tensor:
    """With the channel of opacity that an autoencoder may want, full everywhere."""
    if not isinstance(vae, AutoencoderKLQwenImage21):
        return images_BCHW
    return torch.cat([images_BCHW, torch.ones_like(images_BCHW[:, :1])], dim=1)


def _encode(encoder: QwenImageEncoder3d, x: Tensor) -> Tensor:
    reach_px, step_px = 1, 1
    for layer in encoder.down_blocks:
        reach_px += 2 * step_px
        step_px *= 2 if isinstance(layer, QwenImageResample) else 1
    x = _by_tiles(lambda tile: _down(encoder, tile), x, TILE_PX, reach_px, Fraction(1, step_px))
    x = _middle(encoder.mid_block, x)
    return _conv(encoder.conv_out, encoder.nonlinearity(_norm(encoder.norm_out, x)))


def _down(encoder: QwenImageEncoder3d, x: Tensor) -> Tensor:
    x = _conv(encoder.conv_in, x)
    for layer in encoder.down_blocks:
        x = _layer(layer, x)
    return x


def _decode(decoder: QwenImageDecoder3d, x: Tensor) -> Tensor:
    x = _middle(decoder.mid_block, _conv(decoder.conv_in, x))
    reach, scale = 0.0, 1
    for block in decoder.up_blocks:
        reach += 2 * len(block.resnets) / scale
        if block.upsamplers:
            scale *= 2
            reach += 1 / scale
    reach += 1 / scale  # the last convolution
    return _by_tiles(lambda tile: _up(decoder, tile), x, TILE_PX // scale, math.ceil(reach), Fraction(scale))


def _decode_part(decoder: QwenImageDecoder3d, x: Tensor, part: Part) -> Tensor:
    """Before each block, all is left away that the part does not see from there on. The attention in the
    middle sees everything, at the lowest resolution."""
    reach, reaches = 1, list[int]()  # of the last convolution, then of the blocks before it
    for block in reversed(decoder.up_blocks):
        if block.upsamplers:
            reach = math.ceil((reach + 1) / 2)
        reach += 2 * len(block.resnets)
        reaches.append(reach)
    x, start, scale = _middle(decoder.mid_block, _conv(decoder.conv_in, x)), (0, 0), 1
    for block, reach in zip(decoder.up_blocks, reversed(reaches), strict=True):
        x, start = _around(x, start, part, scale, reach)
        for layer in _layers_of(block):
            x = _layer(layer, x)
        if block.upsamplers:
            scale, start = 2 * scale, (2 * start[0], 2 * start[1])
    x = _conv(decoder.conv_out, decoder.nonlinearity(_norm(decoder.norm_out, x)))
    return _around(x, start, part, scale, 0)[0]


def _around(
    x: Tensor, start: tuple[int, int], part: Part, scale: int, reach: int
) -> tuple[Tensor, tuple[int, int]]:
    """The part and `reach` places around it, and where in the picture they begin (column, row); so does x at
    `start`. scale: places for one of the part."""
    left, top, right, bottom = (scale * place for place in part)
    column, row = max(0, left - reach), max(0, top - reach)
    seen = x[..., row - start[1] : bottom + reach - start[1], column - start[0] : right + reach - start[0]]
    return seen, (column, row)


def _up(decoder: QwenImageDecoder3d, x: Tensor) -> Tensor:
    for layer in chain.from_iterable(map(_layers_of, decoder.up_blocks)):
        x = _layer(layer, x)
    return _conv(decoder.conv_out, decoder.nonlinearity(_norm(decoder.norm_out, x)))


def _layers_of(block: Any) -> list[nn.Module]:
    return [*block.resnets, *(block.upsamplers or [])]


def _by_tiles(
    layers: Callable[[Tensor], Tensor], x: Tensor, side: int, reach: int, scale: Fraction
) -> Tensor:
    """What the layers make of x (B, C, H, W), tile by tile where it is larger than side x side.

    reach: how far an output sees, in places of x. scale: places of the output for one of x.
    """
    height, width = x.shape[-2:]
    if height * width <= side * side:
        return layers(x)
    margin = math.ceil(reach / scale.denominator) * scale.denominator  # whole places of the output
    rows = []
    for top in range(0, height, side):
        tiles = []
        for left in range(0, width, side):
            seen_top, seen_left = max(0, top - margin), max(0, left - margin)
            seen = x[..., seen_top : top + side + margin, seen_left : left + side + margin]
            rows_made = _scaled(top - seen_top, min(side, height - top), scale)
            columns_made = _scaled(left - seen_left, min(side, width - left), scale)
            tiles.append(layers(seen)[..., rows_made, columns_made])
        rows.append(torch.cat(tiles, dim=-1))
    return torch.cat(rows, dim=-2)


def _scaled(start: int, length: int, scale: Fraction) -> slice:
    return slice(int(start * scale), int((start + length) * scale))


def _middle(block: QwenImageMidBlock, x: Tensor) -> Tensor:
    x = _layer(block.resnets[0], x)
    for attention, resnet in zip(block.attentions, block.resnets[1:], strict=True):
        x = _layer(resnet, _layer(attention, x))
    return x


def _layer(layer: nn.Module, x: Tensor) -> Tensor:
    match layer:
        case QwenImageResidualBlock():
            return _residual(layer, x)
        case QwenImageAttentionBlock():
            return _attention(layer, x)
        case QwenImageResample():
            return layer.resample(x)
    raise TypeError(f"a layer of the autoencoder that has no 2-D form here: {type(layer).__name__}")


def _residual(block: QwenImageResidualBlock, x: Tensor) -> Tensor:
    shortcut = block.conv_shortcut
    carried = _conv(shortcut, x) if isinstance(shortcut, QwenImageCausalConv3d) else x
    x = _conv(block.conv1, block.nonlinearity(_norm(block.norm1, x)))
    x = block.dropout(block.nonlinearity(_norm(block.norm2, x)))
    return _conv(block.conv2, x) + carried


def _attention(block: QwenImageAttentionBlock, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    qkv_BNC = block.to_qkv(_norm(block.norm, x)).flatten(2).transpose(1, 2)
    query, key, value = qkv_BNC.unsqueeze(1).chunk(3, dim=-1)
    attended_BNC = nn.functional.scaled_dot_product_attention(query, key, value).squeeze(1)
    return x + block.proj(attended_BNC.transpose(1, 2).reshape(batch, channels, height, width))


def _norm(norm: QwenImageRMS_norm, x: Tensor) -> Tensor:
    normalised = _normalise(x).to(x.dtype)
    return normalised * (norm.gamma * norm.scale).view(-1, 1, 1)


def _normalise(x: Tensor) -> Tensor:
    """As `normalize(x, dim=1)`, in float32 at least."""
    exact = torch.promote_types(x.dtype, torch.float32)
    if torch.is_grad_enabled() and x.requires_grad:
        return cast(Tensor, _Normalise.apply(x.to(exact)))
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=exact).clamp_min_(_SMALLEST_NORM)


class _Normalise(torch.autograd.Function):
    """`normalize(x, dim=1)`, whose own gradient divides a whole map, which is slow: this one multiplies."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        inverse = torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min_(_SMALLEST_NORM).reciprocal_()
        normalised = x * inverse
        ctx.save_for_backward(normalised, inverse)
        return normalised

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        normalised, inverse = ctx.saved_tensors
        along = (gradient * normalised).sum(dim=1, keepdim=True)
        return torch.addcmul(gradient, normalised, along, value=-1.0).mul_(inverse)


def _conv(conv: QwenImageCausalConv3d, x: Tensor) -> Tensor:
    left, _, top, *_ = conv._padding
    kernel, stride, padding = conv.weight[:, :, -1], conv.stride[1:], (int(top), int(left))
    return nn.functional.conv2d(x, kernel, conv.bias, stride=stride, padding=padding)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _statistics(vae: Autoencoder, like: Tensor) -> tuple[Tensor, Tensor]:
    config = vae.config["latents_mean"], vae.config["latents_std"]
    mean, std = (like.new_tensor(values).view(1, -1, 1, 1) for values in config)
    return mean, std


def _is_hooked(vae: torch.nn.Module) -> bool:
    """Whether offloading moves the weights at each call: then the module's own methods must be called."""
    return hasattr(vae, "_hf_hook")
