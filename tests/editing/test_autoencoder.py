"""The 2-D form of the autoencoder against the stock 3-D one. Stated tolerance: 2e-5 absolute, float32."""

import pytest
import torch
from diffusers import AutoencoderKLQwenImage

from pixelsmile.editing import autoencoder
from pixelsmile.editing.autoencoder import (
    DETAIL_TOLERANCE,
    decode_frames,
    decode_latents,
    encode_frames,
    keep_details,
)

TOLERANCE = {"rtol": 0, "atol": 2e-5}


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLQwenImage:
    torch.manual_seed(0)
    return AutoencoderKLQwenImage(base_dim=8, z_dim=4, num_res_blocks=1)


def test_encoding_equals_the_stock_autoencoder(vae: AutoencoderKLQwenImage) -> None:
    images = torch.rand(2, 3, 48, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        stock = vae.encode(images[:, :, None]).latent_dist
        mean, logvar = encode_frames(vae, images)
    torch.testing.assert_close(mean, stock.mean[:, :, 0], **TOLERANCE)
    torch.testing.assert_close(logvar, stock.logvar[:, :, 0], **TOLERANCE)


def test_decoding_equals_the_stock_autoencoder(vae: AutoencoderKLQwenImage) -> None:
    latents = 3 * torch.randn(2, 4, 6, 4, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        stock = vae.decode(latents[:, :, None], return_dict=False)[0][:, :, 0]
        ours = decode_frames(vae, latents)
    torch.testing.assert_close(ours, stock, **TOLERANCE)


def test_gradients_equal_those_of_the_stock_autoencoder(vae: AutoencoderKLQwenImage) -> None:
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1

    def gradients(stock: bool) -> dict[str, torch.Tensor]:
        vae.zero_grad()
        if stock:
            latents = vae.encode(images[:, :, None]).latent_dist.mean
            output = vae.decode(latents, return_dict=False)[0][:, :, 0]
        else:
            output = decode_frames(vae, encode_frames(vae, images)[0])
        (output - images).square().mean().backward()
        return {name: p.grad.clone() for name, p in vae.named_parameters() if p.grad is not None}

    expected, found = gradients(stock=True), gradients(stock=False)
    assert set(found) <= set(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(found.get(name, torch.zeros_like(gradient)), gradient, **TOLERANCE)


def test_training_without_the_clamp_keeps_gradients_outside_the_range(vae: AutoencoderKLQwenImage) -> None:
    latents = torch.zeros(1, 4, 2, 2)
    with torch.no_grad():
        vae.decoder.conv_out.bias += 10
    try:
        assert decode_frames(vae, latents).max() == 1
        assert decode_frames(vae, latents, clamp=False).min() > 1
    finally:
        with torch.no_grad():
            vae.decoder.conv_out.bias -= 10


def test_half_precision_normalises_in_float32(vae: AutoencoderKLQwenImage) -> None:
    half = AutoencoderKLQwenImage.from_config(vae.config).to(torch.bfloat16)
    half.load_state_dict(vae.state_dict())
    latents = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(4)).to(torch.bfloat16)
    with torch.no_grad():
        stock = half.decode(latents[:, :, None], return_dict=False)[0][:, :, 0]
        ours = decode_frames(half, latents)
    torch.testing.assert_close(ours, stock, rtol=0, atol=0.05)


def test_details_come_back_where_an_edit_leaves_the_picture() -> None:
    generator = torch.Generator().manual_seed(4)
    source = torch.rand(1, 3, 64, 64, generator=generator) * 2 - 1
    reconstruction = source + 0.1 * torch.randn(source.shape, generator=generator)
    torch.testing.assert_close(keep_details(reconstruction, source, reconstruction), source)
    edit = reconstruction.clone()
    edit[..., :32] += 6 * DETAIL_TOLERANCE
    kept = keep_details(torch.cat([edit, reconstruction]), source, reconstruction)
    torch.testing.assert_close(kept[0, ..., :30], edit[0, ..., :30])  # changed: as it was made
    torch.testing.assert_close(kept[:1, ..., 34:], source[..., 34:])
    torch.testing.assert_close(kept[1:], source)  # each by its own change
    slight = keep_details(reconstruction + DETAIL_TOLERANCE, source, reconstruction) - reconstruction
    expected = DETAIL_TOLERANCE + (source - reconstruction) / torch.e
    torch.testing.assert_close(slight, expected)


@pytest.mark.parametrize("size", [(256, 128), (128, 264)])
def test_tiles_leave_no_trace(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """With three layers a level, as the published autoencoder has; the reach of its decoder is 13 latents."""
    torch.manual_seed(5)
    vae = AutoencoderKLQwenImage(base_dim=4, z_dim=4, num_res_blocks=2)
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(6)) * 2 - 1
    latents = torch.randn(2, 4, size[0] // 8, size[1] // 8, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        whole_mean, whole_pictures = encode_frames(vae, images)[0], decode_frames(vae, latents, clamp=False)
        monkeypatch.setattr(autoencoder, "TILE_PX", 64)
        mean, pictures = encode_frames(vae, images)[0], decode_frames(vae, latents, clamp=False)
    torch.testing.assert_close(mean, whole_mean, rtol=0, atol=1e-5)
    torch.testing.assert_close(pictures, whole_pictures, rtol=0, atol=1e-5)


def test_many_pictures_are_decoded_a_tile_of_pixels_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}
    vae = AutoencoderKLQwenImage(base_dim=8, z_dim=4, num_res_blocks=1, **statistics)
    latents = torch.randn(5, 4, 4, 4, generator=torch.Generator().manual_seed(8))
    seen: list[int] = []
    stock = autoencoder.decode_frames

    def counted(*arguments, **options):
        seen.append(len(arguments[1]))
        return stock(*arguments, **options)

    with torch.no_grad():
        at_once = decode_latents(vae, latents)
        monkeypatch.setattr(autoencoder, "TILE_PX", 48)
        monkeypatch.setattr(autoencoder, "decode_frames", counted)
        torch.testing.assert_close(decode_latents(vae, latents), at_once, rtol=0, atol=1e-5)
    assert seen == [2, 2, 1]


@pytest.mark.parametrize("part", [(3, 2, 7, 5), (0, 0, 5, 16), (15, 15, 16, 16)])
def test_a_part_is_decoded_as_of_the_whole(part: autoencoder.Part) -> None:
    """Pixels, and what they say of the latents; with layers as the published autoencoder has."""
    torch.manual_seed(5)
    vae = AutoencoderKLQwenImage(base_dim=4, z_dim=4, num_res_blocks=2).requires_grad_(False)
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(7)).requires_grad_(True)
    left, top, right, bottom = (8 * place for place in part)
    whole = decode_frames(vae, latents, clamp=False)[..., top:bottom, left:right]
    found = decode_frames(vae, latents, clamp=False, part=part)
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-5)
    wanted, gradient = (torch.autograd.grad(seen.square().sum(), latents)[0] for seen in (whole, found))
    torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-4)
