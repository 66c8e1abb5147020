"""Judged edits for the tests: what a known editor would get from a known judge."""

from collections.abc import Iterable, Mapping, Sequence

from hypothesis import strategies as st

from pixelsmile.benchmarks.run_folder import TaskRecord
from pixelsmile.benchmarks.scores import IDENTITY, VERDICT, Score, ScoredEdit
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL

REFUSED = "refused"
ENCODERS = ("arcface", "adaface", "facenet")
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


def scores_of(shown: str | None = None, score: float = 0.8, rest: float = 0.1) -> dict[str, float]:
    """`score` for `shown` and `rest` for all others; neutral shows none."""
    if shown == NEUTRAL:
        return dict.fromkeys(EXPRESSIONS, 0.0)
    return {name: score if name == shown else rest for name in EXPRESSIONS}


def scored_edit(
    sample: str,
    target: str,
    strength: float = 1.0,
    scores: Mapping[str, float] | None = None,
    dominant: str | None = None,
    cosines: Mapping[str, float | None] | None = None,
    no_identity: str | None = None,
) -> ScoredEdit:
    """An edit with these scores (None: the judge refused) and cosines by encoder (None: not measured)."""
    task = TaskRecord(source=sample, target=target, domain="human", prompt="", face_box=None)
    found = {VERDICT: Score(unscored=REFUSED) if scores is None else Score(values=scores, answer=dominant)}
    if cosines is not None or no_identity is not None:
        found[IDENTITY] = Score(values=cosines or {}, unscored=no_identity)
    return ScoredEdit(task, strength, found)


def edit(
    sample: str,
    target: str,
    shown: str | None,
    strength: float = 1.0,
    score: float = 0.8,
    identity: float | None = 0.6,
) -> ScoredEdit:
    """An edit that shows `shown`; None: the judge refused. `identity` is what each encoder says."""
    scores = None if shown is None else scores_of(shown, score)
    cosines = None if identity is None else dict.fromkeys(ENCODERS, identity)
    return scored_edit(sample, target, strength, scores, cosines=cosines)


def sweep(
    sample: str,
    target: str,
    scores: Sequence[float | None],
    strengths: Sequence[float] = STRENGTHS,
    identity: float | None = 0.6,
) -> list[ScoredEdit]:
    """A sweep whose scores for the target are `scores`; the judge refused those that are None."""
    cosines = None if identity is None else dict.fromkeys(ENCODERS, identity)
    found = [None if score is None else scores_of(target, score, rest=0.0) for score in scores]
    return [
        scored_edit(sample, target, strength, each, cosines=cosines)
        for strength, each in zip(strengths, found, strict=True)
    ]


def shown_edits(jobs: Iterable[tuple[str, str | None]]) -> list[ScoredEdit]:
    """One edit a sample, by target and what it shows."""
    return [edit(f"s{place:03}", target, shown) for place, (target, shown) in enumerate(jobs)]


def general_jobs(min_size: int = 1) -> st.SearchStrategy[list[tuple[str, str | None]]]:
    """Targets and what edits towards them show, some without verdict."""
    shown = st.one_of(st.none(), st.sampled_from((*EXPRESSIONS, NEUTRAL)))
    return st.lists(st.tuples(st.sampled_from(EXPRESSIONS), shown), min_size=min_size, max_size=40)
