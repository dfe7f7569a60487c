"""Standard input and output as the interactive clients use them: bytes, and one line of complaint."""

from __future__ import annotations

import os

INPUT, OUTPUT = 0, 1


class TalkError(RuntimeError):
    """The conversation did not come to an orderly end; the message is one line for the user."""


def read_input(limit: int) -> bytes:
    """Read what there is, at most `limit` bytes; none at the end. TalkError where that cannot be."""
    try:
        return os.read(INPUT, limit)
    except OSError as error:
        raise TalkError(f"cannot read standard input: {error.strerror}") from None


def write_all(data: bytes) -> None:
    """Write all of `data` to standard output; TalkError where that cannot be, unless nobody reads any more."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(OUTPUT, view) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TalkError(f"cannot write to standard output: {error.strerror}") from None
