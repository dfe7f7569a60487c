"""Standard output that cannot be written: one line and a status, whoever notices first."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


STDOUT = 1  # what sys.stdout.fileno() says where there is one
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE}
"""What a write to a full or broken output fails with. Where output is not buffered (PYTHONUNBUFFERED), a flush
afterwards does not tell; and the commands catch what happens to their own files."""


def checked(name: str, command: Callable[[], int]) -> int:
    """Run a command, flush, and return its exit status.

    Where standard output cannot be written (a full disk, say), one line on stderr says so for the program
    `name`, and the status is 1; a reader that has seen enough (`| head`) is status 1 without a word. Any other
    exception of the command comes out of here. Output that was closed before we began is thrown away.
    """
    if sys.stdout is None:
        _open_nowhere()
    try:
        status = _flushed(command)
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at its end
        if not isinstance(error, BrokenPipeError):
            print(f"{name}: cannot write to standard output: {error.strerror}", file=sys.stderr)
        return 1
    return status


def _flushed(command: Callable[[], int]) -> int:
    try:
        return command()
    finally:  # --help leaves by SystemExit
        sys.stdout.flush()


def _open_nowhere() -> None:
    """Have a standard output again, and at its own number: a file that got it would have what children print in it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere > STDOUT and not _is_open(STDOUT):
        os.dup2(nowhere, STDOUT)
        os.close(nowhere)
        nowhere = STDOUT
    os.set_inheritable(nowhere, nowhere == STDOUT)
    sys.stdout = os.fdopen(nowhere, "w", encoding="utf-8")


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
