"""Nodes that edit: an editor, what the face shall show, the edit, and a preview of it.

What a face shall show is a wire of its own (`PIXELSMILE_EXPRESSION`), so that one expression, a blend of
several and single muscles all go into the same edit.
"""

import logging
from collections.abc import Sequence
from typing import Any

import comfy.model_management
import comfy.utils
import folder_paths
from comfy_api.latest import io, ui

from pixelsmile.editing.face_edits import PasteOptions
from pixelsmile.editing.folders import GEOMETRIC
from pixelsmile.editing.model_choice import ModelChoice, load_editor
from pixelsmile.editing.options import (
    CONDITIONINGS,
    DTYPE_NAMES,
    MAX_SIZE_PX,
    MAX_STEPS,
    OFFLOADS,
    QUANTIZATIONS,
    EditOptions,
)
from pixelsmile.editing.requests import Request
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, MAX_STRENGTH, parse_strength
from pixelsmile.faces.crops import DEFAULT_CONTEXT
from pixelsmile.faces.detectors import DETECTORS
from pixelsmile.portraits.action_units import SIGNED, UNITS

from .pixels import images_of, pictures_of
from .work import Faces, Job, edit_batch, geometric_editor, moved_sliders, node_words

_log = logging.getLogger(__name__)

CATEGORY = "PixelSmile"
AUTO = "auto"
_MAX_SEED = 2**53 - 1  # what the JavaScript of the page holds exactly
FACE_HELP = (
    "largest, centre, all, a number as Detect Faces shows it, x,y,width,height, or whole for the whole "
    "picture; empty: the only face"
)
MARK_HELP = (
    "put an imperceptible mark into the pixels that says: edited by software; `pixelsmile verify` finds it"
)

EditorType = io.Custom("PIXELSMILE_EDITOR")
ExpressionType = io.Custom("PIXELSMILE_EXPRESSION")
FacesType = io.Custom("PIXELSMILE_FACES")
# Older ComfyUIs load no node whose output has the id of an input: such an output's begins with made_.


def strength_input(default: float = 1.0) -> Any:
    return io.Float.Input(
        "strength",
        default=default,
        min=0.0,
        max=MAX_STRENGTH,
        step=0.05,
        display_mode=io.NumberDisplay.slider,
        tooltip="0 is the neutral face, 1 the full expression, beyond it is extrapolated",
    )


def detector_input() -> Any:
    return io.Combo.Input(
        "detector",
        options=[AUTO, *DETECTORS],
        default=AUTO,
        tooltip="what finds faces; embedded: portraits that pixelsmile draws",
    )


def face_input(default: str = "") -> Any:
    return io.String.Input("face", default=default, tooltip=FACE_HELP)


def mark_input() -> Any:
    return io.Boolean.Input("mark", default=True, tooltip=MARK_HELP)


