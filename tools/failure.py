"""What a command says when it ran and failed: one line, and exit status 1."""

from __future__ import annotations


class Failure(Exception):
    """Something that the user should know and nobody needs a traceback for; its text is one clear line."""


class ResultsError(Failure):
    """A results folder that cannot be made or read."""
