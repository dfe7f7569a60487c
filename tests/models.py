"""Every model of the registry as the parameter of a test, and what gives each of them room for the clients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from servers.registry import CONCURRENCY, MODELS, MORE_CLIENTS_THAN_WORKERS
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from servers.registry import Entry
    from tests.serving import Server


def parametrised(
    entries: Iterable[Entry], values: Callable[[str], Iterable[str]] = lambda _: (), name: str = ""
) -> pytest.MarkDecorator:
    """Run a test on these models; skip, with the words that mend it, what cannot run here.

    Where `name` is given, it is another parameter, which has the `values` of each model.
    """
    return pytest.mark.parametrize(
        ("model", name) if name else "model",
        [
            pytest.param(*words, marks=pytest.mark.skipif(bool(entry.missing), reason=entry.missing))
            for entry in entries
            for words in ([(entry.name, value) for value in values(entry.name)] if name else [(entry.name,)])
        ],
    )


def models_that(has: Callable[[Entry], object]) -> pytest.MarkDecorator:
    """Run a test on the models of which something is true."""
    return parametrised(entry for entry in MODELS.values() if has(entry))


def models_that_can(behaviour: str) -> pytest.MarkDecorator:
    """Run a test on the models that do not declare the behaviour impossible."""
    return models_that(lambda entry: behaviour not in entry.cannot)


def models_that_cannot(behaviour: str) -> pytest.MarkDecorator:
    """Run a test of the opposite on the models that do."""
    return models_that(lambda entry: behaviour in entry.cannot)


every_model = parametrised(MODELS.values())
concurrent_models = models_that_can(CONCURRENCY)


def is_concurrent(model: str) -> bool:
    """Tell whether a model serves several clients at once."""
    return CONCURRENCY not in MODELS[model].cannot


def serving_many(model: str, clients: int, *arguments: str) -> AbstractContextManager[Server]:
    """Serve with room for so many clients at once, where each of them takes a worker of a pool."""
    entry = MODELS[model]
    if "workers" not in entry.options:
        return serving(model, *arguments)
    if "max_spare" in entry.options:  # more than it keeps in spare, so that it shrinks to that and stays there
        return serving(model, "--workers", str(clients + 6), *arguments)
    each_takes_one = MORE_CLIENTS_THAN_WORKERS in entry.cannot and "threads" not in entry.options
    return serving(model, "--workers", str(max(clients, 2) if each_takes_one else 2), *arguments)


def side_by_side(model: str, *clients: Callable[[], None]) -> None:
    """Let clients do what they do at the same time, or one after the other where a model serves one at a time.

    What a client raises is raised once all of them are done.
    """
    with ThreadPoolExecutor(len(clients) if is_concurrent(model) else 1) as threads:
        doings = [threads.submit(client) for client in clients]
    for doing in doings:
        doing.result()
