"""The command line: what is listed, what is refused and how, and what replaces the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import done_here
from tools.cli import run

CHECKOUT = Path(__file__).resolve().parent.parent


def serverlab(*arguments: str, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tools", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    )


@pytest.mark.parametrize(
    "command", ["models", "resolve", "serve", "talk", "load", "compare", "report", "monitor", "doctor"]
)
def test_every_command_is_listed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a line of what it does, also those that replace the process."""
    done = done_here(run, ["--help"], capsys)
    assert done.status == 0
    assert any(line.split()[:1] == [command] and len(line.split()) > 3 for line in done.stdout.splitlines())


def test_without_a_command_the_help_is_shown_and_the_status_is_2() -> None:
    """Nothing was asked for."""
    done = serverlab()
    assert done.returncode == 2
    assert "Usage: serverlab" in done.stdout + done.stderr


def test_the_version_is_that_of_the_distribution() -> None:
    """As in pyproject.toml."""
    done = serverlab("--version")
    assert done.returncode == 0
    name, version = done.stdout.split()[:2]
    assert name == "serverlab"
    assert f'version = "{version}"' in (CHECKOUT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nonsense"], "serverlab: No such command 'nonsense'."),
        (["--nonsense"], "serverlab: No such option: --nonsense"),
        (["models", "--nonsense"], "serverlab: No such option: --nonsense"),
        (["models", "one", "two"], "serverlab: Got unexpected extra argument"),
        (["compare", "--nonsense"], "serverlab: No such option: --nonsense"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line_and_status_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No box, no usage, no traceback."""
    done = done_here(run, arguments, capsys)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_error_with_a_traceback() -> None:
    """As in `serverlab models | head -0`."""
    with subprocess.Popen(
        [sys.executable, "-m", "tools", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    "arguments", [["models"], ["models", "--json"], ["--help"], ["monitor", "--json", "--", "true"]]
)
def test_output_that_cannot_be_written_is_one_line(arguments: list[str]) -> None:
    """A full disk: status 1, and nothing more when the interpreter ends."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "tools", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=50,
            check=False,
            cwd=CHECKOUT,
        )
    assert done.returncode == 1
    assert done.stderr == "serverlab: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("arguments", [["models"], ["resolve", "localhost"], ["models", "--json"]])
def test_output_that_was_closed_before_is_thrown_away(arguments: list[str]) -> None:
    """As `>&-` does: the command does what it does, and nothing is said."""
    command = ["/bin/sh", "-c", 'exec "$0" -m tools "$@" >&-', sys.executable, *arguments]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=50, check=False, cwd=CHECKOUT)
    assert (done.returncode, done.stderr) == (0, "")


def test_serve_becomes_the_server() -> None:
    """The pid is the one that was started, and SIGTERM reaches the server itself."""
    command = [sys.executable, "-m", "tools", "serve", "selector", "--protocol", "echo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdout
        listening = json.loads(process.stdout.readline())
        assert (listening["event"], listening["pid"]) == ("listening", process.pid)
        process.send_signal(signal.SIGTERM)
        assert json.loads(process.stdout.readline())["event"] == "stopped"
    assert process.returncode == 0


@pytest.mark.parametrize("command", ["serve", "load", "talk"])
def test_all_arguments_are_passed_on_untouched(command: str) -> None:
    """--help too: it is the other program's, and not ours."""
    done = serverlab(command, "--help")
    assert done.returncode == 0
    assert "usage" in done.stdout.lower()
    assert serverlab(command, "--no-such-option").returncode == 2


def test_a_folder_called_servers_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Away from the checkout, the current folder is not where `serve` looks."""
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "__main__.py").write_text("print('not ours')\n")
    done = serverlab("serve", "--help", cwd=tmp_path)
    assert "not ours" not in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [("monitor", "plotly numpy jinja2"), ("models", "plotly numpy psutil"), ("resolve", "plotly numpy psutil")],
)
def test_a_command_pays_for_its_own_imports_only(command: str, unwanted: str) -> None:
    """What another command needs is not imported."""
    script = (
        "import sys; from tools.cli import application; application([sys.argv[1]]);"
        "print(*(name for name in sys.argv[2:] if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, command, *unwanted.split()],
        capture_output=True,
        text=True,
        check=True,
        cwd=CHECKOUT,
    )
    assert done.stdout.split() == []


def test_replacing_the_process_comes_before_any_import_of_ours() -> None:
    """A server's start must not pay for a command line library."""
    script = (
        "import os, sys; sys.argv = ['serverlab', 'serve', 'x'];"
        "os.execv = lambda *arguments: sys.exit(' '.join(sorted({'typer', 'rich', 'click'} & set(sys.modules))));"
        "from tools.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=CHECKOUT)
    assert done.stderr.strip() == ""
