"""Any judge, asked about one face of a picture instead of all of it."""

import asyncio
import dataclasses

from PIL import Image

from pixelsmile.errors import FaceError
from pixelsmile.faces.choice import FaceChoice, choose
from pixelsmile.faces.crops import crop_to_edit
from pixelsmile.faces.face import Detector
from pixelsmile.judges.judge import Judge
from pixelsmile.judges.question import Question
from pixelsmile.judges.verdict import NoVerdict, Outcome
from pixelsmile.remote import Picture


class OfFace:
    """Shows `judge` the square around the chosen face; `unsuited` where there is no such face.

    words: how the choice was put, by which caches know it.
    """

    def __init__(self, judge: Judge, detector: Detector, choice: FaceChoice, words: str) -> None:
        self._judge, self._detector, self._choice = judge, detector, choice
        asked = judge.identity
        parameters = {**asked.parameters, "face": words, "detector": detector.name}
        self.identity = dataclasses.replace(asked, parameters=parameters)

    async def judge(self, question: Question) -> Outcome:
        """What the judge says of the face, under this judge's name."""
        try:
            faces = {
                caption: await asyncio.to_thread(self._cut, picture.image)
                for caption, picture in question.pictures.items()
            }
        except FaceError as error:
            return NoVerdict(self.identity.id, "unsuited", str(error))
        outcome = await self._judge.judge(dataclasses.replace(question, pictures=faces))
        return dataclasses.replace(outcome, judge=self.identity.id)

    async def aclose(self) -> None:
        """Close what the judge has open."""
        await self._judge.aclose()

    def _cut(self, image: Image.Image) -> Picture:
        found = [] if self._choice.kind == "box" else self._detector.detect(image)
        (face,) = choose(self._choice, found, image.size)
        return Picture.read(crop_to_edit(face, image.size).cut(image))
