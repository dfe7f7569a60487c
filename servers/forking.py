"""Forking: a process per connection (MP); nothing is shared, and nothing that a child does can harm another.

    listener --accept--> fork --> child: close the listener, converse, exit
         |                   \\-> parent: close the connection
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

from servers.runtime.blocking import converse
from servers.runtime.children import Children
from servers.runtime.errors import EndNow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in a process of its own until the server stops and the last of them has ended."""
    children = Children(service.settings.max_connections, service.lifecycle)
    gc.freeze()  # a collection in a child must not touch, and so copy, what the parent made
    try:
        while children.make_room() and (connection := listener.accept(meanwhile=children.reap)):
            row = children.fork()
            if row:
                service.tally.use_row(row)
                serve_and_exit(listener, connection, service)
            connection.close()
        children.wait_for_all()
    except EndNow:
        children.end_now()
        raise


def serve_and_exit(listener: Listener, connection: socket, service: Service) -> None:
    """Be the child: serve one client and end."""
    try:
        listener.close()  # or an orphan would hold the port
        converse(connection, service)
    finally:
        os._exit(0)  # never return into the parent's loop, nor run what the parent has left for its own exit
