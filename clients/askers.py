"""Who asks, as far as a demand has to do with them: its clients, and those who carry out what it decides for them."""

from __future__ import annotations

from typing import Protocol, TypeVar

NEVER = 1 << 62  # when a demand has nothing to do


class AskingClient(Protocol):
    """A client, as far as a demand has to do with it."""

    connection: int

    @property
    def can_ask(self) -> bool:
        """Whether it can send a request, or begin a connection for one."""


Asker = TypeVar("Asker", bound=AskingClient)
Asker_contra = TypeVar("Asker_contra", bound=AskingClient, contravariant=True)


class Askers(Protocol[Asker_contra]):
    """Those who carry a demand out."""

    def ask(self, client: Asker_contra, due_ns: int, ready_ns: int) -> None:
        """Have a client that is free ask; the loop came to it at `ready_ns`."""

    def dismiss(self, client: Asker_contra) -> None:
        """A client that is free will not be asked for anything any more."""

    def shed(self, due_ns: int, now: int) -> None:
        """A request that was due is not asked: too many wait already."""
