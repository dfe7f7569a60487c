"""Whether two comparisons can be set side by side, and what else differs between them than the servers.

Two that ask different things under one name, or that started a model with other options, are refused. Whatever else can
move a figure is a mark. Some marks are so great that nothing can be concluded: another processor or architecture,
another number of CPUs or of those that each side had, and another Python. Ratios are shown all the same, and no
verdict is made of them.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from tools.analysis import figures
from tools.analysis.controls import session_control
from tools.analysis.narrowing import cells_wanted
from tools.failure import Failure
from tools.words import GIBIBYTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tools.machine import Division, Interpreter, Machine
    from tools.saved.cells import Cell
    from tools.saved.header import Header, Variant
    from tools.saved.results import Results
    from tools.workloads import Workload

ASIDE = {"asks", "shows", "weight", "scaling_of"}  # of a workload: what it asks of a server does not follow from these
SESSIONS_DIFFER = 0.08  # two sessions on a shared machine, whatever they measure: more than models within one
WINDOWS_DIFFER = 0.1  # of a window: a comparison shortens its windows by less, to be done in time


@dataclass(frozen=True, slots=True)
class Mark:
    """A difference that the reader must know of, as a sentence; where it is `decisive`, nothing can be concluded."""

    sentence: str
    decisive: bool = False


def check_alike(models: Iterable[Variant], workloads: Iterable[Workload], before: Header) -> None:
    """Refuse, with a Failure of one line, what has nothing in common with a comparison or asks something else of it."""
    ours, theirs = entered(models), entered(before.models)
    asked, saved = ({each.name: each for each in those} for those in (workloads, before.workloads))
    if not ours.keys() & theirs.keys() or not asked.keys() & saved.keys():
        raise Failure(
            f"the two have nothing in common: {', '.join(ours)} on {', '.join(asked)}, "
            f"and before {', '.join(theirs)} on {', '.join(saved)}"
        )
    for name in asked.keys() & saved.keys():
        _check_workload(asked[name], saved[name])
    for name in ours.keys() & theirs.keys():
        _check_options(ours[name], theirs[name])


def entered(models: Iterable[Variant]) -> dict[str, Variant]:
    """The variants by name, without the control, which is one of them again."""
    return {model.name: model for model in models if not model.control_of}


def _check_workload(now: Workload, before: Workload) -> None:
    for name in (each.name for each in fields(now) if each.name not in ASIDE):
        one, other = getattr(now, name), getattr(before, name)
        if one != other:
            raise Failure(f"workload {now.name} is not the same: {name} is {one!r} now and was {other!r} before")


def _check_options(now: Variant, before: Variant) -> None:
    if now.options != before.options:
        raise Failure(f"{now.name} was started with other options: {_words(now)} now and {_words(before)} before")
    if now.model != before.model or bool(now.command) != bool(before.command):
        raise Failure(f"{now.name} is another server now than before")


def _words(model: Variant) -> str:
    return " ".join(f"--{name} {value}" for name, value in model.options.items()) or "none"


def marks(now: Results, before: Results) -> tuple[Mark, ...]:
    """What differs between two comparisons that `check_alike` let pass, decisive marks first."""
    one, other = now.header, before.header
    found = (
        *_of_machine(one.machine, other.machine),
        *_of_python("Python", one.interpreter, other.interpreter),
        *_of_servers(one, other),
        *_of_cpus(one.division, other.division),
        *_of_plan(now, before),
        *_of_session("now", now),
        *_of_session("before", before),
    )
    return tuple(sorted(found, key=lambda mark: not mark.decisive))


def _of_machine(now: Machine, before: Machine) -> Iterator[Mark]:
    yield from _different("processor", now.processor, before.processor, decisive=True)
    yield from _different("architecture", now.architecture, before.architecture, decisive=True)
    yield from _different("number of CPUs", now.cpus, before.cpus, decisive=True)
    yield from _different("number of CPUs that may be used", now.usable_cpus, before.usable_cpus)
    yield from _different("kernel", f"{now.system} {now.kernel}", f"{before.system} {before.kernel}")
    yield from _different("memory", *(f"{it.memory_bytes / GIBIBYTE:.1f} GiB" for it in (now, before)))
    yield from _different("CPU governor", now.governor, before.governor)
    yield from _different("limit of open files", now.open_files_limit, before.open_files_limit)
    yield from _each_different("", now.sysctls, before.sysctls)


def _of_python(name: str, now: Interpreter, before: Interpreter) -> Iterator[Mark]:
    """Of one interpreter. Another minor version is another Python; a bug fix is not."""
    kinds = [(it.implementation, it.version.split(".")[:2], it.free_threaded, it.gil) for it in (now, before)]
    yield from _different(name, _python(now), _python(before), decisive=kinds[0] != kinds[1])
    yield from _different(f"compiler of {name}", now.compiler, before.compiler)
    yield from _each_different(f" of {name}", now.packages, before.packages)


def _python(interpreter: Interpreter) -> str:
    build = " (free-threaded)" if interpreter.free_threaded else ""
    return f"{interpreter.implementation} {interpreter.version}{build}, GIL {'on' if interpreter.gil else 'off'}"


def _of_servers(now: Header, before: Header) -> Iterator[Mark]:
    """What ran the servers that both have, where that was not the Python that measured; and commands of the user's."""
    ours, theirs = entered(now.models), entered(before.models)
    both = [name for name in ours if name in theirs]
    keys = dict.fromkeys(ours[name].interpreter for name in both if ours[name].interpreter)
    for key in keys:
        if key in now.interpreters and key in before.interpreters:
            yield from _of_python(f"Python {key} of the servers", now.interpreters[key], before.interpreters[key])
    for name in both:
        commands = (" ".join(each.command) for each in (ours[name], theirs[name]))
        yield from _different(f"command of {name}", *commands)


