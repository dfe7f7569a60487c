"""``work``: ``SIZE [sleep=SECONDS] [cpu=SECONDS]`` and a newline; the answer is SIZE bytes, each of them ``x``.

A bare number is Stevens' own protocol (UNP ch. 30): his client works against it unchanged. ``sleep=`` stands in for
waiting on another service, ``cpu=`` for computing; both come before the answer, in the order in which they are given.
"""

from __future__ import annotations

import math

from servers.protocols.effects import Compute, Sleep
from servers.protocols.lines import LineReader, LineTooLong, refusal, too_long

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.protocols.effects import Effect, Effects
    from servers.protocols.session import Limits

# A large answer is this one object, again and again: memory per client does not grow with what the client asks for.
CHUNK = b"x" * 65536
SECONDS_CHARACTERS = frozenset("0123456789.e-+")  # float() would also take "inf", "nan" and "1_0"


class BadRequest(Exception):
    """The line is no request of ours; the message tells the client why."""


class Work(LineReader):
    """One client's work."""

    __slots__ = ("limits",)

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits.max_line)
        self.limits = limits

    def started(self) -> Effects:
        """Say nothing: the client speaks first."""
        return ()

    def received(self, data: bytes) -> Effects:
        """Return the work that the lines completed by `data` ask for."""
        return self._requests(self.lines(data))

    def ended(self) -> Effects:
        """Answer a last line that came without its newline, as `nc` sends it."""
        rest = self.rest()
        return self._requests(iter((rest,))) if rest else ()

    def _requests(self, lines: Iterator[bytes]) -> Effects:
        try:
            for line in lines:
                yield from self._answer(line)
                self.requests += 1
        except BadRequest as error:
            yield from refusal(str(error), "bad-request")
        except LineTooLong:
            yield from too_long(self.max_line)

    def _answer(self, line: bytes) -> Iterator[Effect]:
        size_bytes, waits = parse(line, self.limits)
        yield from waits
        for _ in range(size_bytes // len(CHUNK)):
            yield CHUNK
        if rest := size_bytes % len(CHUNK):
            yield CHUNK[:rest]


def parse(line: bytes, limits: Limits) -> tuple[int, list[Effect]]:
    """Read a request line: the size of its answer in bytes, and what comes before it. Raise BadRequest."""
    try:
        words = line.decode("ascii").split()
    except UnicodeDecodeError:
        raise BadRequest("not a request: SIZE [sleep=SECONDS] [cpu=SECONDS]") from None
    if not words:
        raise BadRequest("an empty line is no request: SIZE [sleep=SECONDS] [cpu=SECONDS]")
    size_bytes = _size(words[0], limits.max_size)
    if len(words) == 1:
        return size_bytes, []
    return size_bytes, _waits(words[1:], limits)


def _size(word: str, max_size: int) -> int:
    # The length is looked at first: reading a number takes time that grows with the square of its digits.
    if not word.isdigit() or len(word) > 18 or not 1 <= int(word) <= max_size:
        raise BadRequest(f"SIZE is a number from 1 to {max_size}")
    return int(word)


def _waits(words: list[str], limits: Limits) -> list[Effect]:
    given: dict[str, Effect] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name in given:
            raise BadRequest(f"{name}= is given twice")
        if name == "sleep":
            given[name] = Sleep(_seconds(name, value, limits.max_sleep))
        elif name == "cpu":
            given[name] = Compute(_seconds(name, value, limits.max_cpu))
        else:
            raise BadRequest("after SIZE come only sleep=SECONDS and cpu=SECONDS")
    return list(given.values())


def _seconds(name: str, value: str, most: float) -> float:
    try:
        seconds = float(value) if SECONDS_CHARACTERS.issuperset(value) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= most:  # NaN is in no range
        raise BadRequest(f"{name}= is a number of seconds from 0 to {most:g}")
    return seconds