class LoadEditor(io.ComfyNode):
    """Loads a model once; it stays while the workflow uses it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmileLoadEditor",
            display_name="Load Editor (PixelSmile)",
            category=CATEGORY,
            description="Loads what edits: `geometric` moves a mesh of a photographed face on any machine, "
            "`embedded` knows portraits that pixelsmile draws, a folder or hub id is a diffusers model: "
            "Qwen-Image-Edit, or Qwen-Image-2.1. Those who run the former in ComfyUI itself use Interpolate "
            "Prompts.",
            inputs=[
                io.String.Input(
                    "model", default=GEOMETRIC, tooltip="geometric, embedded, a folder, or a hub id"
                ),
                io.String.Input(
                    "adapter",
                    default="",
                    tooltip="a LoRA of models/loras, a file or a hub id; empty: the model's own; none: none",
                ),
                io.Combo.Input("device", options=[AUTO, "cpu", "cuda"], default=AUTO),
                io.Combo.Input("dtype", options=[AUTO, *DTYPE_NAMES], default=AUTO),
                io.Combo.Input("offload", options=[*OFFLOADS], default="none", tooltip="to save GPU memory"),
                io.Combo.Input("quantization", options=["none", *QUANTIZATIONS], default="none"),
            ],
            outputs=[EditorType.Output("editor", "editor")],
        )

    @classmethod
    def execute(
        cls, model: str, adapter: str, device: str, dtype: str, offload: str, quantization: str
    ) -> io.NodeOutput:
        choice = ModelChoice(
            model=model.strip(),
            adapter=[_adapter_path(adapter.strip())] if adapter.strip() else None,
            device=None if device == AUTO else device,
            dtype=None if dtype == AUTO else dtype,
            offload=offload,
            quantization=None if quantization == "none" else quantization,
        )
        with node_words():
            choice.check_files()
            choice.check_device()
            if choice.model != GEOMETRIC:  # which needs no memory that ComfyUI's models could hold
                comfy.model_management.unload_all_models()
                comfy.model_management.soft_empty_cache()
            return io.NodeOutput(load_editor(choice, _log.info))


def _adapter_path(adapter: str) -> str:
    """A file of models/loras by its name there; anything else as it is."""
    return folder_paths.get_full_path("loras", adapter) or adapter


class Expression(io.ComfyNode):
    """One of the twelve."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmileExpression",
            display_name="Expression (PixelSmile)",
            category=CATEGORY,
            description="One of the twelve expressions.",
            inputs=[io.Combo.Input("expression", options=[*EXPRESSIONS], default="happy")],
            outputs=[ExpressionType.Output("made_expression", "expression")],
        )

    @classmethod
    def execute(cls, expression: str) -> io.NodeOutput:
        with node_words():
            return io.NodeOutput(Request(expression).checked())


class Blend(io.ComfyNode):
    """A slider for each expression."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmileBlend",
            display_name="Blend of Expressions (PixelSmile)",
            category=CATEGORY,
            description="A mixture of expressions, each with its own weight.",
            inputs=_sliders(EXPRESSIONS),
            outputs=[ExpressionType.Output("expression", "expression")],
        )

    @classmethod
    def execute(cls, **weights: float) -> io.NodeOutput:
        with node_words():
            return io.NodeOutput(Request(blend=moved_sliders(weights, EXPRESSIONS)).checked())


class ActionUnits(io.ComfyNode):
    """A slider for each muscle."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmileActionUnits",
            display_name="Action Units (PixelSmile)",
            category=CATEGORY,
            description="Single muscles of the face (FACS), for the editor `geometric` and the preview.",
            inputs=_sliders(UNITS),
            outputs=[ExpressionType.Output("expression", "expression")],
        )

    @classmethod
    def execute(cls, **units: float) -> io.NodeOutput:
        with node_words():
            return io.NodeOutput(Request(units=moved_sliders(units, UNITS)).checked())


def _sliders(names: Sequence[str]) -> list[Any]:
    """One for each name: from 0, or from -1 where it goes both ways, to 1."""
    return [
        io.Float.Input(
            name,
            default=0.0,
            min=-1.0 if name in SIGNED else 0.0,
            max=1.0,
            step=0.05,
            display_mode=io.NumberDisplay.slider,
        )
        for name in names
    ]


def _edit_inputs() -> list[Any]:
    """What Edit and Sweep share."""
    return [
        face_input(),
        detector_input(),
        io.Combo.Input("domain", options=[*DOMAINS], default="human", tooltip="what kind of portrait it is"),
        io.Int.Input(
            "seed", default=0, min=0, max=_MAX_SEED, control_after_generate=False, tooltip="of the noise"
        ),
        io.Int.Input("steps", default=0, min=0, max=MAX_STEPS, tooltip="0: the model's own number"),
        io.Int.Input(
            "size",
            default=0,
            min=0,
            max=MAX_SIZE_PX,
            tooltip="root of the area edited at; 0: the model's own",
        ),
        io.Combo.Input(
            "conditioning",
            options=[*CONDITIONINGS],
            default=AUTO,
            tooltip="how strength steers a diffusion model; auto is right",
        ),
        io.Float.Input(
            "neutralise",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="for geometric: how much of the expression that the photograph shows goes first",
        ),
        mark_input(),
        FacesType.Input("faces", optional=True, tooltip="of Detect Faces; then `face` is not used"),
    ]


_EDIT_OUTPUTS = (
    ("image", io.Image, "the edits: of each picture, by strength"),
    ("settings", io.String, "how they were made, as JSON"),
)


