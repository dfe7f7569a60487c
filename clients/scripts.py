"""Which exchange comes next: a ring of a client's own, or one drawn from what the parts of a mix may say.

Everything that is drawn is drawn from what was made before the run, by a generator that the seed sets: the request that
is the how manieth of its process says the same in every run.
"""

from __future__ import annotations

import random
from itertools import cycle
from typing import TYPE_CHECKING

from clients.conversations import exchanges
from clients.mixes import Part, read_mix, read_work, single_part

if TYPE_CHECKING:
    from clients.conversations import Exchange
    from clients.spec import Spec

_MOST_DRAWS = 1024  # exchanges made for a part whose requests differ: for a heavy tail, fewer miss its mean
_DRAWN_BYTES = 32 * 1024 * 1024  # of requests, over all draws of a part: fewer draws where they are large
_CHOICES = 4096  # parts drawn beforehand: their shares are exact over so many


class Script:
    """What the clients of one load process say.

    Where all requests are alike but for their names, each client has a `ring` of its own; else `draw` says what is
    next, whoever asks. `alone` tells that a connection has one request in flight at a time.
    """

    def __init__(self, spec: Spec) -> None:
        parts = read_mix(spec.mix) if spec.mix else (single_part(spec.protocol, spec.size, spec.work),)
        self.alone = spec.pipeline == 1
        self._spec = spec
        self._only = parts[0] if len(parts) == 1 and parts[0].constant else None
        if self._only is None:
            self._random = random.Random(f"{spec.seed} {spec.index} script")
            # In turn, not at random: then every run has its share of a heavy tail, as the draws have.
            self._pools = [cycle(self._pool(number, part)) for number, part in enumerate(parts)]
            self._choices = _choices([part.share for part in parts], self._random)
            self._asked = 0

    @property
    def is_ring(self) -> bool:
        """Whether each client has a ring of its own."""
        return self._only is not None

    def ring(self, client: int) -> tuple[Exchange, ...]:
        """The exchanges that follow each other for ever on the connection of a client.

        Two suffice where one request is in flight. Behind others, an answer must differ from the one before and from
        the one after: more letters tell which of them came in its place.
        """
        assert self._only is not None
        letters = "ab" if self.alone else "abcd"
        size = self._only.sizes(1, 0)[0] if self._only.size else 0
        return self._exchanges(0, client, size, self._only.work, letters)

    def draw(self) -> Exchange:
        """The exchange that is next, whoever asks it."""
        part = self._choices[self._asked % len(self._choices)]
        self._asked += 1
        return next(self._pools[part])

    def _pool(self, number: int, part: Part) -> list[Exchange]:
        """What a part may say: one exchange a draw, each with a name of its own."""
        seed = self._random.getrandbits(60)
        if part.size is None:
            lines = read_work(part.work).lines(1 if part.constant else _MOST_DRAWS, seed)
            return [self._exchanges(number, 0, 0, line, "a")[0] for line in lines]
        draws = max(1, min(_MOST_DRAWS, int(_DRAWN_BYTES / max(1.0, part.size.mean))))
        sizes = part.sizes(draws, seed)
        return [self._exchanges(number, name, size, "", "a")[0] for name, size in enumerate(sizes)]

    def _exchanges(self, part: int, name: int, size_bytes: int, work: str, letters: str) -> tuple[Exchange, ...]:
        spec = self._spec
        return exchanges(
            spec.protocol,
            name,
            size_bytes,
            work,
            authority=spec.authority,
            close=spec.churn,
            letters=letters,
            part=part,
        )


def _choices(shares: list[float], generator: random.Random) -> list[int]:
    """Numbers of parts, each as often as its share says, in an order that was drawn."""
    bounds = [round(sum(shares[:number]) * _CHOICES) for number in range(len(shares) + 1)]
    choices = [part for part in range(len(shares)) for _ in range(bounds[part + 1] - bounds[part])]
    generator.shuffle(choices)
    return choices
