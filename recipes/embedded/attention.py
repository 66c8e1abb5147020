"""Parts of Qwen-Image's transformer as the recipe trains it: the stock numbers, sooner.

Shape suffixes: B samples, T text tokens, N image tokens, S = T + N, H heads, K channels of a head.
"""

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn


class RealRotaryAttention:
    """An attention processor for `QwenImageTransformer2DModel.set_attn_processor`; no masks.

    The same numbers as the stock processor up to rounding. That one rotates complex numbers, which
    torch.compile leaves uncompiled; this one rotates real numbers.
    """

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        encoder_hidden_states_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Image tokens (B, N, D) and text tokens (B, T, D) attend to each other; both are returned."""
        if attention_mask is not None or encoder_hidden_states_mask is not None or image_rotary_emb is None:
            raise ValueError("RealRotaryAttention takes prompts of one length, and positions")
        image, text = hidden_states, encoder_hidden_states
        image_freqs, text_freqs = image_rotary_emb
        query = _joint(attn.add_q_proj(text), attn.norm_added_q, attn.to_q(image), attn.norm_q, attn.heads)
        key = _joint(attn.add_k_proj(text), attn.norm_added_k, attn.to_k(image), attn.norm_k, attn.heads)
        value = _joint(attn.add_v_proj(text), None, attn.to_v(image), None, attn.heads)
        freqs_SK = torch.view_as_real(torch.cat([text_freqs, image_freqs]))
        query, key = _rotate(query, freqs_SK), _rotate(key, freqs_SK)
        attended_BHSK = torch.nn.functional.scaled_dot_product_attention(
            *(states.transpose(1, 2) for states in (query, key, value))
        )
        joint_BSD = attended_BHSK.transpose(1, 2).flatten(2)
        num_text = text.shape[1]
        return attn.to_out[0](joint_BSD[:, num_text:]), attn.to_add_out(joint_BSD[:, :num_text])


def _joint(
    text: Tensor, text_norm: nn.Module | None, image: Tensor, image_norm: nn.Module | None, heads: int
) -> Tensor:
    """(B, S, H, K), text first as in the stock processor."""
    text_BTHK, image_BNHK = text.unflatten(-1, (heads, -1)), image.unflatten(-1, (heads, -1))
    if text_norm is not None and image_norm is not None:
        text_BTHK, image_BNHK = text_norm(text_BTHK), image_norm(image_BNHK)
    return torch.cat([text_BTHK, image_BNHK], dim=1)


def _rotate(states_BSHK: Tensor, freqs_SK2: Tensor) -> Tensor:
    pairs = states_BSHK.float().unflatten(-1, (-1, 2))
    real, imaginary = pairs.unbind(-1)
    cos, sin = freqs_SK2[:, None].unbind(-1)
    rotated = torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], dim=-1)
    return rotated.flatten(-2).to(states_BSHK.dtype)
