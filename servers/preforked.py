r"""Preforked: N processes made beforehand, all of which block in accept on one listening socket.

                  /-- worker: accept --> converse --> accept --> ...
    listener --> <--- worker: accept --> converse --> ...
                  \-- worker: accept --> ...

Each worker is the iterative server. What a fork costs is paid once for each worker instead of once for each client.
The kernel wakes the worker that has waited longest, one for a connection, so that the load is spread evenly and no
lock is needed (in Stevens' time all were woken, and all but one in vain: the thundering herd).

It serves as many clients at once as there are workers, and the next one waits in the accept queue: it is the wrong
choice for clients that stay connected, unless a proxy before it keeps them away.

Used by: Apache's prefork MPM, gunicorn's sync worker, PHP-FPM.
Source: UNP vol. 1, section 30.6 (row 2 of Figure 30.1); TLPI section 60.4.
"""

from __future__ import annotations

from servers import iterative
from servers.runtime.workers import serve_in_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve in each worker as the iterative server does, until the server stops and the last of them has ended."""
    serve_in_workers(iterative.serve, listener, service)
