"""Change of expression, the lengths behind REG: how far an edit went, and how far it should have gone."""

from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.run_folder import RunFolder, file_name
from pixelsmile.benchmarks.scorers.representations import ExpressionRepresentation, RepresentationSettings
from pixelsmile.benchmarks.scorers.scorer import Edit, Scorer, kept_records
from pixelsmile.benchmarks.scores import CHANGE, Score
from pixelsmile.errors import ImageError, InputError
from pixelsmile.faces.likeness import box_in
from pixelsmile.images import load_image

SOURCE, TRUTH, EDIT = "source", "truth", "edit"
SEEN = "seen"  # in the metadata: the numbers of each picture, of a representation that has few
_MAX_KEPT = 32  # numbers of a representation that are kept: those that a person may want to look up
_MAX_LENGTH = 1e9  # the squares of such numbers are still added up

Found = np.ndarray | Score


class ChangeScorer(Scorer):
    """`change`: from source to edit; `expected`: from source to ground truth; distances, 0 or more.

    An edit without a change is measured again by another pass: a judge may have no answer today.
    """

    name = CHANGE

    def __init__(self, representation: ExpressionRepresentation, max_concurrency: int = 1) -> None:
        self._representation = representation
        self.settings: RepresentationSettings = representation.settings
        self.max_concurrency = max_concurrency
        self._sample, self._known = "", dict[str, Found]()  # dense and simple instructions follow each other

    @property
    def stem(self) -> str:
        return change_stem(self.settings.id)

    async def score(self, edit: Edit) -> Score:
        if edit.truth is None:
            raise InputError("a change is measured in runs of FED-Bench: use `pixelsmile bench fed run`")
        if edit.task.sample != self._sample:
            self._sample, self._known = edit.task.sample, {}
        known = self._known
        for what, path in ((SOURCE, edit.source), (TRUTH, edit.truth)):
            if what not in known:
                known[what] = await self._of(path, edit)
        return _score({**known, EDIT: await self._of(edit.picture, edit)})

    def is_final(self, score: Score) -> bool:
        return score.unscored is None

    async def aclose(self) -> None:
        await self._representation.aclose()

    async def _of(self, path: Path, edit: Edit) -> Found:
        """The numbers of a picture; the face is looked for where the source has it."""
        try:
            image, box = load_image(path), edit.task.face_box
            if box is not None and path != edit.source:
                with Image.open(edit.source) as source:  # our own file, and of it the header alone
                    box = box_in(box, source.size, image.size)
            return await self._representation.of(image, box, edit.task.domain)
        except ImageError as error:
            return Score(unscored=str(error))


def change_stem(representation: str) -> str:
    """Where the changes by the representation of that id lie in a run's folder."""
    return f"changes/{file_name(representation)}"


def representations_of(folder: RunFolder) -> dict[str, RepresentationSettings]:
    """What changes were measured by in a run, by id. InputError for a file that is damaged."""
    kept = kept_records(folder.path / "changes", RepresentationSettings)
    return {settings.id: settings for settings in kept}


def _score(found: dict[str, Found]) -> Score:
    numbers = {what: each for what, each in found.items() if isinstance(each, np.ndarray)}
    seen: dict[str, JsonValue] = {
        what: [float(number) for number in each] for what, each in numbers.items() if len(each) <= _MAX_KEPT
    }
    metadata: dict[str, JsonValue] = {SEEN: seen}
    for what, each in found.items():
        if isinstance(each, Score):
            return Score(unscored=f"{what}: {each.unscored}", explanation=each.explanation, metadata=metadata)
    made, wanted = (float(np.linalg.norm(numbers[what] - numbers[SOURCE])) for what in (EDIT, TRUTH))
    if max(made, wanted) > _MAX_LENGTH:
        return Score(unscored="the change is too long to be a number of use", metadata=metadata)
    return Score(values={"change": made, "expected": wanted}, metadata=metadata)
