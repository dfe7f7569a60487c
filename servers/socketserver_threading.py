r"""What you would pick instead: the standard library's `socketserver.ThreadingMixIn`, a thread per connection.

    serve_forever: select --ready--> accept --> threading.Thread(...).start() --> handle: converse
         ^                                                                    --> handle: converse
         +---- service_actions, and again                                     --> ...

The protocol, the listener and the deadlines are ours, as for every model; the accept loop, the threads and the end are
the library's. Beside `threaded`, which is the same model, it shows what convenience costs: a `select` before each
accept, a Thread object that the accept loop waits for, a list of all threads that is gone through for each client.

And what is missing when it matters: it has no limit on threads, spins when it runs out of descriptors, and at
its end resets those who wait in the accept queue. It is the wrong choice for a service that must bear more than it was
made for; for a tool on a desk, or a test, it is the right one.

Used by: `http.server.ThreadingHTTPServer`, Werkzeug's development server, `xmlrpc.server` and `wsgiref` with the mixin.
Source: the `socketserver` module of CPython, whose head is an essay on when which of its servers is wrong.
"""

from __future__ import annotations

from socketserver import TCPServer, ThreadingMixIn
from threading import stack_size

from servers.runtime.socketservers import OnListener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


class Server(OnListener, ThreadingMixIn, TCPServer):
    """`socketserver.ThreadingTCPServer`, on our listener."""


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in a thread of its own until the server stops and the last of them has ended."""
    stack_size(service.settings.thread_stack)
    Server(listener, service).serve_until_stopped()
