r"""Descriptor passing, first free: the parent hands each connection to the first worker of the row that is free.

                                           --descriptor--> worker 1: converse
    listener --accept--> parent: first free ...            worker 2: converse, if 1 is busy
                                                           worker 3: converse, if 1 and 2 are

As in `passing`, but chosen as Stevens chose in 1998: whoever stands first in the table and is free. The first workers
do nearly all of the work and the last ones hardly any, as his Figure 30.2 shows. That is no fault where workers are
alike (the caches of the first stay warm, and those never needed could be dismissed), but it is the wrong choice where
they wear out, or where one worker's CPU is not the next one's.

Used by: Stevens' server; wherever a table of workers is searched from its start.
Source: UNP vol. 1, section 30.9 (row 5 of Figure 30.1, and Figure 30.2).
"""

from __future__ import annotations

from servers.passing import deal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Pass each client to the first free worker, until the server stops and the last of them has ended."""
    deal(listener, service, lambda free: free[0])
