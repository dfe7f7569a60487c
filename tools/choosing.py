"""Which models a comparison holds, and with which options each is started: from names to notes for the files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.registry import MODELS, MORE_CLIENTS_THAN_WORKERS
from tools.cells import Variant
from tools.failure import Failure
from tools.published import STEVENS_POOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servers.registry import Entry

ALL = "all"
"""What stands for every model that can run here."""

# One for each way of waiting that is met in production, so that four workloads in four rounds take a minute and a half.
DEFAULT = ("iterative", "forking", "threaded", "selector", "coroutines", "preforked")


class UnknownModelError(ValueError):
    """A name that no model has, or an option that none of the chosen models looks at; the message is one line."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The models to be compared, in the registry's order; and those that cannot run here, each with the reason."""

    models: tuple[Variant, ...]
    left_out: dict[str, str]


def chosen_models(names: Sequence[str], options: Mapping[str, int]) -> Choice:
    """The models of these names, each once; six of them where no name is given, and all that can run for `all`.

    `options` are passed to those models that look at them. A model whose workers serve one client each gets as many
    as Stevens' had where nothing else is asked for: the server's own default, one for each CPU, would serve nobody
    side by side on the one CPU that a server here often has. Raises UnknownModelError; and Failure where a model was
    named that cannot run here.
    """
    everything = ALL in names
    _check(names)
    wanted = MODELS.keys() if everything else MODELS.keys() & set(names or DEFAULT)
    missing = {name: entry.missing for name, entry in MODELS.items() if name in wanted and entry.missing}
    if missing and names and not everything:
        raise Failure("; ".join(missing.values()))
    chosen = [entry for entry in MODELS.values() if entry.name in wanted and entry.name not in missing]
    for option in options:
        if not any(option in entry.options for entry in chosen):
            named = ", ".join(entry.name for entry in chosen)
            raise UnknownModelError(f"--{option} would change nothing: none of {named} looks at it")
    return Choice(tuple(_note(entry, options) for entry in chosen), missing)


def _check(names: Sequence[str]) -> None:
    for name in names:
        if name not in MODELS and name != ALL:
            raise UnknownModelError(f"unknown model {name!r}: choose from {', '.join(MODELS)}, or {ALL}")


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
    )
