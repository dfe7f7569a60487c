"""What a command says when it ran and failed: one line, and exit status 1."""

from __future__ import annotations


class Failure(Exception):  # noqa: N818 - it is not a bug: the command line prints its text as the one line on stderr
    """Something that the user should know and nobody needs a traceback for; its text is one clear line."""
