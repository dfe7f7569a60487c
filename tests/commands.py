"""Commands of ours, run in the process of the test: what is refused before anything starts costs no interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest


class Done(NamedTuple):
    """What became of a command, in the order in which tests look at it."""

    status: int
    stdout: str
    stderr: str


def done_here(
    command: Callable[[list[str]], int], arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> Done:
    """Run a command with these arguments to its end; `argparse` leaves by SystemExit, with the status."""
    try:
        status = command(list(arguments))
    except SystemExit as leaving:
        status = int(leaving.code or 0)
    return Done(status, *capsys.readouterr())
