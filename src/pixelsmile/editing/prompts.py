"""Prompts to embeddings, with the picture in view: the text encoder of Qwen-Image-Edit, one batched pass.

The template is the checkpoint's (Qwen-Image-Edit-Plus). Its fixed prefix is dropped from the embeddings; its
length is counted with the tokenizer at hand. The token types are passed to the encoder, which otherwise falls
back to 1-D positions for the tokens of the picture.

Shape suffixes: P prompts, T tokens.
"""

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import ProcessorMixin, Qwen2VLProcessor

from pixelsmile.editing.conditioning import Prompt
from pixelsmile.editing.folders import ConditionSize
from pixelsmile.editing.pictures import resized
from pixelsmile.errors import ExpressionError, ModelError

PREFIX = (
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, "
    "background), then explain how the user's text instruction should alter or modify the image. Generate a "
    "new image that meets the user's requirements while maintaining consistency with the original input "
    "where appropriate.<|im_end|>\n<|im_start|>user\n"
)
IMAGE_TOKEN = "<|image_pad|>"
PICTURE = f"Picture 1: <|vision_start|>{IMAGE_TOKEN}<|vision_end|>"
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n"

MAX_TOKENS = 1024


class PromptEncoder:
    """Encodes the prompts of one edit together with the source picture.

    text_encoder: Qwen2_5_VLForConditionalGeneration. image_processor: a Qwen2-VL one. condition_size: how
    large the encoder sees the picture, aspect kept.
    """

    def __init__(
        self, text_encoder: Any, tokenizer: Any, image_processor: Any, condition_size: ConditionSize
    ) -> None:
        self.text_encoder, self.tokenizer, self.image_processor = text_encoder, tokenizer, image_processor
        self.condition_size = condition_size
        self._check_tokenizer()
        self.prefix_length = len(tokenizer(PREFIX)["input_ids"])
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
            self._encoded([PREFIX, PREFIX + SUFFIX])
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

    def _pixels(self, image: Image.Image) -> dict[str, Tensor]:
        seen = resized(image.convert("RGB"), *self.condition_size.fit(*image.size))
        return self.image_processor(images=[seen], return_tensors="pt")

    def _tokens(self, prompts: list[str], image_grid_thw: Tensor) -> dict[str, Tensor]:
        num_image_tokens = int(image_grid_thw.prod()) // self.image_processor.merge_size**2
        picture = PICTURE.replace(IMAGE_TOKEN, IMAGE_TOKEN * num_image_tokens)
        texts = [PREFIX + picture + prompt + SUFFIX for prompt in prompts]
        return self._encoded(texts)

    def _encoded(self, texts: list[str]) -> dict[str, Tensor]:
        return self.tokenizer(texts, padding=True, return_tensors="pt")

    def _hidden(self, tokens: dict[str, Tensor], pixels: dict[str, Tensor], device: torch.device) -> Tensor:
        input_ids_PT = tokens["input_ids"]
        num_prompts = len(input_ids_PT)
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
