"""Which combinations of the library may be asked for: what the rules leave, and of that what a judge takes.

    FOLDER/compose/combinations.json     of each expression those that are kept, and why the others are not
    FOLDER/verdicts.sqlite               what a judge said, beside the verdicts of `annotate`

A model is asked in words, once a combination. The embedded judge is shown each on some drawn people of both
domains, none of whom is in a data set: there the right expression has to have the highest mean score.
"""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixelsmile.dataset.edit_config import ComposeSettings
from pixelsmile.dataset.folder import VERDICTS
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, Domain
from pixelsmile.expressions.library import Combination, Library
from pixelsmile.judges import (
    Asker,
    Budget,
    Judge,
    Mark,
    NoVerdict,
    Outcome,
    Pool,
    Sample,
    Verdict,
    VerdictCache,
)
from pixelsmile.judges.names import EMBEDDED, JudgeOptions, parse_judge, parse_reader
from pixelsmile.portraits import draw_portrait, sample_identity
from pixelsmile.portraits.action_units import checked_units
from pixelsmile.remote import BudgetSpentError, RemoteError

COMBINATIONS = "combinations.json"
_PEOPLE: tuple[tuple[Domain, int], ...] = (  # seeds below those of data sets
    ("human", 19_000_000),
    ("human", 19_000_001),
    ("anime", 19_500_000),
    ("anime", 19_500_001),
)
_PICTURE_PX = 256
_MOVES_HEAD = "moves the head, and compose.moves_head is false"


@dataclass(frozen=True)
class Combinations:
    """Of each expression those that are kept, and those that are not with the reason, both by name."""

    kept: Mapping[str, tuple[Combination, ...]]
    refused: Mapping[str, Mapping[str, str]]

    def to_json(self) -> dict[str, Any]:
        """Names and reasons."""
        return {
            name: {"kept": [one.name for one in found], "refused": dict(self.refused[name])}
            for name, found in self.kept.items()
        }


def chosen(
    library: Library,
    expressions: Sequence[str],
    judge: "CombinationJudge | None",
    *,
    moves_head: bool = False,
) -> Combinations:
    """What may be asked for; moves_head: also what moves the head.

    InputError for an expression of which nothing is left; as `ask`.
    """
    kept: dict[str, tuple[Combination, ...]] = {}
    refused: dict[str, dict[str, str]] = {}
    for name in expressions:
        if name not in library.expressions:
            raise InputError(
                f"the library has no combinations of {name}: it has {', '.join(library.expressions)}"
            )
        refusals = [
            (one, _MOVES_HEAD if one.moves_head and not moves_head else library.refusal(one))
            for one in library.candidates(name)
        ]
        refused[name] = {one.name: why for one, why in refusals if why is not None}
        kept[name] = tuple(one for one, why in refusals if why is None)
    if judge is not None:
        said = judge.ask([one for found in kept.values() for one in found])
        for name, found in kept.items():
            refused[name] |= {one.name: said[one.name] for one in found if one.name in said}
            kept[name] = tuple(one for one in found if one.name not in said)
    for name, found in kept.items():
        if not found:
            why = next(iter(refused[name].values()), "there is none")
            raise InputError(f"no combination of {name} is left ({why}): add some to the library")
    return Combinations(kept, refused)


class CombinationJudge:
    """A judge that says of combinations whether they read as what they are to be. folder: of the data set."""

    def __init__(self, folder: Path, settings: ComposeSettings) -> None:
        """RemoteError for a missing key, or an address that is none."""
        assert settings.judge is not None
        self._folder, self._settings = folder, settings
        self._is_shown = settings.judge == EMBEDDED
        wanted = {} if settings.key_env is None else {"key_env": settings.key_env}
        options = JudgeOptions(Budget(settings.max_requests), settings=wanted)
        self._judge: Judge = (
            parse_judge(settings.judge) if self._is_shown else parse_reader(settings.judge, options)
        )

    @property
    def sha256(self) -> str:
        """Of who judges, and all that the answers depend on."""
        return self._judge.identity.sha256

    def ask(self, combinations: Sequence[Combination]) -> dict[str, str]:
        """Why a combination is not to be asked for, by its name; those that are kept are not there.

        RemoteError, BudgetSpentError: what was said until then is kept, and not paid for twice.
        """
        items = [
            (one, place) for one in combinations for place in range(len(_PEOPLE) if self._is_shown else 1)
        ]
        outcomes: dict[str, list[Outcome]] = {one.name: [] for one in combinations}
        with VerdictCache(self._folder / VERDICTS) as kept:
            asker = Asker(self._judge, kept)
            pool = Pool(
                items,
                lambda item: self._asked(asker, *item),
                self._judge.aclose,
                max_concurrency=1 if self._is_shown else self._settings.max_concurrency,
            )
            for (one, _), outcome in pool:
                outcomes[one.name].append(outcome)
        if pool.stopped is not None:
            raise BudgetSpentError(f"compose: {pool.stopped}: the same command goes on with more")
        said = {one.name: self._refusal(one, outcomes[one.name]) for one in combinations}
        if combinations and all(isinstance(o, NoVerdict) for found in outcomes.values() for o in found):
            raise RemoteError(f"compose: {self._settings.judge} says nothing: {next(iter(said.values()))}")
        return {name: why for name, why in said.items() if why is not None}

    def _asked(self, asker: Asker, one: Combination, place: int) -> Coroutine[Any, Any, Outcome]:
        async def ask() -> Outcome:
            if not self._is_shown:
                return (await asker.ask(Sample(one.name, {}, "human", words=_described(one)))).outcome
            domain, seed = _PEOPLE[place]
            return (await asker.ask(Sample(one.name, _drawn(one, seed, domain), domain))).outcome

        return ask()

    def _refusal(self, one: Combination, outcomes: Sequence[Outcome]) -> str | None:
        means = _mean_scores(outcomes)
        if means is not None:
            strongest = max(means, key=lambda name: means[name])
            if strongest == one.expression:
                return None
            return (
                f"reads as {strongest} ({means[strongest]:.2f}), not as itself ({means[one.expression]:.2f})"
            )
        for outcome in outcomes:
            if isinstance(outcome, Mark):
                is_kept = outcome.mark >= self._settings.min_mark
                return None if is_kept else f"marked {outcome.mark:g}: {outcome.reason}"
            if isinstance(outcome, NoVerdict):
                return f"no verdict ({outcome.reason}: {outcome.detail})"
        return "no verdict"


def _described(one: Combination) -> str:
    return f"{one.expression}: {one.words()}"


def _drawn(one: Combination, seed: int, domain: Domain) -> Image.Image:
    return draw_portrait(sample_identity(seed), checked_units(one.units), domain, _PICTURE_PX).image


def _mean_scores(outcomes: Sequence[Outcome]) -> dict[str, float] | None:
    """Of the verdicts among them; None where there are none."""
    verdicts = [outcome.scores for outcome in outcomes if isinstance(outcome, Verdict)]
    if not verdicts:
        return None
    return {name: float(np.mean([scores[name] for scores in verdicts])) for name in EXPRESSIONS}