def _edit_outputs() -> list[Any]:
    return [kind.Output(f"made_{name}", name, tooltip=tooltip) for name, kind, tooltip in _EDIT_OUTPUTS]


def _edited(
    editor: Any, image: Any, expression: Request, strengths: Sequence[float], given: dict[str, Any]
) -> tuple[Any, str]:
    """IMAGE and settings of an edit; `given`: the inputs of `_edit_inputs`."""
    faces: Faces | None = given.get("faces")
    options: EditOptions = {
        "domain": given["domain"],
        "seed": given["seed"],
        "steps": given["steps"] or None,
        "size": given["size"] or None,
        "conditioning": given["conditioning"],
        "neutralise": None if given["neutralise"] == 1 else given["neutralise"],
    }
    job = Job(
        expression,
        strengths,
        face=given["face"],
        faces=faces,
        detector=given["detector"],
        mark=given["mark"],
        paste=PasteOptions(context=DEFAULT_CONTEXT),
        options=options,
    )
    made, settings = edit_batch(editor, pictures_of(image), job, follow())
    return images_of(made), settings


def follow() -> Any:
    """Shows how far an edit is, and ends it where somebody cancels."""
    bar = comfy.utils.ProgressBar(1)

    def show(done: int, total: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(done, total)

    return show


class Edit(io.ComfyNode):
    """One edit of every picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmileEdit",
            display_name="Edit Expression (PixelSmile)",
            category=CATEGORY,
            description="Edits the face: it is cut out, edited upright and pasted back, and outside of it no "
            "pixel changes but by the mark. The same pixels as `pixelsmile edit`.",
            inputs=[
                EditorType.Input("editor"),
                io.Image.Input("image"),
                ExpressionType.Input("expression"),
                strength_input(),
                *_edit_inputs(),
            ],
            outputs=_edit_outputs(),
        )

    @classmethod
    def execute(
        cls, editor: Any, image: Any, expression: Request, strength: float, **given: Any
    ) -> io.NodeOutput:
        with node_words():
            return io.NodeOutput(*_edited(editor, image, expression, [strength], given))


class Sweep(io.ComfyNode):
    """One edit of every picture at each of several strengths."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmileSweep",
            display_name="Sweep of Strengths (PixelSmile)",
            category=CATEGORY,
            description="The same edit at several strengths, as a batch: the face is found and encoded once.",
            inputs=[
                EditorType.Input("editor"),
                io.Image.Input("image"),
                ExpressionType.Input("expression"),
                io.String.Input(
                    "strengths", default="0, 0.25, 0.5, 0.75, 1", tooltip="numbers from 0 to 2, with commas"
                ),
                *_edit_inputs(),
            ],
            outputs=_edit_outputs(),
        )

    @classmethod
    def execute(
        cls, editor: Any, image: Any, expression: Request, strengths: str, **given: Any
    ) -> io.NodeOutput:
        with node_words():
            numbers = [parse_strength(part.strip()) for part in strengths.split(",")]
            return io.NodeOutput(*_edited(editor, image, expression, numbers, given))


class Preview(io.ComfyNode):
    """A look at an expression in a fraction of a second, without an editor."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmilePreview",
            display_name="Geometric Preview (PixelSmile)",
            category=CATEGORY,
            description="Moves a mesh of the photographed face, in a fraction of a second on any machine: to "
            "find an expression and its strength before a diffusion model makes it. Set Run to `on change` "
            "and drag the sliders. Not the paper's method, and it says nothing of what that will make.",
            inputs=[
                io.Image.Input("image"),
                ExpressionType.Input("expression"),
                strength_input(),
                face_input("largest"),
            ],
            outputs=[io.Image.Output("made_image", "image")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, image: Any, expression: Request, strength: float, face: str) -> io.NodeOutput:
        with node_words():
            job = Job(expression, [strength], face=face)
            made, _ = edit_batch(geometric_editor(), pictures_of(image), job, follow())
        shown = images_of(made)
        return io.NodeOutput(shown, ui=ui.PreviewImage(shown, cls=cls))


NODES = (LoadEditor, Expression, Blend, ActionUnits, Edit, Sweep, Preview)
