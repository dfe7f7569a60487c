"""How a connection is closed on its client: a reset, which unread input would make of it, or no reset."""

from __future__ import annotations

from socket import MSG_DONTWAIT, SO_LINGER, SOL_SOCKET
from struct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Connection(Protocol):
        """What is called of a connection here, whether it waits or not."""

        def recv(self, size: int, flags: int, /) -> bytes:
            """Return what has come; raise OSError where that is nothing."""

        def setsockopt(self, level: int, option: int, value: bytes, /) -> None:
            """Set an option of the connection."""


DISCARDS = 16  # reads of unread input before a client whose time is up is closed on; one that floods gets its reset
RESET = pack("ii", 1, 0)  # SO_LINGER for no time at all


def discard_what_arrived(connection: Connection) -> None:
    """Read what the client has sent meanwhile, so that to close is no reset. OSError: nothing more is there."""
    for _ in range(DISCARDS):
        if not connection.recv(65536, MSG_DONTWAIT):
            return


def reset_on_close(connection: Connection) -> None:
    """Have the close be a reset: what a client does not take, the kernel would go on offering from its own memory."""
    connection.setsockopt(SOL_SOCKET, SO_LINGER, RESET)
