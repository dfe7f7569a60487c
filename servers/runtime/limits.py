"""Times that no user needs to set, the same for every model."""

from __future__ import annotations

# A blocking accept comes back this often when nobody calls. It is the answer to a signal that arrives between the
# look at `stopping` and the system call, and the moment to reap children on a quiet server.
ACCEPT_WAIT = 0.25

# A blocking send comes back this often from a client that does not read, to look at its deadline.
SEND_WAIT = 0.25

DRAIN_PATIENCE = ACCEPT_WAIT  # what a client from the accept queue has for its request once the server is stopping

LINGER = 2.0  # how long a client that was hung up on may go on sending before its connection is closed all the same

LONGEST_WAIT = 60.0  # seconds; a poller takes no infinity
