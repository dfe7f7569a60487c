"""Servers of the user's own: a command that speaks a protocol of ours, compared beside the models.

NAME=COMMAND or COMMAND     as a shell splits it; {port} {host} {protocol} {workers} are put in at each start, and
                            {backlog} {max_line} and whatever else a workload may hold equal for all servers
up                          when it prints our listening line, or when somebody listens on the {port} it was given
stopped                     by SIGTERM to its process group, as a service manager does it, then by SIGKILL

Nothing is left of it: `tools.processes.marking` finds all that it started.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from servers.registry import MODELS
from tools.failure import Failure
from tools.processes.announcements import OUTPUT_LIMIT, event
from tools.processes.children import LaunchError, why_not
from tools.processes.launch import LISTENING_TIMEOUT, Server, up
from tools.processes.marking import guarded
from tools.saved.header import Variant
from tools.tables.published import STEVENS_POOL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from tools.accounting.meters import Meter
    from tools.workloads import Workload

HOST = "127.0.0.1"
PORT = "{port}"
WORKERS = "{workers}"
NAMED = re.compile(r"(?P<name>[A-Za-z][\w.+-]*)=(?P<command>.*)", re.DOTALL)
UNUSUAL = re.compile(r"[^\w.+-]")
LISTEN = b"0A"  # the state in /proc/net/tcp; the sockets that listen come first there
ANYWHERE = {"": HOST, "0.0.0.0": HOST, "::": "::1"}


def foreign_variants(texts: Sequence[str], options: Mapping[str, int]) -> tuple[Variant, ...]:
    """The servers that these texts of the command line are about, each with a name that no other has.

    Raises Failure, with one line, where a text is no command or its name is taken.
    """
    parsed = [_parsed(text) for text in texts]
    names = [name for name, _ in parsed if name]
    for name in names:
        if name in MODELS or names.count(name) > 1:
            whose = "a model" if name in MODELS else "another server"
            raise Failure(f"{name!r} is the name of {whose}: call the server something else, as in mine=COMMAND")
    variants: list[Variant] = []
    for name, words in parsed:
        taken = {*MODELS, *names, *(variant.name for variant in variants)}
        variants.append(_variant(name or _unique(_base_name(words), taken), words, options))
    return tuple(variants)


def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    named = NAMED.fullmatch(text.strip())
    name, command = (named["name"], named["command"]) if named else ("", text)
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise Failure(f"cannot read the server's command {command!r}: {str(error).lower()}") from error
    if not words or not words[0]:
        raise Failure(f"there is no command in {text!r}")
    return name, words


def _base_name(words: Sequence[str]) -> str:
    return UNUSUAL.sub("_", Path(words[0]).name) or "server"


def _unique(name: str, taken: Collection[str]) -> str:
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _variant(name: str, words: tuple[str, ...], options: Mapping[str, int]) -> Variant:
    many = any(WORKERS in word for word in words)
    return Variant(
        name=name,
        summary=shlex.join(words),
        term="a server of the user's",
        used_by="",
        teaches="",
        options={"workers": options.get("workers", STEVENS_POOL)} if many else {},
        command=words,
    )


USUAL = {
    "backlog": 1024,
    "max_connections": 10_000,
    "receive_size": 65_536,
    "idle_timeout": 60.0,
    "request_timeout": 10.0,
    "max_line": 131_072,
    "max_size": 16_777_216,
    "max_sleep": 60.0,
    "max_cpu": 10.0,
}
"""What our servers have where nothing else is asked for, which a command may be told, too; tests hold it to theirs."""


def filled_in(variant: Variant, protocol: str, options: Mapping[str, int], port: int | None) -> list[str]:
    """The words of the command, with what they leave open put in."""
    known = {
        PORT: str(port),
        "{host}": HOST,
        "{protocol}": protocol,
        WORKERS: str(options.get("workers", STEVENS_POOL)),
        **{f"{{{name}}}": str(options.get(name, usual)) for name, usual in USUAL.items()},
    }
    pattern = re.compile("|".join(map(re.escape, known)))  # at once: what is put in is not looked at again
    return [pattern.sub(lambda found: known[found[0]], word) for word in variant.command]


def check_startable(variants: Iterable[Variant]) -> None:
    """Refuse a command whose program is not there, before anything is measured; Failure."""
    for variant in variants:
        if variant.command and "{" not in variant.command[0] and shutil.which(variant.command[0]) is None:
            raise Failure(f"cannot start {variant.name}: {variant.command[0]}: {why_not(variant.command[0])}")


def not_told(variants: Iterable[Variant], workloads: Iterable[Workload]) -> tuple[str, ...]:
    """A sentence for each server of the user's that does not hear of what all servers of some workload have equal."""
    wanted = {name for workload in workloads for name in workload.server}
    found: list[str] = []
    for variant in variants:
        deaf = [name for name in sorted(wanted) if not any(f"{{{name}}}" in word for word in variant.command)]
        if variant.command and deaf and not variant.control_of:
            left = ", ".join(f"{{{name}}}" for name in deaf)
            found.append(
                f"{variant.name} is not told the {', '.join(deaf)} that all others have: its command has no {left}."
            )
    return tuple(found)


