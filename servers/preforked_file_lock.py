r"""Preforked with a file lock: N processes made beforehand, of which the one that holds the lock waits in accept.

                           /-- worker: [lock --> accept --> unlock] --> converse --> [lock ...
    listener --> file lock <-- worker: [lock ...
                           \-- worker: [lock ...

On systems that wake all who wait in accept when one client comes (the thundering herd), or where only one process may
be in accept at all (System V), a lock keeps the others out; here a record lock on a file (fcntl). The kernel releases
it when its holder dies. Linux wakes one only and needs none, but it is no pure cost: two system calls for each
connection spare wake-ups (with 15 workers 1.2 to 1.6 switches a connection, 1.7 to 2.1 without), and CPU does not tell
the two apart reliably. It is the wrong choice where nothing asks for it.

(`lockf`, not `flock`: a lock of flock's belongs to the open file, which forked processes share.)

Used by: Apache 1.3 and 2.2 (AcceptMutex fcntl), uWSGI's thunder lock in spirit.
Source: UNP vol. 1, section 30.7 (row 3 of Figure 30.1).
"""

from __future__ import annotations

import os
from fcntl import LOCK_EX, LOCK_UN, lockf
from functools import partial

from servers.runtime.turns import serve_in_turn
from servers.runtime.workers import serve_in_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve in each worker, which accepts while it holds the lock, until the server stops."""
    file = os.memfd_create("accept-lock")  # a file without a name: nothing to clean up, nothing to collide with
    acquire, release = partial(lockf, file, LOCK_EX), partial(lockf, file, LOCK_UN)
    serve_in_workers(partial(serve_in_turn, acquire, release), listener, service)
