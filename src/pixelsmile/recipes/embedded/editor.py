"""The embedded editor: text encoder and transformer, trained together by flow matching on pairs of portraits.

Shape suffixes: B pairs, C latent channels, H and W latent height and width, N tokens, D channels of a token,
T text tokens.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import QwenImageTransformer2DModel
from torch import Tensor, nn
from transformers import Qwen2_5_VLForConditionalGeneration

from pixelsmile.editing.flow import PATCH, FlowSchedule, add_noise, pack, velocity_target
from pixelsmile.editing.prompts import IMAGE_TOKEN, PICTURE, PREFIX, SUFFIX
from pixelsmile.recipes.embedded.attention import RealRotaryAttention, WindowedPositions
from pixelsmile.recipes.embedded.labels import Pairs
from pixelsmile.recipes.embedded.loop import Losses, train
from pixelsmile.recipes.embedded.pictures import Picture
from pixelsmile.recipes.embedded.plan import EditorPlan
from pixelsmile.recipes.embedded.text import build_text_encoder, build_tokenizer

MERGE = 4  # patches of the picture that the text encoder merges into a token


class EmbeddedEditor(nn.Module):
    """The two networks that learn together."""

    def __init__(self, plan: EditorPlan, z_dim: int, seed: int) -> None:
        super().__init__()
        self.tokenizer = build_tokenizer()
        self.text_encoder: Qwen2_5_VLForConditionalGeneration = build_text_encoder(plan, self.tokenizer, seed)
        self.transformer = build_transformer(plan, z_dim, seed)

    def embed(self, prompts: list[str], patches_BPV: Tensor) -> Tensor:
        """Embeddings (B, T, D) of prompts of one length, each with its own picture; without the prefix."""
        num_patches = patches_BPV.shape[1]
        picture = PICTURE.replace(IMAGE_TOKEN, IMAGE_TOKEN * (num_patches // MERGE))
        tokens = self.tokenizer(
            [PREFIX + picture + prompt + SUFFIX for prompt in prompts], return_tensors="pt"
        )
        side = int(num_patches**0.5)
        outputs = self.text_encoder.model(
            input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
            mm_token_type_ids=(tokens["input_ids"] == self.text_encoder.config.image_token_id).int(),
            pixel_values=patches_BPV.flatten(0, 1),
            image_grid_thw=torch.tensor([[1, side, side]] * len(prompts)),
            use_cache=False,
        )
        return outputs.last_hidden_state[:, len(self.tokenizer(PREFIX)["input_ids"]) :]

    def velocity(
        self, noisy_BND: Tensor, source_BND: Tensor, sigmas_B: Tensor, embeddings_BTD: Tensor
    ) -> Tensor:
        """The predicted velocity (B, N, D) of a picture, or of a window of it (see WindowedPositions)."""
        batch, num_tokens, _ = noisy_BND.shape
        return self.transformer(
            hidden_states=torch.cat([noisy_BND, source_BND], dim=1),
            encoder_hidden_states=embeddings_BTD,
            timestep=sigmas_B,
            img_shapes=[[(1, 1, num_tokens)] * 2] * batch,  # how many; where they are, the positions say
            return_dict=False,
        )[0][:, :num_tokens]


def build_transformer(plan: EditorPlan, z_dim: int, seed: int) -> QwenImageTransformer2DModel:
    """An untrained transformer; modulations and output start at zero: every block starts as the identity."""
    torch.manual_seed(seed)
    transformer = QwenImageTransformer2DModel(
        num_layers=plan.num_layers,
        num_attention_heads=plan.num_attention_heads,
        attention_head_dim=plan.attention_head_dim,
        joint_attention_dim=plan.text_dim,
        in_channels=z_dim * PATCH**2,
        out_channels=z_dim,
        axes_dims_rope=plan.axes_dims_rope,
        zero_cond_t=True,
    )
    zeroed = [transformer.norm_out.linear, transformer.proj_out]
    for block in transformer.transformer_blocks:
        zeroed += [block.img_mod[1], block.txt_mod[1]]
    for linear in zeroed:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    return transformer


def train_editor(
    plan: EditorPlan,
    seed: int,
    pictures: list[Picture],
    latents_NCHW: np.ndarray,
    patches_NPV: np.ndarray,
    folder: Path,
    compile_network: bool,
) -> Iterator[dict[str, Any]]:
    """Train both networks, then write the folders `transformer`, `text_encoder` and `tokenizer`."""
    editor = EmbeddedEditor(plan, latents_NCHW.shape[1], seed)
    editor.transformer.set_attn_processor(RealRotaryAttention())
    if compile_network:
        for block in editor.transformer.transformer_blocks:
            block.compile(dynamic=False)
    losses_of_step = _objective(editor, plan, seed, Pairs(pictures, plan), latents_NCHW, patches_NPV)
    yield from train(editor, losses_of_step, plan.optimisation, folder)
    editor.transformer.pos_embed = editor.transformer.pos_embed.stock
    editor.half()
    editor.transformer.save_pretrained(folder / "transformer")
    editor.text_encoder.save_pretrained(folder / "text_encoder")
    editor.tokenizer.save_pretrained(folder / "tokenizer")


def _objective(
    editor: EmbeddedEditor,
    plan: EditorPlan,
    seed: int,
    pairs: Pairs,
    latents_NCHW: np.ndarray,
    patches_NPV: np.ndarray,
) -> Callable[[int], Losses]:
    """Flow matching (the paper's Eq. 6 in its working form, without strengths): step -> losses."""
    first_schedule, schedule = FlowSchedule(plan.first_shift), FlowSchedule(plan.shift)
    weights_N = _token_weights(pairs, latents_NCHW, plan.focus)
    side = latents_NCHW.shape[-1] // PATCH
    positions = WindowedPositions(editor.transformer.pos_embed, side)
    editor.transformer.pos_embed = positions

    def losses_of_step(step: int) -> Losses:
        rng = np.random.default_rng((seed, step))
        whole = step >= plan.optimisation.num_steps * (1 - plan.whole_share)
        positions.look_at(*((0, side), (0, side)) if whole else (plan.window_rows, plan.window_columns))
        drawn = pairs.draw(plan.whole_batch_size if whole else plan.batch_size, rng)
        target_BND = _tokens(latents_NCHW, [pair.target for pair in drawn], positions.tokens)
        source_BND = _tokens(latents_NCHW, [pair.source for pair in drawn], positions.tokens)
        noise_BND = torch.from_numpy(rng.standard_normal(target_BND.shape, np.float32))
        focused = step >= plan.focus_from
        uniform_B = torch.from_numpy(rng.random(len(drawn), np.float32))
        sigmas_B = (schedule if focused else first_schedule).shifted(uniform_B)
        patches_BPV = torch.from_numpy(patches_NPV[[pair.source for pair in drawn]]).float()
        with torch.autocast("cpu", torch.bfloat16):
            embeddings_BTD = editor.embed([pair.prompt for pair in drawn], patches_BPV)
            noisy_BND = add_noise(target_BND, noise_BND, sigmas_B)
            velocity_BND = editor.velocity(noisy_BND, source_BND, sigmas_B, embeddings_BTD)
        error_BND = (velocity_BND.float() - velocity_target(target_BND, noise_BND)).square()
        copying = (source_BND - target_BND).square().mean()
        predicted = (
            error_BND.detach().mean((1, 2)) * sigmas_B.square()
        ).mean()  # of the picture, in one step
        loss = (error_BND.mean(-1) * weights_N[positions.tokens]).mean() if focused else error_BND.mean()
        return {"loss": loss, "latent_error": predicted, "copying_error": copying}

    return losses_of_step


def _token_weights(pairs: Pairs, latents_NCHW: np.ndarray, focus: float) -> Tensor:
    """A weight for each token of a picture: `focus` of it by the mean square change there, the rest alike.

    The weights know places, not answers, so the best prediction stays what it was.
    """
    drawn = pairs.draw(1024, np.random.default_rng(0))
    every = torch.arange((latents_NCHW.shape[-1] // PATCH) ** 2)
    targets = _tokens(latents_NCHW, [pair.target for pair in drawn], every)
    sources = _tokens(latents_NCHW, [pair.source for pair in drawn], every)
    change_N = (targets - sources).square().mean((0, 2))
    return 1 - focus + focus * change_N / change_N.mean()


def _tokens(latents_NCHW: np.ndarray, rows: list[int], tokens: Tensor) -> Tensor:
    """The chosen tokens (B, N, D) of the chosen pictures."""
    return pack(torch.from_numpy(latents_NCHW[rows]).float())[:, tokens]
