"""The state of one client over UDP; `client` is its sibling over streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from clients.datagram_lines import Lines


class Caller:
    """One of the N clients. `number` is its own, `asked` that of its last datagram, `sent_ns` 0 while none is out.

    `may_ask` while it may still have a request to end, `unsent` while one has begun that could not be sent yet. `lost`
    has the numbers of datagrams whose answers did not come.
    """

    __slots__ = (
        "asked",
        "awaited",
        "began_ns",
        "connection",
        "due_ns",
        "endpoint",
        "first_byte_ns",
        "got",
        "lines",
        "lost",
        "may_ask",
        "number",
        "ready_ns",
        "sent_ns",
        "unsent",
    )

    def __init__(self, number: int, lines: Lines) -> None:
        self.number, self.lines = number, lines
        self.asked = self.got = self.began_ns = self.due_ns = self.ready_ns = self.sent_ns = self.first_byte_ns = 0
        self.connection = -1
        self.may_ask, self.unsent = True, False
        self.awaited = b""
        self.endpoint: socket.socket | None = None
        self.lost: set[int] = set()

    @property
    def can_ask(self) -> bool:
        """Whether nothing of it is under way, and it may still ask."""
        return self.may_ask and not self.sent_ns and not self.unsent
