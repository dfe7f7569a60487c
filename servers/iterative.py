"""Iterative: one client at a time, from its first byte to its last; the next waits in the accept queue.

    listener --accept--> converse --accept--> converse --accept--> ...

Costs nothing beyond the conversation itself, which is why every other model's cost is told as a difference from it.
It is the wrong choice wherever a client can be slow: whoever holds the connection open holds up everybody behind
(head-of-line blocking), though the kernel completes their handshakes and lets them believe that they are served.

Used by: TLPI's `is_seqnum_sv`; daytime and time services; every first lesson on sockets.
Source: UNP vol. 1, section 30.4 (row 0 of Figure 30.1); TLPI section 60.1.
"""

from __future__ import annotations

from servers.runtime.blocking import converse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.datagrams import Receiver
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve clients one after another until the server stops."""
    while connection := listener.accept():
        converse(connection, service)


def serve_datagrams(receiver: Receiver, service: Service) -> None:
    """Answer datagrams one after another until the server stops."""
    while datagram := receiver.receive():
        datagram.answer(service)
