r"""SYMPED: N processes, each a whole event loop, that accept from one listening socket (symmetric multi-process SPED).

                  /-- worker: loop over its clients
    listener --> <--- worker: loop over its clients
                  \-- worker: loop over its clients

Each worker is the selector server: its own loop, its own clients, nothing shared but the listener. So one loop's
virtues, and as many CPUs as there are workers. A connection stays with the worker that accepted it, and nobody sees to
it that they are dealt out evenly: all loops are told of a client that waits, the quickest takes it, and a busy one is
slower; still, two of a hundred clients that ask for much may be on the same worker while another idles.

It is the wrong choice where clients must share memory, and still the wrong one where an answer takes long to compute:
that holds up the clients of its worker.

Used by: nginx, gunicorn's asynchronous workers, Node's cluster where the kernel deals out.
Source: Pariag et al., "Comparing the Performance of Web Server Architectures" (EuroSys 2007).
"""

from __future__ import annotations

from servers import selector
from servers.runtime.workers import serve_in_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve in each worker as the selector server does, until the server stops and the last of them has ended."""
    serve_in_workers(selector.serve, listener, service)
