"""A conversation with ourselves, held before the first fork.

The first conversations of a process write to memory that later ones only read: the interpreter specialises the
bytecode that it runs, the dynamic linker binds the functions that are called. A parent that never converses would
leave both to every child, each in pages that it must first copy: a third of all its page faults.
"""

from __future__ import annotations

from socket import SHUT_WR, socketpair

from servers.runtime.blocking import converse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.service import Service

ROUNDS = 20  # CPython 3.11 specialises code from its eighth run on


def rehearse(service: Service) -> None:
    """Converse with ourselves in every round that it takes; nothing of it is counted."""
    service = service.uncounted()
    for _ in range(ROUNDS):
        client, connection = socketpair()
        with client:
            client.sendall(b"1\n")  # a request, or at least an input, of every protocol
            client.shutdown(SHUT_WR)
            converse(connection, service)
