"""Times that no user needs to set, the same for every model."""

from __future__ import annotations

LINGER = 2.0  # seconds in which a client that was hung up on may still be sending before its connection is closed
DRAIN_PATIENCE = 0.2  # seconds that a client from the accept queue has for its request once the server is stopping
