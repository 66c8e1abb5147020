"""A part of a benchmark that is as balanced as the whole allows."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain

T = TypeVar("T")

Kind = tuple[Domain, str]  # a domain, and the expression that is asked for


def balanced_part(
    items: Sequence[T],
    kind_of: Callable[[T], Kind],
    num_items: int | None,
    domains: Sequence[Domain] | None,
    what: str = "tasks",
) -> tuple[T, ...]:
    """`num_items` of those in `domains`, in their order; None: all.

    Domains and targets are taken by turns, each target's first items first, so that few are balanced too.
    InputError, which calls them `what`, where there are not so many.
    """
    found = [item for item in items if domains is None or kind_of(item)[0] in domains]
    if not found or (num_items is not None and not 1 <= num_items <= len(found)):
        wanted = f"{'all' if num_items is None else num_items} {' and '.join(domains or ())}".strip()
        counts = Counter(kind_of(item)[0] for item in items)
        there = " and ".join(f"{count} {domain}" for domain, count in counts.items())
        raise InputError(f"{wanted} {what} of a benchmark that has {there}: ask for what is there")
    turns = _turns([kind_of(item) for item in found])
    chosen = sorted(range(len(found)), key=lambda place: (turns[place], place))[:num_items]
    return tuple(found[place] for place in sorted(chosen))


def _turns(kinds: Sequence[Kind]) -> list[tuple[int, int]]:
    """For each item: how many like it came before, and its target's place among those of its domain."""
    seen: Counter[Kind] = Counter()
    targets: defaultdict[Domain, list[str]] = defaultdict(list)
    turns = []
    for domain, target in kinds:
        if target not in targets[domain]:
            targets[domain].append(target)
        turns.append((seen[domain, target], targets[domain].index(target)))
        seen[domain, target] += 1
    return turns
