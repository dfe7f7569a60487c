"""A model's file as something to read: its essay, its diagram and its code, without importing it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clients.checkout import CHECKOUT

if TYPE_CHECKING:
    from servers.registry import Entry

NEW_LINE_BEFORE = ("Used by:", "Source:")


@dataclass(frozen=True, slots=True)
class Essay:
    """The head of a model's file and what follows it.

    `path` is the file's from the checkout. `text` is the docstring as it stands; `paragraphs` are its parts in order,
    prose on one line each and the diagrams with all their lines as they are. `code` is the file without the docstring,
    and begins at its line `first_line`.
    """

    path: str
    text: str
    paragraphs: tuple[str, ...]
    code: str
    first_line: int

    @property
    def diagrams(self) -> tuple[str, ...]:
        """The paragraphs that are indented."""
        return tuple(filter(is_diagram, self.paragraphs))


def essay_of(entry: Entry) -> Essay:
    """Read a model's file; the model is not imported, so what it is built on need not be installed."""
    path = (CHECKOUT / Path(*entry.module.split("."))).with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    text = ast.get_docstring(tree) or ""
    lines = source.splitlines()
    head = tree.body[0].end_lineno or 0 if text else 0
    first = next((number for number in range(head, len(lines)) if lines[number].strip()), head)
    return Essay(str(path.relative_to(CHECKOUT)), text, paragraphs_of(text), "\n".join(lines[first:]), first + 1)


def paragraphs_of(text: str) -> tuple[str, ...]:
    """The paragraphs of a docstring: indented lines as they are, with the empty ones between them; prose joined."""
    joined: list[str] = []
    for paragraph in text.split("\n\n"):
        if is_diagram(paragraph) and joined and is_diagram(joined[-1]):
            joined[-1] += f"\n\n{paragraph}"
        elif is_diagram(paragraph):
            joined.append(paragraph)
        else:
            joined += _prose(paragraph)
    return tuple(joined)


def is_diagram(paragraph: str) -> bool:
    """Tell whether a paragraph is to be shown as it stands."""
    return paragraph.startswith("    ")


def _prose(paragraph: str) -> list[str]:
    """Each part of a paragraph on one line; a part begins at its first line, and where the users or a source do."""
    parts: list[list[str]] = []
    for line in paragraph.splitlines():
        if not parts or line.startswith(NEW_LINE_BEFORE):
            parts.append([])
        parts[-1].append(line.strip())
    return [" ".join(part) for part in parts]