def _of_cpus(now: Division, before: Division) -> Iterator[Mark]:
    counts = [(len(it.server), len(it.client)) for it in (now, before)]
    yield from _different("division of the CPUs", _divided(now), _divided(before), decisive=counts[0] != counts[1])


def _divided(division: Division) -> str:
    server, client = (", ".join(map(str, cpus)) or "any" for cpus in (division.server, division.client))
    return f"servers on {server}, clients on {client}"


def _of_plan(now: Results, before: Results) -> Iterator[Mark]:
    yield from _different("number of rounds", *(max(_rounds(it), default=0) for it in (now, before)))
    yield from _different("warm-up", *(f"{it.header.warm_up:g} s" for it in (now, before)))
    one, other = _window(now, before), _window(before, now)
    if one and other and abs(one - other) > WINDOWS_DIFFER * max(one, other):
        yield from _different("length of windows", f"{one:.2g} s", f"{other:.2g} s")
    if least_difference(now, before) > SESSIONS_DIFFER:
        yield Mark(
            f"The servers' CPUs ran at {_cpu_speed_ratio(now, before):.2f} of their speed before, as canaries measured "
            "it: only what surely differs by more counts as a difference."
        )


def least_difference(now: Results, before: Results) -> float:
    """What two figures must surely differ by, as a share: more than how fast the servers' CPUs computed differs by."""
    speed = _cpu_speed_ratio(now, before)
    return max(SESSIONS_DIFFER, max(speed, 1 / speed) - 1)


def _cpu_speed_ratio(now: Results, before: Results) -> float:
    """How fast the servers' CPUs computed, by before; 1.0 where no canary told it."""
    one, other = _speed(now), _speed(before)
    return one / other if one and other else 1.0


def _rounds(results: Results) -> Iterator[int]:
    return (cell.round for cell in results.cells)


def _window(results: Results, other: Results) -> float | None:
    """The median of the windows of those workloads that both have, in seconds."""
    both = {cell.workload for cell in results.cells} & {cell.workload for cell in other.cells}
    windows = [cell.load.window for cell in figures.sound(results.cells) if cell.load and cell.workload in both]
    return statistics.median(windows) if windows else None


def _speed(results: Results) -> float | None:
    """The median of how fast the servers' CPUs computed, where canaries told it."""
    speeds = [it.host.server_speed for it in figures.sound(results.cells) if it.host and it.host.server_speed]
    return statistics.median(speeds) if speeds else None


def _of_session(when: str, results: Results) -> Iterator[Mark]:
    """What must be known of one of the two."""
    control = session_control(results)
    if control.sound is False:
        yield Mark(f"UNSOUND {when}: {control.reason}. What differs by as much may be the machine.")
    cells: Sequence[Cell] = results.cells
    disturbed = sum(bool(cell.disturbed) for cell in cells)
    if disturbed:
        yield Mark(f"Disturbed {when}: {disturbed} of {len(cells)} cells lost CPU to something else.")
    if len(cells) < (wanted := cells_wanted(results)):
        yield Mark(f"Broken off {when}: {len(cells)} of {wanted} cells were measured.")


def _each_different(of_what: str, now: Mapping[str, str], before: Mapping[str, str]) -> Iterator[Mark]:
    for name in sorted(now.keys() | before.keys()):
        yield from _different(f"{name}{of_what}", now.get(name, ""), before.get(name, ""))


def _different(what: str, now: object, before: object, *, decisive: bool = False) -> Iterator[Mark]:
    if now != before:
        one, other = (str(value) if value != "" else "not told" for value in (now, before))
        yield Mark(f"Another {what}: {one} now, {other} before.", decisive)
