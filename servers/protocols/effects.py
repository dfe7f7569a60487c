"""What a session answers with: the effects that a server must carry out, in order.

Plain ``bytes`` mean "write them". They are by far the most frequent effect, so they have no class of their own:
wrapping them would cost more than all the rest of the seam.

These classes are written out because a server process imports neither ``dataclasses`` nor ``typing``: each weighs
a megabyte, and a forking server copies its page tables for every connection.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    Effect: TypeAlias = "bytes | Sleep | Compute | Close"
    Effects: TypeAlias = Iterable[Effect]  # a tuple where all is known at once, a generator where it is not


class _Value:
    """Equality and a readable form for the effects, which tests compare."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    def _fields(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._fields() == self._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._fields()))})"


class Sleep(_Value):
    """Wait this many seconds: stands in for a database or another service."""

    __slots__ = ("seconds",)
    __match_args__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Compute(_Value):
    """Burn this many seconds of the calling thread's CPU, in bytecode, holding the GIL as real work does."""

    __slots__ = ("seconds",)
    __match_args__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Close(_Value):
    """Hang up once everything before it has been sent; `error` is the kind to count, empty where all was well."""

    __slots__ = ("error",)
    __match_args__ = ("error",)

    def __init__(self, error: str = "") -> None:
        self.error = error
