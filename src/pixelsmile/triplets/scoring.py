"""Pictures scored by judges, into the JSON lines from which pictures are paired.

Each score is on disk before it is seen, and none is paid for twice: a picture is known in the file by the
hash of its content, and by its judge.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pixelsmile.errors import ImageError, InputError
from pixelsmile.expressions import Domain
from pixelsmile.hashing import sha256_file
from pixelsmile.judges.judge import (
    Judge,
    NoVerdict,
    Outcome,
    Sample,
    Verdict,
)
from pixelsmile.judges.run import Asker, VerdictCache
from pixelsmile.remote import MAX_REFUSALS, Pool
from pixelsmile.store.json_lines import LineWriter, read_lines
from pixelsmile.triplets.annotated import ScoredLine
from pixelsmile.triplets.triplet import relative_path


@dataclass(frozen=True, eq=False)
class JudgedPicture:
    """A picture, and who is asked about it."""

    path: str
    judge: Judge
    domain: Domain


@dataclass(frozen=True, eq=False)
class Scored:
    """What came of one picture: the dominant expression and scores, or the reason why there are none.

    scores: of all expressions. is_known: they stood in the file already.
    """

    picture: JudgedPicture
    dominant: str | None = None
    scores: Mapping[str, float] | None = None
    reason: str | None = None
    detail: str | None = None
    is_known: bool = False

    def judged_scores(self) -> dict[str, float]:
        """The scores of what the judge judges: no verdict is never a zero."""
        return _judged(self.picture.judge, self.scores or {})


class PictureScoring:
    """One pass over pictures; to be iterated once.

    output: the file; None for none. by_folder: the folder of a picture names the person in it. A spent budget
    ends the pass: `stopped` says why. InputError where the file has other scores.
    """

    def __init__(
        self,
        pictures: Sequence[JudgedPicture],
        output: Path | None = None,
        *,
        by_folder: bool = False,
        cache: Path | None = None,
        max_concurrency: int = 8,
        ask_refused_again: bool = False,
        max_refusals: int = MAX_REFUSALS,
    ) -> None:
        self.judges = tuple({id(picture.judge): picture.judge for picture in pictures}.values())
        self.stopped: str | None = None
        self._pictures, self._output, self._by_folder, self._cache = pictures, output, by_folder, cache
        self._max_concurrency, self._max_refusals = max_concurrency, max_refusals
        self._ask_refused_again = ask_refused_again
        self._known = {} if output is None else _known(output)

    def __iter__(self) -> Iterator[Scored]:
        left: list[tuple[JudgedPicture, str]] = []
        for picture in self._pictures:
            sha256 = _content(picture.path)
            line = self._known.get((sha256, picture.judge.identity.id))
            if line is None:
                left.append((picture, sha256))
            else:
                yield Scored(picture, line.category, line.scores, is_known=True)
        with ExitStack() as stack:
            cache = None if self._cache is None else stack.enter_context(VerdictCache(self._cache))
            lines = self._output and stack.enter_context(LineWriter(self._output))
            for judge in self.judges:
                mine = {picture.path: (picture, sha256) for picture, sha256 in left if picture.judge is judge}
                for path, outcome in self._ask(judge, [picture for picture, _ in mine.values()], cache):
                    picture, sha256 = mine[path]
                    match outcome:
                        case Verdict():
                            if lines:
                                lines.write(self._line(picture, sha256, outcome))
                            yield Scored(picture, outcome.dominant, outcome.scores)
                        case NoVerdict():
                            yield Scored(picture, reason=outcome.reason, detail=outcome.detail)

    def _ask(
        self, judge: Judge, pictures: Sequence[JudgedPicture], cache: VerdictCache | None
    ) -> Iterator[tuple[str, Outcome]]:
        samples = [Sample(picture.path, picture.path, picture.domain) for picture in pictures]
        asker = Asker(
            judge, cache, ask_refused_again=self._ask_refused_again, max_refusals=self._max_refusals
        )
        judging = Pool(samples, asker.ask, judge.aclose, max_concurrency=self._max_concurrency)
        for _, judgement in judging:
            yield judgement.key, judgement.outcome
        self.stopped = self.stopped or judging.stopped

    def _line(self, picture: JudgedPicture, sha256: str, verdict: Verdict) -> ScoredLine:
        assert self._output is not None
        return ScoredLine(
            image=relative_path(Path(picture.path), self._output.parent),
            identity=Path(picture.path).absolute().parent.name if self._by_folder else None,
            category=verdict.dominant,
            scores=_judged(picture.judge, verdict.scores),
            domain=picture.domain,
            judge=verdict.judge,
            sha256=sha256,
        )


def _judged(judge: Judge, scores: Mapping[str, float]) -> dict[str, float]:
    judged = judge.identity.parameters.get("categories")
    return {name: score for name, score in scores.items() if not isinstance(judged, list) or name in judged}


def _known(output: Path) -> dict[tuple[str, str], ScoredLine]:
    """The lines of the file, by picture and judge."""
    try:
        found = read_lines(output, ScoredLine)
    except InputError as error:
        raise InputError(f"{error}; choose another file for the scores") from error
    foreign = next((line for line in found if line.sha256 is None or line.judge is None), None)
    if foreign is not None:
        raise InputError(
            f"{str(output)!r} has scores that `pixelsmile score` did not write ({foreign.image!r}): "
            "choose another file"
        )
    return {(str(line.sha256), str(line.judge)): line for line in found}


def _content(path: str) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise ImageError(f"cannot read {path!r} ({error.strerror}): check its permissions") from error
