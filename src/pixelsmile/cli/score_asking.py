"""The pass of `pixelsmile score`: judges are asked, and each score is on disk before it is seen."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pixelsmile.cli.display import progress
from pixelsmile.errors import ImageError, InputError
from pixelsmile.expressions import Domain
from pixelsmile.hashing import sha256_file
from pixelsmile.judges.judge import Judge
from pixelsmile.judges.question import Sample
from pixelsmile.judges.run import JudgingRun, VerdictCache
from pixelsmile.judges.verdict import NoVerdict, Outcome, Verdict
from pixelsmile.store.json_lines import LineWriter, read_lines
from pixelsmile.triplets.annotated import ScoredLine
from pixelsmile.triplets.triplet import relative_path


@dataclass(frozen=True, eq=False)
class AskedPicture:
    """A picture, and who is asked about it."""

    path: str
    judge: Judge
    domain: Domain


@dataclass(frozen=True, eq=False)
class Scored:
    """What came of one picture: scores and the dominant expression, or the reason why there are none.

    is_known: they stood in the file already.
    """

    path: str
    judge: Judge
    dominant: str | None = None
    scores: Mapping[str, float] | None = None
    reason: str | None = None
    detail: str | None = None
    is_known: bool = False


class Scoring:
    """One pass over pictures; to be iterated once. What the file has is not asked again: a picture is known
    there by the hash of its content, and by its judge.

    options: output, by_folder, cache, max_concurrency, ask_again, max_refusals and quiet, as `pixelsmile
    score` has them. A spent budget ends the pass: `stopped` says why.
    InputError where the file has other scores.
    """

    def __init__(self, options: argparse.Namespace, asked: Sequence[AskedPicture]) -> None:
        self.judges = tuple({id(one.judge): one.judge for one in asked}.values())
        self.stopped: str | None = None
        self._options, self._asked = options, asked
        self._output = None if options.output is None else Path(options.output)
        self._known = {} if self._output is None else _known(self._output)

    def __iter__(self) -> Iterator[Scored]:
        left: list[tuple[AskedPicture, str]] = []
        for one in self._asked:
            sha256 = _content(one.path)
            line = self._known.get((sha256, one.judge.identity.id))
            if line is None:
                left.append((one, sha256))
            else:
                yield Scored(one.path, one.judge, line.category, line.scores, is_known=True)
        with ExitStack() as stack:
            cache = self._options.cache and stack.enter_context(VerdictCache(self._options.cache))
            lines = self._output and stack.enter_context(LineWriter(self._output))
            for judge in self.judges:
                mine = {one.path: (one, sha256) for one, sha256 in left if one.judge is judge}
                for path, outcome in self._outcomes(judge, [one for one, _ in mine.values()], cache or None):
                    if lines and isinstance(outcome, Verdict):
                        lines.write(self._line(*mine[path], outcome))
                    yield _scored(mine[path][0], outcome)

    def _outcomes(
        self, judge: Judge, asked: Sequence[AskedPicture], cache: VerdictCache | None
    ) -> Iterator[tuple[str, Outcome]]:
        judging = JudgingRun(
            judge,
            [Sample(one.path, one.path, one.domain) for one in asked],
            cache=cache,
            max_concurrency=self._options.max_concurrency,
            ask_refused_again=self._options.ask_again,
            max_refusals=self._options.max_refusals,
        )
        with progress(self._options.quiet, f"judging: {judge.identity.provider}", "pictures") as show:
            for num_done, judgement in enumerate(judging, 1):
                show(num_done, len(asked))
                yield judgement.key, judgement.outcome
        self.stopped = self.stopped or judging.stopped

    def _line(self, one: AskedPicture, sha256: str, verdict: Verdict) -> ScoredLine:
        assert self._output is not None
        return ScoredLine(
            image=relative_path(Path(one.path), self._output.parent),
            identity=Path(one.path).absolute().parent.name if self._options.by_folder else None,
            category=verdict.dominant,
            scores=judged_scores(one.judge, verdict.scores),
            domain=one.domain,
            judge=verdict.judge,
            sha256=sha256,
        )


def judged_scores(judge: Judge, scores: Mapping[str, float]) -> dict[str, float]:
    """The scores without those of expressions that the judge does not judge: no verdict is never a zero."""
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


def _scored(one: AskedPicture, outcome: Outcome) -> Scored:
    match outcome:
        case Verdict():
            return Scored(one.path, one.judge, outcome.dominant, outcome.scores)
        case NoVerdict():
            return Scored(one.path, one.judge, reason=outcome.reason, detail=outcome.detail)
        case _:
            raise AssertionError("judges that are named give verdicts")
