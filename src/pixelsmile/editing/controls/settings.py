"""What each method of control can be told: how large it is, and how it learns. Loads nothing that is slow."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1, le=2**20)]
Positive = Annotated[float, Field(gt=0)]


class _Method(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ConceptSliderSettings(_Method):
    """Low-rank adapters on the attention; lora_alpha / rank scales them.

    pairs: what the ends of a slider are: `pictures`, of one person, neutral and in full, or `prompts`, of the
    base alone. guidance: eta of the latter, how far beyond its prompt an end lies.
    """

    method: Literal["concept-slider"]
    rank: Count = 4
    lora_alpha: Positive = 4.0
    pairs: Literal["pictures", "prompts"] = "pictures"
    guidance: Positive = 1.0


class AttributeControlSettings(_Method):
    """tokens: that are moved, those of the subject (also where an older record does not say) or of the
    instruction. max_scale: scales of a direction in training, up to this, of either sign.
    """

    method: Literal["attribute-control"]
    tokens: Literal["subject", "instruction"] = "subject"
    max_scale: Positive = 1.5


class SAEditSettings(_Method):
    """num_latents: of the autoencoder; num_active: of them, at a token; num_groups: nested, each twice the
    last. kept_share: of the latents, those that make a direction: the most of them its own.
    """

    method: Literal["saedit"]
    num_latents: Count = 1024
    num_active: Count = 16
    num_groups: Annotated[int, Field(ge=1, le=12)] = 4
    kept_share: Annotated[float, Field(gt=0, le=1)] = 0.02


class KSliderSettings(_Method):
    """The projector's layers, and the low-rank adapter that is trained with it."""

    method: Literal["k-slider"]
    num_layers: Annotated[int, Field(ge=2, le=12)] = 4
    rank: Count = 4
    lora_alpha: Positive = 4.0


class SliderEditSettings(_Method):
    """The low-rank adapter; lora_alpha / rank scales it."""

    method: Literal["slideredit"]
    rank: Count = 16
    lora_alpha: Positive = 16.0


MethodSettings = Annotated[
    ConceptSliderSettings | AttributeControlSettings | SAEditSettings | KSliderSettings | SliderEditSettings,
    Field(discriminator="method"),
]
METHODS = ("concept-slider", "attribute-control", "saedit", "k-slider", "slideredit")
