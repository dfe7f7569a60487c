"""Many models in tiers: two share a tier exactly where nothing tells them apart."""

from __future__ import annotations

from itertools import combinations, groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def tiers(names: Sequence[str], told_apart: Callable[[str, str], bool]) -> dict[str, tuple[int, ...]]:
    """The tiers that each name is in, from 1, the tier of the best.

    `names` are different and stand best first; `told_apart` is asked once for each pair, the better first. Two names
    are in a tier together exactly where they are not told apart, so that a name can be in several: the second of
    three neighbours may be told from neither of the others while those two differ.

    The tiers are the largest sets of names none of which are told apart, as many as it takes to have each such pair in
    one. They are found pair by pair, nearest ranks first, not by listing all such sets, of which forty names can have
    more than a million. Source: the letter displays of Piepho, 2004, as clique covers (Gramm and others, 2007).
    """
    alike = _alike(names, told_apart)
    cover: set[tuple[int, ...]] = {(rank,) for rank in alike if not alike[rank]}
    pairs = (pair for pair in combinations(alike, 2) if pair[1] in alike[pair[0]])
    for pair in sorted(pairs, key=lambda pair: (pair[1] - pair[0], pair)):
        if not any(set(pair) <= set(tier) for tier in cover):
            cover.add(_grown(pair, alike))
    numbered = list(enumerate(sorted(cover), 1))
    return {name: tuple(number for number, tier in numbered if rank in tier) for rank, name in enumerate(names)}


def words(numbers: Sequence[int]) -> str:
    """The tiers of a name as a table shows them: "1", "1-2", "1-2, 4"."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _alike(names: Sequence[str], told_apart: Callable[[str, str], bool]) -> dict[int, frozenset[int]]:
    """For the rank of each name the ranks that it is not told from."""
    pairs = [pair for pair in combinations(range(len(names)), 2) if not told_apart(names[pair[0]], names[pair[1]])]
    return {rank: frozenset(sum(pair) - rank for pair in pairs if rank in pair) for rank in range(len(names))}


def _grown(pair: tuple[int, int], alike: dict[int, frozenset[int]]) -> tuple[int, ...]:
    """The pair with all that can join it, those between the two first and then the nearest."""
    better, worse = pair
    tier = set(pair)
    for rank in sorted(alike[better] & alike[worse], key=lambda rank: max(better - rank, rank - worse)):
        if tier <= alike[rank]:
            tier.add(rank)
    return tuple(sorted(tier))
