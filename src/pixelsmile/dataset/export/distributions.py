"""What a card says of a data set in numbers, counted row by row: the distributions of figures 13 and 14.

Nothing grows with the rows: scores and strengths are counted in bins, words up to a limit.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from pixelsmile.dataset.rows import LABELS, STATISTICS, Row
from pixelsmile.expressions import DOMAINS, NEUTRAL, Domain

STRENGTH_STEP = 0.1
SCORE_BINS = 100  # of 0..1
_NEARLY_ALL = 0.9
_MAX_WORDS = 50_000  # that are counted; rarer ones go when there are more
_WORD = re.compile(r"[a-z][a-z'-]{2,}")
_COMMON = re.compile(
    r"the|and|with|that|has|her|his|their|its|from|who|are|was|one|this|for|they|she|into|out|over|under|while|"
    r"there|which|not|him|very|than|person|character|image|picture"
)


@dataclass
class Distributions:
    """known: fields that at least one row has. Counters by domain unless their name says otherwise.

    own_scores: of pictures of an expression, the judge's score for it, in bins. mean_scores: by the
    expression of the picture and the score's: sum and number.
    """

    num_rows: int = 0
    num_edits: int = 0
    known: set[str] = field(default_factory=set)
    pictures: Counter[Domain] = field(default_factory=Counter)
    expressions: dict[Domain, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    strengths: dict[Domain, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    categories: dict[str, dict[Domain, Counter[str]]] = field(
        default_factory=lambda: {name: defaultdict(Counter) for name in STATISTICS}
    )
    num_described: Counter[Domain] = field(default_factory=Counter)
    words: dict[Domain, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    own_scores: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    mean_scores: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)
    sources: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # name, licence, origin
    editors: Counter[str] = field(default_factory=Counter)
    judges: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Count one more row."""
        self.num_rows += 1
        self.pictures[row.domain] += 1
        self.known |= {name for name, value in row if value is not None}
        self.sources[row.source, row.licence or "not said", row.origin or "not said"] += 1
        if row.base is not None:
            self.num_edits += 1
        self.expressions[row.domain][row.expression or "not said"] += 1
        if row.strength is not None and row.expression not in (None, NEUTRAL):
            self.strengths[row.domain][round(row.strength / STRENGTH_STEP)] += 1
        for value, counter in ((row.editor, self.editors), (row.judge, self.judges)):
            if value is not None:
                counter[value] += 1
        self._add_scores(row)
        self._add_statistics(row)

    def licences(self) -> Counter[str]:
        """How many pictures are under each."""
        found: Counter[str] = Counter()
        for (_, licence, _), number in self.sources.items():
            found[licence] += number
        return found

    def domains(self) -> list[Domain]:
        """Those that there are."""
        return [domain for domain in DOMAINS if self.pictures[domain]]

    def own_quantile(self, expression: str, share: float) -> float:
        """The score for it that `share` of its pictures stay below or at; of one that has scores."""
        bins = self.own_scores[expression]
        wanted, seen = share * sum(bins.values()), 0
        for place in sorted(bins):
            seen += bins[place]
            if seen >= wanted:
                return place / SCORE_BINS
        return max(bins) / SCORE_BINS

    def telling_words(self, domain: Domain, number: int) -> list[tuple[str, int]]:
        """The most frequent words of its descriptions, but for those that nearly all have."""
        most = _NEARLY_ALL * self.num_described[domain]
        words = Counter({word: count for word, count in self.words[domain].items() if count <= most})
        return words.most_common(number)

    def mean_score(self, shown: str, judged: str) -> float | None:
        """The mean score for `judged` of pictures that show `shown`; None where there is none."""
        total, number = self.mean_scores.get((shown, judged), (0.0, 0))
        return total / number if number else None

    def _add_scores(self, row: Row) -> None:
        if row.expression not in LABELS:
            return
        for name, score in row.judged.items():
            total, number = self.mean_scores.get((row.expression, name), (0.0, 0))
            self.mean_scores[row.expression, name] = (total + score, number + 1)
            if name == row.expression:
                self.own_scores[name][round(score * SCORE_BINS)] += 1

    def _add_statistics(self, row: Row) -> None:
        for name, by_domain in self.categories.items():
            if (value := getattr(row, name)) is not None:
                by_domain[row.domain][value] += 1
        text = " ".join(filter(None, (row.appearance, row.action, row.background)))
        if not text.strip():
            return
        self.num_described[row.domain] += 1
        words = self.words[row.domain]
        words.update(word for word in set(_WORD.findall(text.lower())) if not _COMMON.fullmatch(word))
        if len(words) > _MAX_WORDS:
            self.words[row.domain] = Counter(dict(words.most_common(_MAX_WORDS // 2)))
