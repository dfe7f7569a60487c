"""The commands of the user's own servers: read from the command line, named, and with what they leave open put in.

NAME=COMMAND or COMMAND     as a shell splits it; {port} {host} {protocol} {workers} are put in at each start, and
                            {backlog} {max_line} and whatever else a workload may hold equal for all servers
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from servers.registry import MODELS
from tools.failure import Failure
from tools.processes.children import why_not
from tools.saved.header import Variant

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tools.workloads import Workload

HOST = "127.0.0.1"
PORT = "{port}"
WORKERS = "{workers}"
NAMED = re.compile(r"(?P<name>[A-Za-z][\w.+-]*)=(?P<command>.*)", re.DOTALL)
STEVENS_POOL = 15  # children or threads in the pools of Figure 30.1: what a pool has where nothing is asked for
LONGEST_NAME = 60
UNUSUAL = re.compile(r"[^\w.+-]")
LEFT_OPEN = re.compile(r"(?<!\$)\{[a-z_]+\}")  # as what is put in is written; ${name} is a shell's own


class CommandError(Failure):
    """A text that is no server's command, or one that cannot be started here; the message is one line."""


def foreign_variants(texts: Sequence[str], options: Mapping[str, int]) -> tuple[Variant, ...]:
    """The servers that these texts of the command line are about, each with a name that no other has.

    Raises CommandError where a text is no command, leaves open what is not put in, or its name is taken.
    """
    parsed = [_parsed(text) for text in texts]
    names = [name for name, _ in parsed if name]
    for name in names:
        if name in MODELS or names.count(name) > 1:
            whose = "a model" if name in MODELS else "another server"
            raise CommandError(f"{name!r} is the name of {whose}: call the server something else, as in mine=COMMAND")
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
        raise CommandError(f"cannot read the server's command {command!r}: {str(error).lower()}") from error
    if len(name) > LONGEST_NAME:
        raise CommandError(f"a name is at most {LONGEST_NAME} characters long, as a workload's is, not {name!r}")
    if not words or not words[0]:
        raise CommandError(f"there is no command in {text!r}")
    _check_left_open(words)
    return name, words


def _check_left_open(words: Sequence[str]) -> None:
    """Refuse a name in braces that nothing is put in for: it would be the server that complains of it, if anybody."""
    known = known_words("", {}, None)
    for left in (left for word in words for left in LEFT_OPEN.findall(word)):
        if left not in known:
            raise CommandError(
                f"there is no {left} to fill in, only {', '.join(known)}; "
                f"braces that are to stay are written with a space, as {{ {left[1:]}"
            )


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
    known = known_words(protocol, options, port)
    pattern = re.compile("|".join(map(re.escape, known)))  # at once: what is put in is not looked at again
    return [pattern.sub(lambda found: known[found[0]], word) for word in variant.command]


def known_words(protocol: str, options: Mapping[str, int], port: int | None) -> dict[str, str]:
    """What a command may leave open, in its braces, and what is put in for it."""
    return {
        PORT: str(port),
        "{host}": HOST,
        "{protocol}": protocol,
        WORKERS: str(options.get("workers", STEVENS_POOL)),
        **{f"{{{name}}}": str(options.get(name, usual)) for name, usual in USUAL.items()},
    }


def check_startable(variants: Iterable[Variant]) -> None:
    """Refuse a command whose program is not there, before anything is measured; CommandError."""
    for variant in variants:
        if variant.command and "{" not in variant.command[0] and shutil.which(variant.command[0]) is None:
            raise CommandError(f"cannot start {variant.name}: {variant.command[0]}: {why_not(variant.command[0])}")


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
