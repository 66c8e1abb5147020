"""Nodes for people who run Qwen-Image-Edit in ComfyUI itself: the prompts, and what lies between them."""

from typing import Any

from comfy_api.latest import io

from pixelsmile.expressions import DOMAINS, EXPRESSIONS, MAX_STRENGTH, neutral_prompt, target_prompt

from .conditionings import METHODS, interpolated
from .edit_nodes import CATEGORY, strength_input
from .work import node_words


class Prompts(io.ComfyNode):
    """The words that the published adapter was trained with."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmilePrompts",
            display_name="Expression Prompts (PixelSmile)",
            category=CATEGORY,
            description="The neutral prompt and the expression's, in the words that PixelSmile adapters "
            "know. Encode both with the same picture, then connect Interpolate Prompts.",
            inputs=[
                io.Combo.Input("expression", options=[*EXPRESSIONS], default="happy"),
                io.Combo.Input(
                    "domain",
                    options=[*DOMAINS],
                    default="human",
                    tooltip="a photograph, or a drawn character",
                ),
            ],
            outputs=[io.String.Output("neutral", "neutral"), io.String.Output("target", "target")],
        )

    @classmethod
    def execute(cls, expression: str, domain: Any) -> io.NodeOutput:
        return io.NodeOutput(neutral_prompt(domain), target_prompt(expression, domain))


class Interpolate(io.ComfyNode):
    """A strength for a model that knows prompts alone."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmileInterpolate",
            display_name="Interpolate Prompts (PixelSmile)",
            category=CATEGORY,
            description="Textual latent interpolation: neutral + strength x (target - neutral), and the same "
            "of a second target. Unlike Conditioning (Average) it goes beyond 1, and prompts of different "
            "length are not padded: their predictions are interpolated instead (one more forward each).",
            inputs=[
                io.Conditioning.Input("neutral"),
                io.Conditioning.Input("target"),
                strength_input(),
                io.Combo.Input(
                    "method",
                    options=[*METHODS],
                    default=METHODS[0],
                    tooltip="all: every token (prompts of one length); velocity: the predictions; auto: the "
                    "first where it can be",
                ),
                io.Conditioning.Input("second_target", optional=True, tooltip="for a blend of two"),
                io.Float.Input(
                    "second_strength",
                    optional=True,
                    default=0.5,
                    min=0.0,
                    max=MAX_STRENGTH,
                    step=0.05,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="of the second target, where one is connected",
                ),
            ],
            outputs=[io.Conditioning.Output("conditioning", "conditioning")],
        )

    @classmethod
    def execute(
        cls,
        neutral: Any,
        target: Any,
        strength: float,
        method: str,
        second_target: Any = None,
        second_strength: float = 0.0,
    ) -> io.NodeOutput:
        pairs = [(target, strength)] + ([] if second_target is None else [(second_target, second_strength)])
        targets, weights = zip(*pairs, strict=True)
        with node_words():
            return io.NodeOutput(interpolated(neutral, targets, weights, method))


NODES = (Prompts, Interpolate)
