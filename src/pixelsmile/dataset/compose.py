"""Compose: which edits of each base are asked for, in words for a prompt and in action units.

A sweep is one look of one expression at several strengths; an instruction asks for one strength of it, in
words. What is drawn by lot depends on the seed, the base and the target alone: more targets, or other bases,
change nothing else.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from pixelsmile.dataset.combinations import CombinationJudge, Combinations, chosen
from pixelsmile.dataset.edit_config import UNKNOWN, ComposeSettings, ExpressionEdits, InstructionEdits
from pixelsmile.dataset.rows import ID_DIGITS, Row
from pixelsmile.expressions import NEUTRAL, Domain, target_prompt
from pixelsmile.expressions.library import SHIPPED, Combination, read_library
from pixelsmile.hashing import sha256_file, sha256_json
from pixelsmile.portraits import ActionUnits, action_units
from pixelsmile.portraits.action_units import UNITS, checked_units
from pixelsmile.portraits.instructions import dense_instruction, simple_instruction

# What an edit has of its base.
_OF_BASE = (
    "source",
    "domain",
    "is_drawn",
    "licence",
    "origin",
    "identity",
    "person",
    "identity_seed",
    "variant",
)


@dataclass(frozen=True)
class Look:
    """How an expression is to show: a combination of the library, or None for its own look (or neutral)."""

    expression: str
    combination: Combination | None = None

    @property
    def name(self) -> str:
        return self.expression if self.combination is None else self.combination.name

    @cached_property
    def units(self) -> ActionUnits:
        """At full strength."""
        if self.combination is None:
            return action_units(self.expression)
        return checked_units(self.combination.units)

    def prompt(self, strength: float, domain: Domain, *, dual: bool) -> str:
        """What an editor is told of it at a strength."""
        if dual and self.combination is not None:
            return self.combination.prompt(strength, domain)
        return target_prompt(self.expression, domain)


@dataclass(frozen=True)
class Compose:
    """The step's function: of a base, the base itself and behind it the edits of it that are asked for."""

    settings: ComposeSettings
    folder: Path | None = None  # of the data set, where there is a judge

    def record(self) -> JsonValue:
        """The hashes of the library and of the judge. InputError for what is no library; RemoteError."""
        read_library(self._library_path)
        record: dict[str, JsonValue] = {"library": sha256_file(self._library_path)}
        if (judge := self._judge) is not None:
            record["judge"] = judge.sha256
        return record

    @cached_property
    def combinations(self) -> Combinations:
        """Of each target those that may be drawn; a judge is asked about them here. As `chosen`."""
        library = read_library(self._library_path)
        return chosen(library, self._targets, self._judge, moves_head=self.settings.moves_head)

    def __call__(self, base: Row) -> list[Row]:
        return [base, *self.edits(base)]

    def edits(self, base: Row) -> Iterator[Row]:
        """What is asked for of a base: nothing where no plan is for its expression."""
        shown = base.expression or UNKNOWN
        plans = self.settings.expressions, self.settings.instructions
        if plans[0] is not None and shown in plans[0].bases:
            yield from self._sweeps(base, plans[0])
        if plans[1] is not None and shown in plans[1].bases:
            yield from self._instructed(base, plans[1])

    @property
    def _judge(self) -> CombinationJudge | None:
        if self.settings.judge is None:
            return None
        assert self.folder is not None
        return CombinationJudge(self.folder, self.settings)

    @property
    def _library_path(self) -> Path:
        given = self.settings.library
        return SHIPPED if given is None else Path(given).expanduser()

    @property
    def _targets(self) -> tuple[str, ...]:
        plans = (self.settings.expressions, self.settings.instructions)
        drawn = [plan.targets for plan in plans if plan is not None and plan.num_combinations is not None]
        return tuple(dict.fromkeys(name for targets in drawn for name in targets if name != NEUTRAL))

    def _sweeps(self, base: Row, plan: ExpressionEdits) -> Iterator[Row]:
        for target in plan.targets:
            if target == base.expression:
                continue
            for look in self._looks(base, target, plan.num_combinations):
                for strength in plan.strengths:
                    prompt = look.prompt(strength, base.domain, dual=plan.prompt == "dual")
                    yield self._edit(base, look, strength, prompt=prompt)

    def _instructed(self, base: Row, plan: InstructionEdits) -> Iterator[Row]:
        shown = base.expression or NEUTRAL
        targets = [target for target in plan.targets if target != shown]
        if plan.num_targets is not None and plan.num_targets < len(targets):
            chosen = self._lot(base, "targets").sample(targets, plan.num_targets)
            targets = [target for target in targets if target in chosen]
        for target in targets:
            for look in self._looks(base, target, plan.num_combinations):
                strength = self._strength(base, look, plan.strengths)
                units = look.units.scaled(strength)
                words = {
                    "dense": dense_instruction(shown, target, units, strength),
                    "simple": simple_instruction(target, base.domain),
                }
                yield self._edit(
                    base, look, strength, prompt=words[plan.tell], granularity=plan.tell, **words
                )

    def _looks(self, base: Row, target: str, num: int | None) -> list[Look]:
        if num is None or target == NEUTRAL:
            return [Look(target)]
        known = self.combinations.kept[target]
        chosen = self._lot(base, target).sample(known, min(num, len(known)))
        return [Look(target, combination) for combination in chosen]

    def _strength(self, base: Row, look: Look, between: tuple[float, float]) -> float:
        if look.expression == NEUTRAL:
            return 0.0
        return round(self._lot(base, f"strength of {look.name}").uniform(*between), 2)

    def _lot(self, base: Row, what: str) -> random.Random:
        return random.Random(f"{self.settings.seed} {base.id} {what}")

    def _edit(self, base: Row, look: Look, strength: float, **asked: Any) -> Row:
        granularity = asked.get("granularity")
        named = [base.id, look.name, strength, granularity]
        seed = int(sha256_json([self.settings.seed, base.id, look.name])[:8], 16) >> 1
        return Row(
            **{name: getattr(base, name) for name in _OF_BASE},
            id=sha256_json(named)[:ID_DIGITS],
            key=f"{base.key}/{look.name}@{strength:g}{f' {granularity}' if granularity else ''}",
            expression=look.expression,
            strength=strength,
            base=base.id,
            base_picture=base.picture,
            base_expression=base.expression,
            base_strength=base.strength,
            combination=None if look.combination is None else look.combination.name,
            units=_units_text(look.units),
            seed=seed,
            **asked,
        )


def _units_text(units: ActionUnits) -> str | None:
    moved = [f"{name}={getattr(units, name):g}" for name in UNITS if getattr(units, name)]
    return ",".join(moved) or None
