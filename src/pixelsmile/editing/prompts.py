"""Prompts to embeddings, with the picture in view: the text encoder of a model, one batched pass.

The template is the family's. Its fixed prefix is dropped from the embeddings; its
length is counted with the tokenizer at hand. The token types are passed to the encoder, which otherwise falls
back to 1-D positions for the tokens of the picture.

Shape suffixes: P prompts, T tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import ProcessorMixin, Qwen2VLProcessor

from pixelsmile.editing.conditioning import Prompt
from pixelsmile.editing.family import EDIT, IMAGE_TOKEN, Family
from pixelsmile.editing.folders import ConditionSize
from pixelsmile.editing.pictures import resized
from pixelsmile.errors import ExpressionError, ModelError

PREFIX, PICTURE, SUFFIX = EDIT.template.prefix, EDIT.template.picture, EDIT.template.suffix
MAX_TOKENS = 1024


class PromptEncoder:
    """Encodes the prompts of one edit together with the source picture.

    text_encoder: that of the family. image_processor: a Qwen2-VL one. condition_size: how large the encoder
    sees the picture, aspect kept; None: as it is, with sides that are whole tokens.
    picture_start: which token of an embedding is the picture's first.
    """

    def __init__(
        self,
        text_encoder: Any,
        tokenizer: Any,
        image_processor: Any,
        condition_size: ConditionSize | None,
        family: Family = EDIT,
    ) -> None:
        self.text_encoder, self.tokenizer, self.image_processor = text_encoder, tokenizer, image_processor
        self.condition_size, self.template = condition_size, family.template
        self._before_norm = family.reads_before_norm
        self._check_tokenizer()
        before, _, _ = (self.template.prefix + self.template.picture).partition(IMAGE_TOKEN)
        lengths = (len(tokenizer(text)["input_ids"]) for text in (self.template.prefix, before))
        self.prefix_length, start = lengths
        self.picture_start = start - self.prefix_length
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        if self.image_token_id != text_encoder.config.image_token_id:
            raise ModelError(
                f"tokenizer and text encoder disagree on {IMAGE_TOKEN}: {self.image_token_id!r} and "
                f"{text_encoder.config.image_token_id!r}; take both from one model"
            )

    def _check_tokenizer(self) -> None:
        """ModelError for one that cannot fill up short prompts, or whose tokens the text encoder lacks."""
        if self.tokenizer.pad_token_id is None:
            raise ModelError("the model's tokenizer has no pad_token: fetch the model again")
        largest = max(self.tokenizer.get_vocab().values())
        num_known = self.text_encoder.get_input_embeddings().num_embeddings
        if largest >= num_known:
            raise ModelError(
                f"the model's tokenizer has token {largest:,}, its text encoder knows {num_known:,}: "
                "take both from one model"
            )
        try:  # on texts of two lengths, as every edit will
            self._encoded([self.template.prefix, self.template.prefix + self.template.suffix])
        except Exception as error:  # whatever a library stumbles over in its own settings
            reason = str(error) or type(error).__name__
            raise ModelError(f"the model's tokenizer fails ({reason}): fetch the model again") from error

    def encode(self, image: Image.Image, prompts: list[str], device: torch.device) -> list[Prompt]:
        """One Prompt for each text, in order, in one pass; embeddings in the text encoder's dtype.

        ExpressionError for a prompt of more than MAX_TOKENS tokens (the picture's included), or one that
        contains the template's own marks.
        """
        for text in prompts:
            if "<|" in text:
                raise ExpressionError(f"prompt {text!r} contains '<|', a mark of the template: leave it out")
        pixels = self._pixels(image)
        tokens = self._tokens(prompts, pixels["image_grid_thw"])
        mask_PT = tokens["attention_mask"]
        hidden_PTD = self._hidden(tokens, pixels, device)
        encoded = []
        for index, text in enumerate(prompts):
            kept_T = mask_PT[index].bool().nonzero().flatten()[self.prefix_length :]
            token_ids = tuple(tokens["input_ids"][index, kept_T].tolist())
            if len(token_ids) > MAX_TOKENS:
                raise ExpressionError(
                    f"prompt of {len(token_ids)} tokens, at most {MAX_TOKENS} fit: shorten it"
                )
            encoded.append(Prompt(text, token_ids, hidden_PTD[index, kept_T.to(hidden_PTD.device)]))
        return encoded

    def num_tokens(self, prompt: str) -> int:
        """Of a prompt, with one token for the picture."""
        return len(self.tokenizer(self.template.picture + prompt + self.template.suffix)["input_ids"])

    def _pixels(self, image: Image.Image) -> dict[str, Tensor]:
        if self.condition_size is None:
            return self.image_processor(images=[image.convert("RGB")], do_resize=False, return_tensors="pt")
        seen = resized(image.convert("RGB"), *self.condition_size.fit(*image.size))
        return self.image_processor(images=[seen], return_tensors="pt")

    def _tokens(self, prompts: list[str], image_grid_thw: Tensor) -> dict[str, Tensor]:
        num_image_tokens = int(image_grid_thw.prod()) // self.image_processor.merge_size**2
        prefix, picture, suffix = self.template.prefix, self.template.picture, self.template.suffix
        picture = picture.replace(IMAGE_TOKEN, IMAGE_TOKEN * num_image_tokens)
        texts = [prefix + picture + prompt + suffix for prompt in prompts]
        return self._encoded(texts)

    def _encoded(self, texts: list[str]) -> dict[str, Tensor]:
        return self.tokenizer(texts, padding=True, return_tensors="pt")

    def _hidden(self, tokens: dict[str, Tensor], pixels: dict[str, Tensor], device: torch.device) -> Tensor:
        input_ids_PT = tokens["input_ids"]
        num_prompts = len(input_ids_PT)
        with _no_last_norm(self.text_encoder) if self._before_norm else nullcontext():
            outputs = self.text_encoder(
                input_ids=input_ids_PT.to(device),
                attention_mask=tokens["attention_mask"].to(device),
                mm_token_type_ids=(input_ids_PT == self.image_token_id).int().to(device),
                pixel_values=pixels["pixel_values"].repeat(num_prompts, 1).to(device),
                image_grid_thw=pixels["image_grid_thw"].repeat(num_prompts, 1).to(device),
                output_hidden_states=True,
                logits_to_keep=1,  # the vocabulary's logits are not used: a wide matrix for each token
                use_cache=False,
            )
        return outputs.hidden_states[-1]


@contextmanager
def _no_last_norm(text_encoder: Any) -> Iterator[None]:
    """For the block: what comes out of the last layer stays as it is (transformers 5 gives it normalised)."""
    norm = text_encoder.model.language_model.norm
    handle = norm.register_forward_hook(lambda _module, inputs, _output: inputs[0])
    try:
        yield
    finally:
        handle.remove()


class _ImageOnlyProcessor(Qwen2VLProcessor):
    def __init__(self, image_processor: Any = None, tokenizer: Any = None) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer)


# Folders that are saved with it name the stock class, so that they load anywhere.
_ImageOnlyProcessor.__name__ = Qwen2VLProcessor.__name__
_ImageOnlyProcessor.__module__ = Qwen2VLProcessor.__module__


def image_only_processor(image_processor: Any, tokenizer: Any) -> Qwen2VLProcessor:
    """The Qwen2-VL processor for pictures alone; the stock one wants a video processor, and that torchvision.

    The stock pipeline takes it in its place: `from_pretrained(folder, processor=..., tokenizer=...)`.
    """
    return _ImageOnlyProcessor(image_processor, tokenizer)
