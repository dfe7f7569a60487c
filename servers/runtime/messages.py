"""What a server says: events as JSON lines on stdout, everything else through ``logging`` on stderr.

``logging`` is imported by the first message, because a server that has nothing to say must not pay for it: it
brings ``threading``, whose after-fork hook costs a third of a millisecond in every forked child. The first thing to
say may be that no descriptor is left, and an import opens files: one descriptor is held in reserve for it. Where
another thread is quicker to take that, the message goes to stderr as it is.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger
    from typing import Any


class BareLogger:
    """What stands in for ``logging`` as long as it cannot be imported."""

    def warning(self, message: str, *values: object) -> None:
        """Write the message, without the time and the level."""
        print(message % values, file=sys.stderr, flush=True)

    exception = warning  # a traceback would need modules, too


_reserve = [os.open(os.devnull, os.O_RDONLY)]


def announce(event: str, **facts: Any) -> None:
    """Print one event as a JSON line on stdout. A reader that has gone away is ordinary; one that is full is told."""
    try:
        print(json.dumps({"event": event, **facts}), flush=True)
    except BrokenPipeError:
        return
    except OSError as error:
        warn("cannot write the %s line: %s", event, error.strerror)


def warn(message: str, *values: object) -> None:
    """Log a warning: what an operator should know and the server survives."""
    _logger().warning(message, *values)


def report_bug() -> None:
    """Log the exception of a session with its traceback: a fault of ours, never of a client."""
    report_failure("a session raised; its conversation is over, the others go on")


def report_failure(what: str) -> None:
    """Log the exception being handled with its traceback."""
    _logger().exception(what)


def _logger() -> Logger | BareLogger:
    while _reserve:
        with suppress(OSError):  # a child may have closed all that it has inherited
            os.close(_reserve.pop())
    try:
        import logging  # noqa: PLC0415  see the head of this file
    except OSError:
        return BareLogger()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    return logging.getLogger("serverlab")
