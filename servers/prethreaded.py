r"""Prethreaded: N threads started beforehand, all of which block in accept on one listening socket.

                  /-- thread: accept --> converse --> accept --> ...
    listener --> <--- thread: accept --> converse --> ...
                  \-- thread: accept --> ...

Each thread is the iterative server, in one process; `preforked` is the same with processes. No thread is started for
a client, and none hands it to another: whoever accepts a client serves it (leader and followers, where the kernel
chooses the next leader, the thread that has waited longest). Under the GIL the threads take turns at Python code.

It serves as many clients at once as there are threads, idle ones included: it is the wrong choice for clients that
stay connected, for work that is all bytecode, and where one client's crash must not be everybody's.

Used by: the "leader/followers" servers of ACE and TAO; uWSGI's threads, with a mutex. (Apache's are `pooled`.)
Source: UNP vol. 1, section 30.11 (row 7 of Figure 30.1, there with a mutex); Schmidt et al., "Leader/Followers".
"""

from __future__ import annotations

from servers import iterative
from servers.runtime.threads import serve_in_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve in each thread as the iterative server does, until the server stops and the last of them has ended."""
    serve_in_threads(iterative.serve, listener, service)
