"""Which servers a comparison holds, and with which options each is started: from names to notes for the files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from servers.registry import CONCURRENCY, MODELS, MORE_CLIENTS_THAN_WORKERS
from tools.machine import usable_cpus
from tools.saved.header import Variant
from tools.variants.commands import STEVENS_POOL, foreign_variants
from tools.variants.interpreters import under

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servers.registry import Entry
    from tools.machine import Division
    from tools.variants.interpreters import Python
    from tools.workloads import Workload

ALL = "all"
"""What stands for every model that can run here."""

NONE = "none"
"""What stands for no model of ours, where the user's own servers are compared with one another."""

# One for each way of waiting that is met in production: four workloads in five rounds take a minute and a half.
DEFAULT = ("iterative", "forking", "threaded", "selector", "coroutines", "preforked")


THREADS = 25
"""What servers have in a pool of threads where nothing is asked for."""

CONTROL = "selector"
"""What is entered twice where it is there: it has the least of its own that could make it differ from itself."""


class UnknownModelError(ValueError):
    """A name that no model has which can run here, or an option that none of the chosen looks at.

    The message is one line.
    """


@dataclass(frozen=True, slots=True)
class Choice:
    """The servers to be compared: the models in the registry's order, each under all interpreters, then the user's own.

    `left_out` has those models that cannot run here, each with the reason.
    """

    models: tuple[Variant, ...]
    left_out: dict[str, str]


def chosen_models(
    names: Sequence[str],
    options: Mapping[str, int],
    *,
    pythons: Mapping[str, Python] | None = None,
    commands: Sequence[str] = (),
) -> Choice:
    """The models of these names, each once; six where no name is given, all that can run for `all`, none for `none`.

    `options` are passed to those models that look at them. A model whose workers serve one client each gets as many
    as Stevens' had where nothing else is asked for: the server's own default, one for each CPU, would serve nobody
    side by side on the one CPU that a server here often has. With `pythons` (see `tools.variants.interpreters`) each
    model runs under each of them, and no longer under ours. `commands` are servers of the user's (see
    `tools.variants.commands`), which come beside the models. Raises UnknownModelError, also where a model was
    named that cannot run here, and CommandError where a command is none.
    """
    _check(names, commands, pythons)
    own = foreign_variants(commands, options)
    chosen = [entry for entry in MODELS.values() if ALL in names or entry.name in (names or DEFAULT)]
    _check_options(chosen, options, own)
    models = [_note(entry, options) for entry in chosen]
    if pythons:
        variants, left_out = under(models, pythons)
        able = {variant.model for variant in variants}
    else:
        left_out = {entry.name: entry.missing for entry in chosen if entry.missing}
        variants = tuple(model for model in models if model.name not in left_out)
        able = {model.model for model in variants}
    if names and ALL not in names and (unable := [model.name for model in models if model.model not in able]):
        reasons = (reason for name, reason in left_out.items() if name.partition("@")[0] in unable)
        raise UnknownModelError("; ".join(reasons))
    return Choice((*variants, *own), left_out)


def places_of(variant: Variant, cpus: int) -> int | None:
    """How many clients a variant serves side by side, as far as the registry tells; None where that has no bound.

    Workers that are not asked for are one for each of the server's `cpus`. What a server that ran had is told by
    `tools.verdicts.places`.
    """
    entry = MODELS.get(variant.model)
    if entry is None:
        return None
    if CONCURRENCY in entry.cannot:
        return 1
    if MORE_CLIENTS_THAN_WORKERS not in entry.cannot:
        return None
    places = 1
    if "workers" in entry.options:
        places *= variant.options.get("workers") or cpus
    if "threads" in entry.options:
        places *= variant.options.get("threads", THREADS)
    return places


def serves_all(model: Variant, workload: Workload, division: Division) -> bool:
    """Whether a model has places for all clients of a workload at a time, as far as the registry tells.

    Those that stay connected beside the measured ones keep theirs; clients that come and go need one more between them.
    """
    cpus = division.serving(everywhere=workload.everywhere) or usable_cpus()
    left = places_left(model, workload, len(cpus))
    return left is None or left >= (1 if workload.churn else workload.connections)


def places_left(model: Variant, workload: Workload, cpus: int) -> int | None:
    """How many measured clients a model on so many CPUs serves at a time, beside those that stay; None: any number."""
    places = places_of(model, cpus)
    return None if places is None else places - workload.staying


def with_control(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    """The variants, and one of them again under another name: what differs between these two is noise.

    It is one that many clients can use side by side, where there is one, and never a server of the user's where there
    is a model.
    """
    if not variants:
        return ()
    best = min(variants, key=lambda each: (not each.model, each.model != CONTROL, places_of(each, 1) is not None))
    return (*variants, replace(best, name=f"{best.name} (again)", control_of=best.name))


def _check(names: Sequence[str], commands: Sequence[str], pythons: Mapping[str, Python] | None) -> None:
    for name in names:
        if name not in MODELS and name not in {ALL, NONE}:
            raise UnknownModelError(f"unknown model {name!r}: choose from {', '.join(MODELS)}, or {ALL}")
    if NONE in names and len(names) > 1:
        raise UnknownModelError(f"{NONE} stands for no model of ours: name no others beside it")
    if NONE in names and not commands:
        raise UnknownModelError(f"{NONE} leaves your own servers alone, and there are none: give --serve-command")
    if NONE in names and pythons:
        raise UnknownModelError(f"--python would change nothing: it is for models of ours, and {NONE} leaves them out")


def _check_options(chosen: Sequence[Entry], options: Mapping[str, int], own: Sequence[Variant]) -> None:
    for option in options:
        if not any(option in each for each in (*(entry.options for entry in chosen), *(each.options for each in own))):
            named = ", ".join((*(entry.name for entry in chosen), *(each.name for each in own)))
            raise UnknownModelError(f"--{option} would change nothing: none of {named} looks at it")


def _note(entry: Entry, options: Mapping[str, int]) -> Variant:
    one_client_each = MORE_CLIENTS_THAN_WORKERS in entry.cannot and "threads" not in entry.options
    wanted = {"workers": STEVENS_POOL, **options} if one_client_each else options
    return Variant(
        name=entry.name,
        summary=entry.summary,
        term=entry.term,
        used_by=entry.used_by,
        teaches=entry.teaches,
        figure_row=entry.figure_row,
        options={name: value for name, value in wanted.items() if name in entry.options},
        model=entry.name,
    )
