"""The families of models that edit here, and what is fixed about each. Loads no torch.

                      Qwen-Image-Edit                        Qwen-Image-2.1
    transformer       two streams, text and picture          one stream, block-causal
    a token is        2 x 2 latents of 8 px                  1 latent of 16 px
    the source        after the target, in the picture's     in the text, where the text encoder sees it:
                      stream                                 keys and values of both are the same in all steps
    text encoder      Qwen2.5-VL, sees a copy of its own     Qwen3-VL, sees the picture that is edited
                      size
    guidance          keeps the length of each token         plain

How each one's transformer is called stands in `backbone`, which classes load its parts in `components`.
"""

from dataclasses import dataclass

from pixelsmile.store.hub import RESEARCH_ONLY, Licence

IMAGE_TOKEN = "<|image_pad|>"


@dataclass(frozen=True)
class Template:
    """What stands around a prompt. prefix: is read by the text encoder and dropped from the embeddings.

    picture: with IMAGE_TOKEN in the place of the picture's tokens.
    """

    prefix: str
    picture: str
    suffix: str


@dataclass(frozen=True)
class Family:
    """pipelines: what the names of its diffusers pipelines begin with. parts: folders of a model; tokenizer:
    which of them holds it. patch: a token of the transformer covers patch x patch latents.

    sees_working_picture: the text encoder sees the picture at the size at which it is edited.
    reads_before_norm: the transformer takes what the text encoder's last layer gives, before the norm behind
    it. edits_alone: steps and guidance without an adapter, by its card; None: `folders.alone` tells.
    licence: where it restricts the use.
    """

    name: str
    example: str
    pipelines: str
    parts: tuple[str, ...]
    tokenizer: str
    patch: int
    template: Template
    sees_working_picture: bool = False
    reads_before_norm: bool = False
    edits_alone: tuple[int, float] | None = None
    licence: Licence | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What everybody who loads it must know."""
        if self.licence is None:
            return ()
        return (f"{self.name}: {self.licence.name}, {self.licence.terms} ({self.licence.url})",)


_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n"

EDIT = Family(
    name="Qwen-Image-Edit",
    example="Qwen/Qwen-Image-Edit-2511",
    pipelines="QwenImageEdit",
    parts=("scheduler", "tokenizer", "processor", "transformer", "vae", "text_encoder"),
    tokenizer="tokenizer",
    patch=2,
    template=Template(
        prefix="<|im_start|>system\nDescribe the key features of the input image (color, shape, size, "
        "texture, objects, background), then explain how the user's text instruction should alter or modify "
        "the image. Generate a new image that meets the user's requirements while maintaining consistency "
        "with the original input where appropriate.<|im_end|>\n<|im_start|>user\n",
        picture=f"Picture 1: <|vision_start|>{IMAGE_TOKEN}<|vision_end|>",
        suffix=_SUFFIX,
    ),
)
QWEN_21 = Family(
    name="Qwen-Image-2.1",
    example="Qwen/Qwen-Image-2.1",
    pipelines="QwenImage21",
    parts=("scheduler", "processor", "transformer", "vae", "text_encoder"),
    tokenizer="processor",
    patch=1,
    template=Template(
        prefix="<|im_start|>system\nComprehend and analyze the provided prompt.<|im_end|>\n",
        picture=f"<|im_start|>user\n<image1><|vision_start|>{IMAGE_TOKEN}<|vision_end|>",
        suffix=_SUFFIX,
    ),
    sees_working_picture=True,
    reads_before_norm=True,
    edits_alone=(40, 1.0),
    licence=RESEARCH_ONLY,
)
FAMILIES = (EDIT, QWEN_21)
