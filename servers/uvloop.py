"""uvloop: the callbacks server on a loop that is not Python: libuv's, wrapped with Cython.

    libuv's loop in C --> transport in C --connection_made, data_received, ...--> the same callbacks in Python

Nothing of the model differs from `callbacks`, which is the point: what a loop in C buys can be read off the two. It is
nearly half of what an echoed line costs outside the kernel, so that the whole is a tenth less where connections last
(5.8 us for 6.4), and a third less where each is for one request (40 for 60). Its transports behave as asyncio's do, but
for the size of a read, which is libuv's to choose.

It is the wrong choice where the time is spent in one's own Python, of which it takes nothing away, and where a wheel
for the platform is lacking; and like every single loop where one answer takes long to compute.

Used by: uvicorn (its "standard" extra), Sanic, and whoever calls `uvloop.run`.
Source: Selivanov, "uvloop: Blazing fast Python networking" (2016); libuv's design overview.
"""

from __future__ import annotations

import uvloop

from servers.callbacks import Channel
from servers.runtime.asyncio_reception import Reception

TYPE_CHECKING = False
if TYPE_CHECKING:
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service


def serve(listener: Listener, service: Service) -> None:
    """Serve all clients in one loop until the server stops and the last conversation has ended."""
    Reception(uvloop.new_event_loop(), listener, service, Channel).run()
