"""`--face` of `pixelsmile edit`: which faces of the picture are edited, and to what."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixelsmile.errors import InputError, ModelError
from pixelsmile.expressions import format_blend, parse_blend, parse_expression
from pixelsmile.faces.choice import ONLY, FaceChoice, choose, parse_choice

if TYPE_CHECKING:
    from pixelsmile.cli.edit_orders import Order
    from pixelsmile.editing.edit_files import EditResult, Source
    from pixelsmile.editing.editor import EditOptions, Editor
    from pixelsmile.editing.engine import Progress
    from pixelsmile.editing.face_edits import PasteOptions
    from pixelsmile.faces.face import Detector, Face


@dataclass(frozen=True)
class FaceOrder:
    """One --face: which face and, after an equals sign, its own expression or blend."""

    text: str
    choice: FaceChoice
    expression: str | None = None
    blend: dict[str, float] | None = None

    @property
    def label(self) -> str:
        """How its sweep is called beside those of other faces."""
        return f"{self.text} {self.expression or format_blend(self.blend or {})}"


def parse_face_order(text: str) -> FaceOrder:
    """`largest`, `2=happy`, `10,20,80,80=happy=0.6,surprised=0.4`; FaceError, ExpressionError."""
    which, equals, wanted = text.partition("=")
    choice = parse_choice(which)
    if not equals:
        return FaceOrder(which.strip(), choice)
    if "=" in wanted:
        return FaceOrder(which.strip(), choice, blend=parse_blend(wanted))
    return FaceOrder(which.strip(), choice, expression=parse_expression(wanted))


ONLY_FACE = FaceOrder("the face", ONLY)


def check_face_orders(orders: Sequence[FaceOrder], options: argparse.Namespace) -> None:
    """Either one --face and expressions for it, or several --face with an expression each. InputError."""
    own = [order for order in orders if order.expression or order.blend]
    if own and len(own) < len(orders):
        bare = next(order.text for order in orders if order not in own)
        raise InputError(f"--face {bare} has no expression, the others have: write --face {bare}=happy")
    if own and (options.expression or options.blend or options.units or options.prompt):
        raise InputError("--face has expressions of its own: leave out -e, --blend, --units and --prompt")
    if not own and len(orders) > 1:
        first = orders[0].text
        raise InputError(
            f"several --face need an expression each, like --face {first}=happy; or use --face all"
        )
    if own and any(order.choice.kind == "all" for order in own) and len(own) > 1:
        raise InputError("--face all leaves no other face: give it alone")
    if own and any(order.choice.kind == "whole" for order in own):
        raise InputError("--face whole has no expression of its own: give it alone, and -e happy")


def find_faces(
    orders: Sequence[FaceOrder], source: "Source", detector: str, say: Callable[[str], None]
) -> list[tuple[FaceOrder, list["Face"]]]:
    """The faces that each order means; none where the whole picture is to be edited.

    Without an order it is the picture's only face; of a portrait as it is drawn, a square, the whole picture.
    A detector runs only where one is needed. say: is told which was chosen, and why, where nobody named one.
    FaceError, ModelError.
    """
    is_portrait = source.is_drawn and source.image.width == source.image.height
    orders = orders or ([] if is_portrait else [ONLY_FACE])
    found: list[Face] = []
    if any(order.choice.kind not in ("box", "whole") for order in orders):
        found = see_faces(source, detector, say)[1]
    chosen = [(order, choose(order.choice, found, source.image.size)) for order in orders]
    boxes = [face.box for _, faces in chosen for face in faces]
    if len(set(boxes)) < len(boxes):
        raise InputError("two --face mean the same face: `pixelsmile faces PHOTO` lists them")
    return [(order, faces) for order, faces in chosen if faces]


def see_faces(source: "Source", detector: str, say: Callable[[str], None]) -> tuple["Detector", list["Face"]]:
    """The detector that is called so and the faces that it sees, upright or not. ModelError."""
    from pixelsmile.faces.detectors import choose_detector, load_detector
    from pixelsmile.faces.detectors.loading import any_way_up

    choice = choose_detector(detector, drawn=source.is_drawn)
    if choice.reason is not None:
        say(choice.reason)
    seeing = any_way_up(load_detector(choice.name, drawn=source.is_drawn))
    faces, turn = seeing.look(source.image)
    if turn:
        say(f"no face stands upright: seen with the picture turned back by {turn} degrees")
    return seeing, faces


def warn_of_misses(
    found: Sequence[tuple[FaceOrder, list["Face"]]],
    source: "Source",
    detector: str,
    say: Callable[[str], None],
) -> None:
    """Say where a box by hand holds the middle of no face, and a detector sees one elsewhere."""
    boxes = [(order.text, face) for order, faces in found if order.choice.kind == "box" for face in faces]
    try:
        seen = see_faces(source, detector, lambda _: None)[1] if boxes else []
    except ModelError:  # boxes are for those who have no detector
        return
    for text, box in boxes:
        if seen and not any(_holds_middle(box, face) for face in seen):
            x0, y0, x1, y1 = (round(value) for value in seen[0].box)
            say(
                f"no face is seen in the box {text}, but one at {x0},{y0},{x1 - x0},{y1 - y0}: "
                "is the box right?"
            )


def _holds_middle(box: "Face", face: "Face") -> bool:
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return box.box[0] <= x <= box.box[2] and box.box[1] <= y <= box.box[3]


def read_paste(
    options: argparse.Namespace, found: Sequence[tuple[FaceOrder, list["Face"]]], size: tuple[int, int]
) -> "PasteOptions":
    """How the edited faces return into the picture of `size`. InputError, FaceError, ModelError."""
    from pixelsmile.editing.face_edits import PasteOptions
    from pixelsmile.faces.crops import DEFAULT_CONTEXT, crop_to_edit
    from pixelsmile.faces.masks import load_masker

    paste = PasteOptions(
        context=options.context or DEFAULT_CONTEXT,
        guard_drift=not options.no_drift_guard,
        masker=None if options.parser is None else load_masker(options.parser),
    )
    for _, faces in found:
        for face in faces:
            crop_to_edit(face, size, paste.context)
    return paste


def edit_faces(
    editor: "Editor",
    source: "Source",
    found: Sequence[tuple[FaceOrder, list["Face"]]],
    orders: Sequence["Order"],
    strengths: Sequence[float],
    paste: "PasteOptions",
    how: "EditOptions",
) -> Iterator["Progress | EditResult"]:
    """The events of every sweep: one result an order, at the size of the picture."""
    from pixelsmile.editing.face_edits import stream_faces
    from pixelsmile.editing.requests import Request

    asked = [Request(order.expression, order.blend, order.prompt, strengths, order.units) for order in orders]
    edits = []
    for order, faces in found:
        own = order.expression or order.blend
        requests = [Request(order.expression, order.blend, None, strengths)] if own else asked
        edits += [(face, requests) for face in faces]
    yield from stream_faces(editor, source, edits, paste, **how)
