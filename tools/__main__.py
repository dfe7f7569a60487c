"""The console script `serverlab`, which is also `python -m tools`.

`serve`, `load` and `talk` replace this process before anything else is imported: a server must keep the pid
that was started, and must not carry the memory of a command line library into its forks.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

REPLACED_BY = {
    "serve": ["-m", "servers"],
    "load": ["-m", "clients", "load"],
    "talk": ["-m", "clients", "talk"],
}
"""What `python` runs instead of this process, by the first word of the command line."""


INTERRUPTED = 130  # the shell's status for a process that SIGINT ended


def replace(name: str, arguments: list[str]) -> None:
    """Become `python -m servers ARGUMENTS` or `python -m clients NAME ARGUMENTS`; does not return.

    Away from the checkout, the working directory is left out of the import path (-P): a folder called
    `servers` there is not ours.
    """
    checkout = Path(__file__).resolve().parent.parent
    safe_path = [] if Path.cwd() == checkout else ["-P"]
    if sys.stdout is not None:  # it was closed before we began
        sys.stdout.flush()
    if name == "serve":  # until the server has its handlers, a signal to end it waits
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    os.execv(sys.executable, [sys.executable, *safe_path, *REPLACED_BY[name], *arguments])


def main() -> int:
    """Carry out the command line; the exit status is 0 done, 1 it ran and failed, 2 it was wrong."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in REPLACED_BY:
        replace(arguments[0], arguments[1:])
    try:
        from tools.cli import run  # noqa: PLC0415 - slow to import, and the three commands above need none of it

        return run(arguments)
    except KeyboardInterrupt:  # before a command has begun that hears of it
        print("serverlab: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
