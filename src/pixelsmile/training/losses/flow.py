"""Score-supervised flow matching (PixelSmile, Eq. 6), and the clean picture that a velocity predicts.

    L_FM = E | v(x_t, t, e_cond(alpha)) - (e - x) |^2     with x_t = (1 - sigma) x + sigma e

The scores enter as alpha, in the condition that the velocity was predicted under; nothing here sees them.

Doubts. The paper's text takes x0 for the source and x1 for the edited target; what works, and what the
reference does, has noise e and target latent x, with the source as reference tokens. Its squared norm is a
sum; here, as in the reference, it is the mean over tokens and channels: otherwise the weights of Eq. 9 would
change with the size of the picture.

Shape suffixes: B samples, N tokens, D channels of a token.
"""

from torch import Tensor

from pixelsmile.editing.flow import add_noise, velocity_target
from pixelsmile.training.losses.values import Reduction, reduced, widened


def flow_matching(
    velocities_BND: Tensor, latents_BND: Tensor, noise_BND: Tensor, reduction: Reduction = "none"
) -> Tensor:
    """The squared error of predicted velocities, mean over tokens and channels: (B,), or reduced.

    latents_BND: clean targets. noise_BND: what was added to them. The two branches of a triplet share
    noise and time; whoever calls gives the same noise for both.
    """
    target_BND = velocity_target(widened(latents_BND), widened(noise_BND))
    errors_BND = widened(velocities_BND) - target_BND
    return reduced(errors_BND.square().mean((1, 2)), reduction)


def predicted_latents(
    velocities_BND: Tensor, latents_BND: Tensor, noise_BND: Tensor, sigmas_B: Tensor
) -> Tensor:
    """The clean latents (B, N, D) that velocities predict from x_t: x_t - sigma v, one Euler step to 0.

    With the true velocity these are `latents_BND`; the error grows with sigma.
    """
    sigmas_B = widened(sigmas_B)
    noisy_BND = add_noise(widened(latents_BND), widened(noise_BND), sigmas_B)
    sigmas_B11 = sigmas_B[:, None, None]
    return noisy_BND - sigmas_B11 * widened(velocities_BND)
