"""The command `serverlab workloads`: which there are, and one of them as a file to copy."""

from __future__ import annotations

from textwrap import fill
from typing import Annotated

import typer

from tools.tables.terminal import standard_console
from tools.workloads import WORKLOADS, file_of

INDENT = " " * 14


def workloads(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None,
) -> None:
    """List the workloads of a comparison; with a NAME, print that one's file, as the start of one of your own.

    serverlab workloads keepalive > mine.toml; serverlab compare --workload mine.toml
    """
    if name is None:
        width = standard_console().width
        for each, workload in WORKLOADS.items():
            print(fill(f"{each:<14}{workload.asks}", width, subsequent_indent=INDENT))
        return
    if name not in WORKLOADS:
        raise typer.BadParameter(f"unknown workload {name!r}: choose from {', '.join(WORKLOADS)}")
    print(file_of(name).read_text(encoding="utf-8"), end="")
