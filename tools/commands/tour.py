"""The command `serverlab models`: the tour. All models in one table, or one of them from its essay to its code."""

from __future__ import annotations

import difflib
import json
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from servers.registry import MODELS
from tools.commands.essays import essay_of, is_diagram
from tools.tables.published import design_of
from tools.tables.tabular import NOTHING, Column, Table
from tools.tables.terminal import print_tables, standard_console

if TYPE_CHECKING:
    from rich.console import Console

    from servers.registry import Entry
    from tools.commands.essays import Essay
    from tools.tables.published import Design

ROOM_FOR_FILES = 170  # characters at which a column of file names takes nothing from the others
FIGURE = (
    "Process-control CPU seconds for 5,000 connections, beyond those of the iterative server: as printed, and as "
    "measured later on a machine of two cores, with the same code in C and with straightforward Python."
)


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One model, to read its essay and its code.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is known as JSON.")] = False,
) -> None:
    """Show all models in a table, or one of them from its essay to its code."""
    console = standard_console()
    if name is None and as_json:
        print(json.dumps([facts(entry) for entry in MODELS.values()], indent=2))
    elif name is None:
        print_tables(console, (tour(tuple(MODELS.values()), files=console.width >= ROOM_FOR_FILES),))
    elif as_json:
        print(json.dumps(all_facts(known(name)), indent=2))
    else:
        show(console, known(name))


def known(name: str) -> Entry:
    """The model of that name; typer.BadParameter says which names are near where there is none."""
    if name in MODELS:
        return MODELS[name]
    near = difflib.get_close_matches(name, MODELS, n=3, cutoff=0.5)
    advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(MODELS)}"
    raise typer.BadParameter(f"unknown model {name!r}: {advice}")


def facts(entry: Entry) -> dict[str, object]:
    """What the registry says of a model, as JSON values; `missing` says why it cannot run here."""
    return {**entry._asdict(), "module": entry.module, "file": essay_of(entry).path, "missing": entry.missing}


def all_facts(entry: Entry) -> dict[str, object]:
    """What is known of one model, as JSON values: its essay, its code and its row in Figure 30.1 too."""
    essay = essay_of(entry)
    design = design_of(entry.name, entry.figure_row)
    return {
        **facts(entry),
        "essay": essay.text,
        "diagram": "\n\n".join(map(textwrap.dedent, essay.diagrams)),
        "figure_30_1": design.to_json() if design else None,
        "code": essay.code,
    }


def tour(entries: tuple[Entry, ...], *, files: bool) -> Table:
    """All models, one line each."""
    columns = (
        Column("Model", "", "Model"),
        Column("How it serves many clients", "", "How it serves\nmany clients", words=True),
        Column("Who uses it", "", "Who\nuses it", words=True),
        Column("What it teaches", "", "What it\nteaches", words=True),
        Column("Row", "", "Row"),
        Column("File", "", "File", words=True),
    )
    return Table(
        name="models",
        title="One service, many ways to serve it",
        lead="Each model is one file, servers/MODEL.py, with an essay at its head: serverlab models MODEL shows it. "
        "Row is the model's row in Figure 30.1 of Stevens' UNIX Network Programming.",
        columns=columns if files else columns[:-1],
        rows=tuple(_row(entry)[: len(columns) if files else -1] for entry in entries),
        notes=tuple(f"Cannot run here: {entry.missing}." for entry in entries if entry.missing),
    )


def _row(entry: Entry) -> tuple[str, ...]:
    number = NOTHING if entry.figure_row is None else str(entry.figure_row)
    mark = " (not here)" if entry.missing else ""
    return (entry.name, entry.summary + mark, entry.used_by, entry.teaches, number, essay_of(entry).path)


def show(console: Console, entry: Entry) -> None:
    """Print all that there is to read of a model."""
    essay = essay_of(entry)
    console.print(Text(f"\n{entry.name}: {entry.summary}\n", style="bold"))
    for fact, words in particulars(entry).items():
        console.print(wrapped(f"{fact}: {words}", console, indent="  "), soft_wrap=True)
    console.print()
    for paragraph in essay.paragraphs:
        console.print(as_it_stands(paragraph) if is_diagram(paragraph) else wrapped(paragraph, console), soft_wrap=True)
        console.print()
    if design := design_of(entry.name, entry.figure_row):
        print_tables(console, (figure(design),))
    console.print(Text(f"\n{essay.path} from line {essay.first_line}", style="bold"))
    show_code(console, essay)


def as_it_stands(diagram: str) -> Text:
    """A diagram, in a colour of its own where there are colours."""
    return Text(diagram, style="cyan")


def wrapped(paragraph: str, console: Console, indent: str = "") -> Text:
    """A paragraph in lines that the console has room for."""
    return Text(textwrap.fill(paragraph, console.width, subsequent_indent=indent, break_on_hyphens=False))


def particulars(entry: Entry) -> dict[str, str]:
    """What the registry says of a model, in words."""
    told = {
        "In the field": entry.term,
        "Who uses it": entry.used_by,
        "What it teaches": entry.teaches,
        "Options that it looks at": ", ".join(map(as_option, entry.options)) or "those of all models, and no other",
        "Serves": "TCP and Unix sockets" + ", UDP with --udp" * entry.datagrams + ", TLS with --tls" * entry.tls,
    }
    told |= {f"Cannot {behaviour}": reason for behaviour, reason in entry.cannot.items()}
    if entry.missing:
        told["Cannot run here"] = entry.missing
    return told


def as_option(setting: str) -> str:
    """The option of the command line that sets this."""
    return f"--{setting.replace('_', '-')}"


def figure(design: Design) -> Table:
    """A design's row in Figure 30.1, with the columns that were measured later."""
    headings = ("Row", "Solaris", "DUnix", "BSD/OS", "3rd ed.", "C, 2 cores", "Python, 2 cores")
    seconds = (design.solaris, design.digital_unix, design.bsd_os, design.third_edition, design.c_here)
    row = "it came after Stevens" if design.row is None else f"row {design.row}, {design.design}"
    return Table(
        name="figure",
        title=f"Figure 30.1 of UNIX Network Programming: {row}",
        lead=FIGURE,
        columns=tuple(Column(heading, "", heading) for heading in headings),
        rows=((NOTHING if design.row is None else str(design.row), *seconds, design.python_here),),
        notes=("What it is on this machine: serverlab compare all --workload churn --workers 15 --threads 15",),
    )


def show_code(console: Console, essay: Essay) -> None:
    """Print the code, in colours on a terminal; plain where it goes to a file or a pipe."""
    if not console.is_terminal:
        print(essay.code)
        return
    code = Syntax(essay.code, "python", theme="ansi_dark", background_color="default", word_wrap=True)
    console.print(Padding(code, (0, 0, 1, 0)))
