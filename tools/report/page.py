"""Put the report together and write it: sections, templates, and the script that draws the charts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from tools.failure import ResultsError
from tools.report.sections import sections_of
from tools.saved.results import REPORT

if TYPE_CHECKING:
    from tools.saved.results import Results

TEMPLATES = Path(__file__).parent / "templates"


def report_page(results: Results) -> str:
    """The whole page as HTML: equal for equal files, and loading nothing from anywhere.

    Raises:
        ResultsError: The samples of a cell are damaged or not there.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Our own files and plotly's, not a server's words: these three are the only ones that are not escaped.
    trusted = {name: Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("page.css", "charts.js")}
    return environment.get_template("page.html.j2").render(
        title="Server models compared",
        sections=sections_of(results),
        style=trusted["page.css"],
        drawing=trusted["charts.js"],
        plotly=Markup(get_plotlyjs()),
    )


def write_report(results: Results) -> Path:
    """Draw the report into its results folder and return its path; an older one stays whole until then.

    Raises:
        ResultsError: The folder cannot be written to, or the samples of a cell are damaged.
    """
    path = results.folder / REPORT
    page = report_page(results)
    half = path.with_suffix(".html.part")
    try:
        half.write_text(page, encoding="utf-8")
        half.replace(path)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error
    return path
