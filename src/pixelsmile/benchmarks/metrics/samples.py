"""What the metrics work on: one record for each judged edit."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, check_strength

NO_FACE = "no face found"  # the `no_identity` of an edit that has lost its face
NOT_MEASURED = "identity not measured"
_COSINE_ROUNDING = 1e-5


@dataclass(frozen=True)
class JudgedEdit:
    """One edit and what was found out about it. InputError where the parts contradict each other.

    `sample` names the source: everything that was made from it is drawn together in a bootstrap, and two
    editors are compared on it. `scores` are the judge's, 0..1, one for each of EXPRESSIONS, or None with
    the reason in `no_verdict`. `dominant` is what the judge itself named, an expression or neutral.
    `similarities` are cosines of source and edit, -1..1, by encoder; None where an encoder has none, with
    the reason in `no_identity` (NO_FACE where the edit shows no face).
    """

    sample: str
    target: str
    strength: float = 1.0  # general editing has one edit a sample, at the full expression
    scores: Mapping[str, float] | None = None
    no_verdict: str | None = None
    dominant: str | None = None
    similarities: Mapping[str, float | None] = field(default_factory=dict)
    no_identity: str | None = None

    def __post_init__(self) -> None:
        if self.target not in EXPRESSIONS:
            raise self._error(f"target {self.target!r}", f"one of {', '.join(EXPRESSIONS)}")
        check_strength(self.strength)
        self._check_verdict()
        self._check_identity()

    def _check_verdict(self) -> None:
        if (self.scores is None) != bool(self.no_verdict):
            raise self._error(f"{self.no_verdict!r} as no_verdict", "either scores or the reason for none")
        if self.dominant is not None and self.dominant not in (*EXPRESSIONS, NEUTRAL):
            raise self._error(f"dominant {self.dominant!r}", f"neutral or one of {', '.join(EXPRESSIONS)}")
        if self.scores is None:
            if self.dominant is not None:
                raise self._error(f"dominant {self.dominant!r} without scores", "a whole verdict or none")
            return
        if set(self.scores) != set(EXPRESSIONS):
            wrong = sorted(set(self.scores) ^ set(EXPRESSIONS))
            raise self._error(f"scores that miss or add {', '.join(wrong)}", "one for each expression")
        for name, score in self.scores.items():
            if not 0 <= score <= 1:  # NaN is refused here too
                raise self._error(f"score {score!r} of {name}", "a number from 0 to 1")

    def _check_identity(self) -> None:
        for name, cosine in self.similarities.items():
            if cosine is not None and not abs(cosine) <= 1 + _COSINE_ROUNDING:
                raise self._error(f"similarity {cosine!r} of {name}", "a cosine from -1 to 1")
        complete = bool(self.similarities) and None not in self.similarities.values()
        if complete and self.no_identity:
            raise self._error(f"{self.no_identity!r} beside all similarities", "one or the other")
        if self.similarities and not complete and not self.no_identity:
            raise self._error("a similarity that is None", "the reason in no_identity")

    def _error(self, seen: str, wanted: str) -> InputError:
        where = f"sample {self.sample!r}, {self.target} at {self.strength!r}"
        return InputError(f"{where}: {seen}: give {wanted}")

    @property
    def key(self) -> tuple[str, str, float]:
        """Sample, target and strength: one editor has one edit for each."""
        return self.sample, self.target, float(self.strength)

    @property
    def identity_reason(self) -> str:
        """Why a similarity is missing."""
        return self.no_identity or NOT_MEASURED
