"""Nodes about faces: find them, cut one out, paste it back, score what it shows.

Cut out and paste back are for those who edit in between with a model in ComfyUI itself.
"""

import json
from typing import Any

from comfy_api.latest import io

from pixelsmile.editing.face_edits import MASK_GROW, MAX_CONTEXT, PasteOptions
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS
from pixelsmile.faces.choice import face_records
from pixelsmile.faces.crops import DEFAULT_CONTEXT
from pixelsmile.faces.outlines import draw_faces

from .edit_nodes import CATEGORY, FacesType, detector_input, face_input, mark_input
from .pixels import images_of, pictures_of
from .work import JUDGES, PlacedCrop, crop_face, find_faces, node_words, paste_face, score_picture

CropType = io.Custom("PIXELSMILE_CROP")


class DetectFaces(io.ComfyNode):
    """Which faces there are."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmileDetectFaces",
            display_name="Detect Faces (PixelSmile)",
            category=CATEGORY,
            description="Finds faces, numbers them from left to right, and chooses among them.",
            inputs=[io.Image.Input("image"), face_input("all"), detector_input()],
            outputs=[
                FacesType.Output("faces", "faces"),
                io.Image.Output("outlines", "outlines", tooltip="the pictures with the chosen faces drawn"),
                io.Int.Output("count", "count", tooltip="of the chosen faces in all pictures"),
                io.String.Output("records", "records", tooltip="boxes, scores and landmarks, as JSON"),
            ],
        )

    @classmethod
    def execute(cls, image: Any, face: str, detector: str) -> io.NodeOutput:
        pictures = pictures_of(image)
        with node_words():
            faces = find_faces(pictures, face, detector)
        drawn = [draw_faces(picture, found) for picture, found in zip(pictures, faces, strict=True)]
        records = [face_records(found, picture.size) for picture, found in zip(pictures, faces, strict=True)]
        count = sum(map(len, faces))
        return io.NodeOutput(faces, images_of(drawn), count, json.dumps(records, indent=1))


class CropFace(io.ComfyNode):
    """A face, upright, as a square."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmileCropFace",
            display_name="Crop Face (PixelSmile)",
            category=CATEGORY,
            description="Cuts a face out, turned upright, for an editor in ComfyUI; Paste Face Back "
            "returns it.",
            inputs=[
                io.Image.Input("image"),
                face_input("largest"),
                detector_input(),
                io.Float.Input(
                    "context",
                    default=DEFAULT_CONTEXT,
                    min=MASK_GROW,
                    max=MAX_CONTEXT,
                    step=0.05,
                    tooltip="side of the square, in faces",
                ),
            ],
            outputs=[io.Image.Output("made_image", "image"), CropType.Output("crop", "crop")],
        )

    @classmethod
    def execute(cls, image: Any, face: str, detector: str, context: float) -> io.NodeOutput:
        with node_words():
            pictures = pictures_of(image)
            if len(pictures) != 1:
                raise InputError(f"there are {len(pictures)} pictures, where one is cut: choose one")
            placed = crop_face(pictures[0], face, detector, context)
            return io.NodeOutput(images_of([placed.image]), placed)


class PasteFace(io.ComfyNode):
    """An edited crop, back in its picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmilePasteFace",
            display_name="Paste Face Back (PixelSmile)",
            category=CATEGORY,
            description="Puts an edited crop back where it was cut out, at the picture's own size: enlarged, "
            "shift and zoom undone, colours matched, blended within an oval around the face.",
            inputs=[
                CropType.Input("crop"),
                io.Image.Input("edited", tooltip="the edited crop, of any size; of a batch, each is pasted"),
                io.Boolean.Input(
                    "guard_drift", default=True, tooltip="measure and undo the editor's shift and zoom"
                ),
                io.Boolean.Input(
                    "keep_detail",
                    default=True,
                    tooltip="keep structure finer than the edit where nothing changed",
                ),
                mark_input(),
                io.Image.Input(
                    "onto",
                    optional=True,
                    tooltip="the same picture in another state, when several faces are pasted one by one",
                ),
            ],
            outputs=[io.Image.Output("made_image", "image")],
        )

    @classmethod
    def execute(
        cls,
        crop: PlacedCrop,
        edited: Any,
        guard_drift: bool,
        keep_detail: bool,
        mark: bool,
        onto: Any = None,
    ) -> io.NodeOutput:
        with node_words():
            edits = pictures_of(edited)
            below = [crop.picture] if onto is None else pictures_of(onto)
            if len(below) not in (1, len(edits)):
                raise InputError(f"there are {len(edits)} edits for {len(below)} pictures: give one for each")
            how = PasteOptions(guard_drift=guard_drift, keep_detail=keep_detail)
            pasted = [
                paste_face(crop, edit, below[index % len(below)], how, mark=mark)
                for index, edit in enumerate(edits)
            ]
            return io.NodeOutput(images_of(pasted))


class Score(io.ComfyNode):
    """What a face shows, by a judge that needs no connection."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelSmileScore",
            display_name="Score Expression (PixelSmile)",
            category=CATEGORY,
            description="Which expression the largest face of the first picture shows, and how much of each, "
            "0 to 1. The judge of photographs judges six of the twelve and neutral.",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("judge", options=[*JUDGES], default=next(iter(JUDGES))),
                io.Combo.Input("domain", options=[*DOMAINS], default="human"),
                io.Combo.Input(
                    "expression", options=[*EXPRESSIONS], default="happy", tooltip="whose score is given"
                ),
            ],
            outputs=[
                io.String.Output("shows", "shows"),
                io.Float.Output("score", "score", tooltip="of the expression that is asked for"),
                io.String.Output(
                    "scores", "scores", tooltip="of all, as JSON; null: this judge does not judge it"
                ),
            ],
        )

    @classmethod
    async def execute(cls, image: Any, judge: str, domain: Any, expression: str) -> io.NodeOutput:
        with node_words():
            shows, scores = await score_picture(pictures_of(image)[0], judge, domain)
            if scores[expression] is None:
                judged = ", ".join(name for name, score in scores.items() if score is not None)
                raise InputError(f"the judge does not judge {expression}: choose one of {judged}")
            return io.NodeOutput(shows, scores[expression], json.dumps(scores, indent=1))


NODES = (DetectFaces, CropFace, PasteFace, Score)
