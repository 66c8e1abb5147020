"""The Qwen2-VL processor for pictures alone.

The stock one wants a video processor, and that wants torchvision, which this project does not use. The stock
pipeline takes this one in its place: `from_pretrained(folder, processor=..., tokenizer=...)`.
"""

from typing import Any

from transformers import ProcessorMixin, Qwen2VLProcessor


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
    """The processor of the two, as the stock pipeline uses and saves one."""
    return _ImageOnlyProcessor(image_processor, tokenizer)
