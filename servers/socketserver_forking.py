r"""What you would pick instead: the standard library's `socketserver.ForkingMixIn`, a process per connection.

    serve_forever: select --ready--> accept --> fork --> child: handle: converse, exit
         ^                                          \--> parent: close the connection
         +---- service_actions: reap those that have ended, and again

The protocol, the listener and the deadlines are ours, as for every model; the accept loop and the forks are the
library's. The limit on children, 40 there, is that on connections. What is added is what our counts and our stop need:
a row of the tally for each child, and the word to the children that it is time to stop, which the library would wait
for untold. Beside `forking`, which is the same model, it shows what care before a fork saves: 450 page faults for a
connection were measured here, and 300 there.

Its children keep the listener open, so that an orphan holds the port; it spins when it runs out of descriptors, drops a
client when it cannot fork, and at its end resets those who wait in the accept queue. It is the wrong choice for a
service that must bear more than it was made for, and for short requests at any rate.

Used by: `http.server` and `xmlrpc.server` with the mixin.
Source: the `socketserver` module of CPython, whose head is an essay on when which of its servers is wrong.
"""

from __future__ import annotations

from itertools import count
from socketserver import ForkingMixIn, TCPServer

from servers.runtime.children import Children
from servers.runtime.socketservers import OnListener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in a process of its own until the server stops and the last of them has ended."""
    Server(listener, service).serve_until_stopped()


class Server(OnListener, ForkingMixIn, TCPServer):
    """`socketserver.ForkingTCPServer`, on our listener, whose children count and are told to stop."""

    def __init__(self, listener: Listener, service: Service) -> None:
        super().__init__(listener, service)
        self.max_children = service.most_connections
        self.active_children = set()
        self.children = Children(service)
        self._row = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        """Fork, with a row of the tally that no other living child has."""
        taken = set(self.children.row_of.values())
        self._row = next(row for row in count(1) if row not in taken)
        self.service.lifecycle.hold()  # a child that we did not know of could not be ended
        try:
            super().process_request(request, client_address)
            assert self.active_children is not None
            for pid in self.active_children - self.children.row_of.keys():
                self.children.row_of[pid] = self._row
        finally:
            self.service.lifecycle.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Be the child: serve the client."""
        self.service.lifecycle.release()
        self.service.tally.use_row(self._row)
        super().finish_request(request, client_address)

    def collect_children(self, *, blocking: bool = False) -> None:
        """Reap, and forget the rows of those that have ended."""
        super().collect_children(blocking=blocking)
        assert self.active_children is not None
        for pid in self.children.row_of.keys() - self.active_children:
            del self.children.row_of[pid]

    def server_close(self) -> None:
        """Listen no more, and wait for the children, who have been told."""
        self.socket.close()
        self.children.wait_for_all()
