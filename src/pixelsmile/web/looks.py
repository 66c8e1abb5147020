"""What may be asked about a picture: its faces, and what one of them shows."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pixelsmile.editing.pictures import Source
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.faces.choice import choose, face_records
from pixelsmile.faces.crops import crop_to_edit
from pixelsmile.judges.judge import NoVerdict, Question, Verdict
from pixelsmile.judges.names import EMBEDDED, PHOTO
from pixelsmile.web.answers import ApiError
from pixelsmile.web.orders import WhichPicture
from pixelsmile.web.worker import Tools, Work


@dataclass(frozen=True)
class Found:
    """What a job found, ready for JSON."""

    record: Mapping[str, Any]


def faces_work(source: Source) -> Work:
    """Finds the faces of a picture."""

    def work(tools: Tools) -> Iterator[object]:
        remarks: list[str] = []
        finder = tools.finder(remarks.append)
        name, faces = finder.detector(source).name, finder.faces(source)
        record = {
            "width": source.image.width,
            "height": source.image.height,
            "detector": name,
            "faces": face_records(faces, source.image.size),
            "notes": remarks,
        }
        yield Found(record)

    return work


def scores_work(asked: WhichPicture, source: Source) -> Work:
    """What the judge for such pictures says of the face that is meant (by default the largest)."""

    def work(tools: Tools) -> Iterator[object]:
        judge = tools.judge(EMBEDDED if source.is_drawn else PHOTO)
        image = source.image
        if asked.face:
            (wanted, *more) = asked.faces()
            if more or wanted.request or wanted.choice.kind in ("all", "whole"):
                raise ApiError(400, "one face is scored at a time: choose it", "one_face", param="face")
            found = [] if wanted.choice.kind == "box" else tools.finder(lambda _: None).faces(source)
            (face,) = choose(wanted.choice, found, image.size)
            image = crop_to_edit(face, image.size).cut(image)
        question = Question.read(image, asked.domain or source.domain)
        outcome = asyncio.run(judge.judge(question))
        record: dict[str, Any] = {"judge": judge.identity.provider, "remark": judge.identity.remark}
        match outcome:
            case Verdict():
                judged = judge.identity.parameters.get("categories", list(EXPRESSIONS))
                assert isinstance(judged, list)
                scores = {name: outcome.scores[name] if name in judged else None for name in EXPRESSIONS}
                yield Found({**record, "shows": outcome.dominant, "scores": scores, "reason": None})
            case NoVerdict():
                why = {"reason": outcome.reason, "detail": outcome.detail}
                yield Found({**record, "shows": None, "scores": None, **why})
            case _:
                raise InputError("the judge gave no scores")

    return work
