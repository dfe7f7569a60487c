"""`serverlab load --hold --hostile`: guests beside measured clients, in a process of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clients.command import main
from clients.plan import LoadPlan
from clients.swarm import run_load
from tests import known_servers
from tests.known_servers import known_server
from tests.load_runs import retried


@pytest.mark.parametrize("how", [{"duration": 0.5}, {"requests": 300}])
@retried
def test_guests_are_there_for_the_whole_run_and_end_with_it(how: dict[str, Any]) -> None:
    """Whether it ends by time or by a count of requests, of which they ask none."""
    with known_server() as server:
        plan = LoadPlan(server.address, connections=3, hold=40, hostile=(("silent", 2), ("half-close", 1)), **how)
        result = run_load(plan)
    assert result.ok
    assert len(result.connections) == 3
    assert {kind: told["clients"] for kind, told in result.guests.items()} == {
        "hold": 40,
        "silent": 2,
        "half-close": 1,
    }
    assert result.guests["hold"]["open_at_end"] == 40
    assert result.summary()["guests"] == result.guests


def test_a_wrong_answer_to_a_guest_fails_the_run() -> None:
    """What is owed to one that half-closes is counted with all errors."""
    with known_server(known_servers.hang_up_every(1)) as server:
        result = run_load(LoadPlan(server.address, duration=0.3, connections=1, hostile=(("half-close", 1),)))
    assert result.errors["closed"] > 0
    assert not result.ok


@retried  # guests give way to all others: on a busy machine they can be late for a short run
def test_guests_are_asked_for_on_the_command_line_and_told_in_a_line_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As many kinds as there are; in the JSON, they are under guests."""
    with known_server() as server:
        asked = [str(server.address), "--requests", "200", "--hold", "3", "--hostile", "silent=2", "--hostile", "drip"]
        assert main(asked) == 0
        words = capsys.readouterr().out
        assert main([*asked, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)["guests"]
    assert "\n  held      3 idle connections\n" in words
    assert "\n  silent    2 clients: 2 open at the end\n" in words
    assert "\n  drip      1 client: 1 open at the end" in words
    assert list(told) == ["hold", "silent", "drip"]


@pytest.mark.parametrize("wrong", ["loud", "silent=0"])
def test_what_is_no_kind_or_count_is_a_mistake_of_the_user(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, status 2."""
    with pytest.raises(SystemExit, match="2"):
        main(["127.0.0.1:9", "--hostile", wrong])
    [line] = capsys.readouterr().err.splitlines()
    assert "--hostile" in line
