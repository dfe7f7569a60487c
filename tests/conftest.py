"""What holds for every test."""

from __future__ import annotations

import signal

# A shell starts what it runs in the background with SIGINT ignored; all that tests start would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
