"""``python -m tools.readme``: write the README's table of models anew from the registry.

The table stands between two comments that no page shows; nothing else of the file is touched.
"""

from __future__ import annotations

import sys

from clients.checkout import CHECKOUT
from servers.registry import MODELS

README = CHECKOUT / "README.md"
BEGIN, END = "<!-- models -->", "<!-- /models -->"
HEAD = "| model | how it serves many clients | found in | what it teaches | row |\n|---|---|---|---|---|"


def with_models(text: str) -> str:
    """The text with the table between its two comments as the registry has it; ValueError where they are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the text has no {BEGIN} with a {END} after it")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def table() -> str:
    """The models as a table of Markdown, in the registry's order."""
    return "\n".join([HEAD, *(_row(name) for name in MODELS)])


def _row(name: str) -> str:
    entry = MODELS[name]
    link = f"[`{name}`](servers/{name}.py)"
    extra = f" (extra: `{entry.requires}`)" if entry.requires else ""
    number = "" if entry.figure_row is None else str(entry.figure_row)
    return f"| {link} | {entry.summary}{extra} | {entry.used_by} | {entry.teaches} | {number} |"


def main() -> int:
    """Write the table; return the exit status."""
    text = README.read_text(encoding="utf-8")
    README.write_text(with_models(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