class ForeignServer(Server):
    """A server of the user's, which need not end as ours do: by the signal, without a stopped line, or by SIGKILL."""

    _ended_early = False

    @property
    def fault(self) -> str:
        """What is wrong with how it ended: that it did so before it was told to."""
        if not self._ended_early:
            return ""
        said = " ".join(self.errors().split())
        return f"the server ended by itself, with status {self.exit_status}: {said}"

    def _tell_to_stop(self) -> None:
        """Send SIGTERM to its process group: the child of a wrapper would not hear of a signal to the wrapper."""
        self._ended_early = self.child.wait(0)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)


@contextmanager
def running_foreign(
    variant: Variant,
    protocol: str,
    *,
    options: Mapping[str, int],
    environment: Mapping[str, str],
    cpus: Collection[int] | None = None,
    meter: Meter | None = None,
    timeout: float = LISTENING_TIMEOUT,
) -> Iterator[ForeignServer]:
    """Start a server of the user's, yield it once it listens, and end all that it started, whatever happens.

    Raises LaunchError where it ends or does not listen within `timeout` seconds, with the end of its stderr.
    """
    port = free_port() if any(PORT in word for word in variant.command) else None
    command = filled_in(variant, protocol, options, port)
    with (
        guarded() as guard,
        up(
            command,
            ForeignServer,
            lambda output: _heard(output, port),
            advice="" if port else f"; it has no {PORT}, and printed no listening line as ours do",
            cpus=cpus,
            meter=meter,
            environment={**environment, **guard.environment},
            timeout=timeout,
        ) as server,
    ):
        guard.watch(server.pid)
        yield server


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.socket() as trial:
        trial.bind((HOST, 0))
        port: int = trial.getsockname()[1]
        return port


def _heard(output: IO[bytes], port: int | None) -> dict[str, Any] | None:
    """Where a server listens, by a line among all that it printed, or because its port is taken."""
    whole = os.pread(output.fileno(), OUTPUT_LIMIT, 0).rpartition(b"\n")[0]
    for line in whole.decode(errors="replace").splitlines():
        if (listening := event(line, "listening")) is not None:
            return _reachable(listening)
    if port is not None and listens(port):
        return {"event": "listening", "host": HOST, "port": port}
    return None


def _reachable(listening: dict[str, Any]) -> dict[str, Any]:
    """The line with an address that clients can go to."""
    if not isinstance(listening.get("port"), int):
        raise LaunchError(f"a server must tell the port that it listens on; it said {listening!r}")
    host = str(listening.get("host", ""))
    return {**listening, "host": ANYWHERE.get(host, host)}


def listens(port: int) -> bool:
    """Whether somebody listens on a port, as the kernel tells: a connection to try it would be served and counted."""
    return any(_listens(table, b":%04X" % port) for table in ("/proc/net/tcp", "/proc/net/tcp6"))


def _listens(table: str, ending: bytes) -> bool:
    with suppress(FileNotFoundError), open(table, "rb") as lines:  # noqa: PTH123 - every other millisecond
        next(lines, None)
        for line in lines:
            fields = line.split(None, 4)
            if fields[3] != LISTEN:
                break  # thousands of ended connections may follow
            if fields[1].endswith(ending):
                return True
    return False
