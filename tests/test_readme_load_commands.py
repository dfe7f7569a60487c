"""Every `serverlab load` that the README shows is one that can be given."""

from __future__ import annotations

import re
import resource
import shlex

import pytest

from clients.options import build_parser
from clients.plan_options import plan_of
from tools.readme import README

COMMANDS = re.findall(r"^ +serverlab load (.+)$", README.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_readme_shows_commands() -> None:
    """They are found where they stand, each on a line of its own."""
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_accepted(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an address in place of HOST:PORT, whatever number of descriptors this machine allows."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 20, 1 << 20))
    words = shlex.split(command.replace("HOST:PORT", "127.0.0.1:9").replace("SCHEDULER", "127.0.0.1"), comments=True)
    parser = build_parser()
    assert plan_of(parser.parse_args(words), parser).address.port in {9, 5151}
