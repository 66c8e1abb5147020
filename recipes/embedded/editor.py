"""The embedded editor: text encoder and transformer, trained together by flow matching on pairs of portraits.

Shape suffixes: B pairs, C latent channels, H and W latent height and width, N image tokens, D channels of a
token, T text tokens; in the attention S = T + N tokens, H heads, K channels of a head.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import QwenImageTransformer2DModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from pixelsmile.editing.family import IMAGE_TOKEN
from pixelsmile.editing.flow import PATCH, FlowSchedule, add_noise, pack, velocity_target
from pixelsmile.editing.prompts import PICTURE, PREFIX, SUFFIX
from pixelsmile.training.window import ChosenPositions
from recipes.embedded.drawings import Drawing
from recipes.embedded.pairs import Pairs
from recipes.embedded.plan import EditorPhase, EditorPlan
from recipes.embedded.text import build_text_encoder, build_tokenizer
from recipes.optimisation import Losses, autocast, train
from recipes.work_folder import whole_folder

_OF_WORDS = ("model.language_model.embed_tokens.weight", "lm_head.weight")
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
        device = patches_BPV.device
        outputs = self.text_encoder.model(
            input_ids=tokens["input_ids"].to(device),
            attention_mask=tokens["attention_mask"].to(device),
            mm_token_type_ids=(tokens["input_ids"] == self.text_encoder.config.image_token_id)
            .int()
            .to(device),
            pixel_values=patches_BPV.flatten(0, 1),
            image_grid_thw=torch.tensor([[1, side, side]] * len(prompts), device=device),
            use_cache=False,
        )
        return outputs.last_hidden_state[:, len(self.tokenizer(PREFIX)["input_ids"]) :]

    def velocity(
        self, noisy_BND: Tensor, source_BND: Tensor, sigmas_B: Tensor, embeddings_BTD: Tensor
    ) -> Tensor:
        """The predicted velocity (B, N, D) of a picture, or of some tokens of it (see ChosenPositions)."""
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
    drawings: list[Drawing],
    latents_NCHW: np.ndarray,
    patches_NPV: np.ndarray,
    folder: Path,
    compile_network: bool,
    device: torch.device,
    start: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """Train both networks phase by phase, then write `transformer`, `text_encoder` and `tokenizer`.

    Nothing is done where they are. start: a finished model folder to go on from, without the first phase.
    """
    if (folder / "transformer" / "config.json").is_file():
        return
    editor = EmbeddedEditor(plan, latents_NCHW.shape[1], seed)
    if start is not None:
        load_networks(editor, start)
    editor.to(device)
    editor.transformer.set_attn_processor(RealRotaryAttention())
    side = latents_NCHW.shape[-1] // PATCH
    positions = ChosenPositions(editor.transformer.pos_embed, (side, side), torch.arange(side**2))
    editor.transformer.pos_embed = positions
    if compile_network:
        for block in editor.transformer.transformer_blocks:
            block.compile(dynamic=False)
    pairs = Pairs(drawings, plan)
    for index, phase in enumerate(plan.phases):
        if phase == plan.phases[0] and start is not None:
            continue
        objective = Objective(editor, positions, phase, pairs, latents_NCHW, patches_NPV, (seed, index))
        matrices = block_matrices(editor) if phase.muon else []
        records = train(editor, objective, phase.optimisation, folder / phase.name, matrices)
        yield from ({"phase": phase.name, **record} for record in records)
    editor.transformer.pos_embed = positions.stock
    editor.half().cpu()
    parts = {
        "tokenizer": editor.tokenizer,
        "text_encoder": editor.text_encoder,
        "transformer": editor.transformer,  # the last: where it is, the editor is finished
    }
    for name, part in parts.items():
        with whole_folder(folder / name) as partial:
            part.save_pretrained(partial)


def load_networks(editor: EmbeddedEditor, model: Path) -> None:
    """Take the weights of a finished model folder of the same shape; it may have had other words."""
    stock = QwenImageTransformer2DModel.from_pretrained(
        model / "transformer", torch_dtype=torch.float32, trust_remote_code=False
    )
    editor.transformer.load_state_dict(stock.state_dict())
    text_encoder = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        model / "text_encoder", dtype=torch.float32, trust_remote_code=False
    )
    weights = text_encoder.state_dict()
    words = Qwen2Tokenizer.from_pretrained(model / "tokenizer").get_vocab()
    for name, value in editor.text_encoder.state_dict().items():
        if name in _OF_WORDS:  # a row a word; those that are new start where they are
            known = {word: number for word, number in editor.tokenizer.get_vocab().items() if word in words}
            rows, before = list(known.values()), [words[word] for word in known]
            weights[name] = value.index_copy(0, torch.tensor(rows), weights[name][before])
    editor.text_encoder.load_state_dict(weights)


def block_matrices(editor: EmbeddedEditor) -> list[nn.Parameter]:
    """The matrices inside the blocks of both networks, but for the modulations."""
    blocks = [editor.transformer.transformer_blocks, editor.text_encoder.model.language_model.layers]
    return [
        parameter
        for block in blocks
        for name, parameter in block.named_parameters()
        if parameter.ndim == 2 and "_mod." not in name
    ]


class Objective:
    """Flow matching (the paper's Eq. 6 in its working form, without strengths): step -> losses."""

    def __init__(
        self,
        editor: EmbeddedEditor,
        positions: ChosenPositions,
        phase: EditorPhase,
        pairs: Pairs,
        latents_NCHW: np.ndarray,
        patches_NPV: np.ndarray,
        seed: tuple[int, int],
    ) -> None:
        self.editor, self.positions, self.phase, self.pairs, self.seed = editor, positions, phase, pairs, seed
        self.latents_NCHW, self.patches_NPV = latents_NCHW, patches_NPV
        self.device = editor.transformer.device
        self.schedule = FlowSchedule(phase.shift)
        self.weights_N = _token_weights(pairs, latents_NCHW, phase.focus)
        height, width = positions.grid
        grid = torch.arange(height * width).view(height, width)
        self.core = grid[slice(*phase.core_rows), slice(*phase.core_columns)].flatten()
        self.elsewhere = grid.flatten()[~torch.isin(grid.flatten(), self.core)]

    def __call__(self, step: int) -> Losses:
        """The losses of one batch; everything random comes from the seed and the step."""
        rng = np.random.default_rng((*self.seed, step))
        drawn = self.pairs.draw(self.phase.batch_size, rng)
        tokens, weights_N = self._chosen_tokens(rng)
        self.positions.tokens = tokens
        target_BND = _tokens(self.latents_NCHW, [pair.target for pair in drawn], tokens).to(self.device)
        source_BND = _tokens(self.latents_NCHW, [pair.source for pair in drawn], tokens).to(self.device)
        noise_BND = torch.from_numpy(rng.standard_normal(target_BND.shape, np.float32)).to(self.device)
        uniform_B = torch.from_numpy(rng.random(len(drawn), np.float32))
        sigmas_B = self.schedule.shifted(uniform_B).to(self.device)
        patches_BPV = torch.from_numpy(self.patches_NPV[[pair.source for pair in drawn]]).float()
        with autocast(self.device):
            embeddings_BTD = self.editor.embed([pair.prompt for pair in drawn], patches_BPV.to(self.device))
            noisy_BND = add_noise(target_BND, noise_BND, sigmas_B)
            velocity_BND = self.editor.velocity(noisy_BND, source_BND, sigmas_B, embeddings_BTD)
        error_BN = (velocity_BND.float() - velocity_target(target_BND, noise_BND)).square().mean(-1)
        in_one_step_BN = error_BN.detach() * sigmas_B[:, None].square()  # error of the picture at noise 0
        copying_BN = (source_BND - target_BND).square().mean(-1)
        return {
            "loss": (error_BN @ weights_N).mean(),
            "latent_error": (in_one_step_BN @ weights_N).mean(),
            "copying_error": (copying_BN @ weights_N).mean(),
        }

    def _chosen_tokens(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The tokens that a step sees, and weights with which they stand for the whole picture."""
        num = self.phase.num_elsewhere
        chosen = self.elsewhere[np.sort(rng.permutation(len(self.elsewhere))[:num])]
        tokens = torch.cat([self.core, chosen])
        shares = torch.ones(len(tokens))
        shares[len(self.core) :] = len(self.elsewhere) / max(1, num)
        weights_N = self.weights_N[tokens] * shares
        return tokens, (weights_N / weights_N.sum()).to(self.device)


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
