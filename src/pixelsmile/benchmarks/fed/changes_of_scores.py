"""REG by the twelve scores of a judge: sources, ground truths and edits are judged, each picture once."""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from pixelsmile.benchmarks.fed.changes import pictures_of, waiting_for_change
from pixelsmile.benchmarks.fed.representations import RepresentationSettings
from pixelsmile.benchmarks.opinions import NOT_JUDGED, opinion_of
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.errors import ImageError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.faces.face import Box
from pixelsmile.judges.judge import Judge
from pixelsmile.judges.question import Sample
from pixelsmile.judges.run import Judgement, JudgingRun, VerdictCache
from pixelsmile.judges.verdict import Outcome
from pixelsmile.remote import MAX_REFUSALS, Picture

KIND = "scores"


class JudgedScores:
    """One pass of a judge over the pictures that changes are still to be measured of; to be iterated once.

    Afterwards, and also after a budget has ended it, it is the representation: it knows the pictures that it
    was asked about. What is judged is in `cache`: after a kill it costs nothing to ask again.
    """

    def __init__(
        self,
        folder: RunFolder,
        judge: Judge,
        cache: VerdictCache,
        *,
        max_concurrency: int = 8,
        ask_refused_again: bool = False,
        max_refusals: int = MAX_REFUSALS,
    ) -> None:
        identity = judge.identity
        self.settings = RepresentationSettings(
            kind=KIND, names=EXPRESSIONS, parameters={"judge": identity.id, **identity.to_record()}
        )
        self._outcomes: dict[str, Outcome] = {}
        self._samples = _samples(folder, self.settings.id)
        self._pass = JudgingRun(
            judge,
            self._samples,
            cache=cache,
            max_concurrency=max_concurrency,
            ask_refused_again=ask_refused_again,
            max_refusals=max_refusals,
        )

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What has come so far."""
        return tuple(self._outcomes.values())

    @property
    def num_pictures(self) -> int:
        """How many pictures this pass is about."""
        return len(self._samples)

    @property
    def num_left(self) -> int:
        """How many of them have no outcome."""
        return len(self._pass.left)

    @property
    def stopped(self) -> str | None:
        """Why the pass ended early; None where it did not."""
        return self._pass.stopped

    def __iter__(self) -> Iterator[Judgement]:
        for judgement in self._pass:
            self._outcomes[judgement.key] = judgement.outcome
            yield judgement

    def of(self, image: Image.Image, box: Box | None) -> np.ndarray | str:
        """The scores of a picture of the run, 0..1; the judge looks for the face itself."""
        opinion = opinion_of(self._outcomes.get(Picture.read(image).sha256))
        if opinion.scores is None:
            return opinion.no_verdict or NOT_JUDGED
        return np.array([opinion.scores[name] for name in EXPRESSIONS])


def _samples(folder: RunFolder, representation: str) -> list[Sample]:
    """Each different picture once, under the hash of its pixels; one that cannot be read is left out."""
    tasks = {task.source: task for task in folder.spec().fed_tasks}
    samples: dict[str, Sample] = {}
    for edit in waiting_for_change(folder, representation):
        task = tasks[edit.source]
        for path in pictures_of(folder, task, edit).values():
            try:
                sha256 = Picture.read(path).sha256
            except ImageError:
                continue  # measuring the change says so
            samples.setdefault(sha256, Sample(sha256, path, task.domain))
    return list(samples.values())
