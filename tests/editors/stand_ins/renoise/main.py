"""Stands in for garibida/ReNoise-Inversion: main.py."""

from calls import record


def run(init_image, prompt, cfg, pipe_inversion, pipe_inference, latents=None, do_reconstruction=True):
    assert init_image.size == (512, 512)
    assert not do_reconstruction
    assert cfg.noise_regularization_lambda_kl == 0.055
    assert cfg.inversion_max_step == 0.8
    record("invert", seed=cfg.seed, prompt=prompt)
    mark = f" of {init_image.getpixel((0, 0))}, {cfg.seed}"
    return None, f"latents{mark}", f"noise{mark}", []
