r"""Hybrid: N processes made beforehand, each with M threads, all of which block in accept on one listening socket.

                  /-- worker: thread: accept --> converse --> ...
                 |            thread: accept --> ...
    listener --> <
                 |            thread: accept --> converse --> ...
                  \-- worker: thread: accept --> ...

Each worker is the prethreaded server. Threads share memory, so that N times M clients cost little more than N
processes do; processes isolate (a crash ends the clients of one of them) and, in CPython, are what puts a second CPU to
use. More processes buy isolation, more threads save memory: that is what its two numbers balance.

Processes come first: a fork copies one thread only, and whatever lock another one held stays locked in the child. It
still serves no more clients at once than there are threads in all: it is the wrong choice for clients that stay
connected.

Used by: uWSGI; Apache's worker MPM, gunicorn's gthread and Puma, where one thread of each process accepts for the rest.
Source: Apache HTTP Server, mpm_worker; TLPI section 60.4 on pools.
"""

from __future__ import annotations

from servers import prethreaded
from servers.runtime.workers import serve_in_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve in each worker as the prethreaded server does, until the server stops and the last of them has ended."""
    serve_in_workers(prethreaded.serve, listener, service)
