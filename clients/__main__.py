"""`python -m clients load ADDRESS ...` and `python -m clients talk ADDRESS`; neither word stands for load."""

from __future__ import annotations

import sys

from clients.standard_output import checked


def main(arguments: list[str]) -> int:
    """Run the command that the first word names, `load` where it names none."""
    if arguments[:1] == ["talk"]:
        from clients import talk  # noqa: PLC0415 - each command imports only what it needs

        return checked("serverlab talk", lambda: talk.main(arguments[1:]))
    from clients import command  # noqa: PLC0415

    rest = arguments[1:] if arguments[:1] == ["load"] else arguments
    return checked("serverlab load", lambda: command.main(rest))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before there was anything to end in order
        sys.exit(130)
