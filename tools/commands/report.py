"""The command `serverlab report`, and what `compare` shows at its end: tables and a page, from the files alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - typer looks at what the arguments are
from typing import TYPE_CHECKING, Annotated

import typer

from tools.analysis.pairing import compared
from tools.commands.options import some_path
from tools.report.page import write_report
from tools.saved.results import read_results
from tools.tables.against import against_tables, as_object
from tools.tables.of_comparison import tables_of
from tools.tables.summary_file import summary_of, write_summary
from tools.tables.tabular import briefly
from tools.tables.terminal import print_tables, standard_console

if TYPE_CHECKING:
    from tools.saved.results import Results

MORE = "All tables, with what a request and a connection cost, and how to read them"


def report(
    folder: Annotated[
        Path,
        typer.Argument(parser=some_path, metavar="DIR", help="The folder of a comparison.", show_default=False),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and no tables.")] = False,
) -> None:
    """Draw a saved comparison again; nothing is run."""
    show(read_results(folder), as_json=as_json)


def show(results: Results, before: Results | None = None, *, as_json: bool = False, brief: bool = False) -> None:
    """Print the tables and write the report, from the files alone; and what there is beside an earlier comparison.

    Where it is `brief`, what a first look can do without is left to the report, and the last line says how to see it.
    """
    for notice in results.notices:
        print(notice, file=sys.stderr)
    against = compared(results, before) if before else None
    summary = summary_of(results)
    if as_json:
        print(json.dumps({**summary, "against": as_object(against)} if against else summary))
        write_summary(results, summary)
        write_report(results)
        return
    console = standard_console()
    tables = tables_of(results)
    tables = briefly(tables) if brief else tables
    print_tables(console, (*tables, *(against_tables(against) if against else ())))
    for reason in results.header.left_out.values():
        console.print(f"\nLeft out: {reason}.", markup=False, highlight=False, soft_wrap=True)
    write_summary(results, summary)  # after the tables, which a folder that cannot be written to does not keep back
    path = write_report(results)
    more = f"\n{MORE}: serverlab report {results.folder}" if brief else ""
    console.print(f"\nReport: {path}\nFigures: {results.folder}{more}", markup=False, highlight=False, soft_wrap=True)
