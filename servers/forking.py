r"""Forking: a process per connection (MP); nothing is shared, and nothing that a child does can harm another.

    listener --accept--> fork --> child: close the listener, converse, exit
         |                   \-> parent: close the connection
         +------ reap those that have ended; at most max_connections, past them nothing is accepted

Costs a fork for each connection: page tables to copy, and about 300 page faults when reference counts break
copy-on-write. It is the wrong choice for short requests at any rate; the right one for isolation: a child may crash,
leak, change its user or its directory, and the kernel cleans up after it.

Used by: inetd, OpenSSH, PostgreSQL (a backend per session), `socketserver.ForkingMixIn`.
Source: UNP vol. 1, section 30.5 (row 1 of Figure 30.1); TLPI section 60.3.
"""

from __future__ import annotations

import gc
import os

from servers.runtime.blocking import Conversation
from servers.runtime.children import Children
from servers.runtime.rehearsal import rehearse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in a process of its own until the server stops and the last of them has ended."""
    children = Children(service)
    rehearse(service)
    gc.freeze()  # a collection in a child must not touch, and so copy, what the parent made
    while children.make_room() and (connection := listener.accept(meanwhile=children.reap)):
        # Made before the fork: what is made after it is made in pages that the child must first copy.
        conversation = Conversation(connection, service)
        if row := children.fork():
            service.tally.use_row(row)
            listener.close()  # or an orphan would hold the port
            run_and_exit(conversation)
        connection.close()
    children.wait_for_all()


def run_and_exit(conversation: Conversation) -> None:
    """Be the child: serve one client and end."""
    try:
        conversation.run()
    finally:
        os._exit(0)  # never return into the parent's loop, nor run what the parent has left for its own exit
