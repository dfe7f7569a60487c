"""What ends a server before or beside the ordinary way."""

from __future__ import annotations


class CannotServe(Exception):
    """The server cannot start as asked; the message is the one clear line for its user."""


class EndNow(BaseException):
    """Stop at once, whatever is in flight: the grace period is over, or SIGINT came again.

    Raised by signal handlers in the main thread, so it is no Exception: no handler of ordinary errors takes it.
    """


class BrokenOff(Exception):
    """A wait was broken off because this process is to stop or to retire; see `Lifecycle.break_off`."""


class HungUp(Exception):
    """The conversation is over before its end; the message is the kind of error that is counted."""
