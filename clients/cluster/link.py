"""The way to a Dask scheduler and its workers: nothing waits for ever, and what fails is said in one line."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import warnings
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from distributed import Client, rpc

from clients.addresses import AddressError, parse_address
from clients.cluster.task import TOPIC, carry
from clients.process import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clients.addresses import Address
    from clients.cluster.task import Records

CONNECT_TIMEOUT = 8.0
ANSWER_TIMEOUT = 10.0  # of a question to the scheduler or to workers, the first of which has them import this package
_PATIENCE = 3.0  # with a worker that may be lost
RESULT_TIMEOUT = 120.0  # some hundred megabytes by way of the scheduler
_LARGEST_GREETING = 1 << 24


class Link:
    """A connection to a Dask scheduler, for one run of a load: a client of ours, and no words of Dask."""

    def __init__(self, client: Client, where: Address) -> None:
        self._client, self._where = client, where

    def workers(self) -> list[str]:
        """The addresses of the workers that the scheduler has now; LoadError where it does not answer."""
        try:
            return sorted(self._client.nthreads(callback_timeout=ANSWER_TIMEOUT))
        except Exception as error:
            raise LoadError(f"the Dask scheduler at {self._where} does not answer any more") from error

    def ask(
        self,
        workers: list[str],
        function: Callable[..., Any],
        *arguments: object,
        timeout: float = ANSWER_TIMEOUT,
    ) -> dict[str, Any]:
        """What `function(*arguments)` returns in each worker's process; LoadError where one is silent, or it raises."""
        try:
            answers: dict[str, Any] = self._client.run(
                function, *arguments, workers=workers, on_error="return", callback_timeout=timeout
            )
        except Exception as error:
            raise LoadError(f"no answer from {', '.join(workers)} by way of {self._where}") from error
        for worker, answer in answers.items():
            if isinstance(answer, Exception):
                words = _one_line(answer)  # in which Dask hides the error of a function that cannot be imported there
                lacks = "No module named" in words or "ImportError" in words
                raise LoadError(
                    f"the Dask worker {worker} {'lacks this serverlab' if lacks else 'does not do as asked'}: {words}"
                )
        return answers

    def try_to_ask(self, workers: list[str], function: Callable[..., Any], *arguments: object) -> None:
        """Ask those who are there, if any; who is not is found out elsewhere."""
        if workers:
            with suppress(LoadError):
                self.ask(workers, function, *arguments, timeout=_PATIENCE)

    def listen(self, hear: Callable[[dict[str, Any]], None]) -> None:
        """Call `hear`, in a thread of its own, with every word of every load process."""
        self._client.subscribe_topic(TOPIC, lambda event: hear(event[1]))

    def submit(self, run: str, number: int, worker: str, on_done: Callable[[], None]) -> Carried:
        """Have a part carried by that worker and no other, once; `on_done` is called in a thread of its own."""
        future = self._client.submit(
            carry,
            run,
            number,
            key=f"serverlab-{run}-{number}",
            workers=[worker],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        future.add_done_callback(lambda _: on_done())
        return Carried(future)


class Carried:
    """A part that a worker has been told to carry."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def done(self) -> bool:
        """Whether `records` has something to say."""
        return bool(self._future.done())

    def records(self) -> Records:
        """What was recorded; LoadError says why there is nothing."""
        try:
            records: Records = self._future.result(timeout=RESULT_TIMEOUT)
        except LoadError:
            raise
        except CancelledError as error:
            raise LoadError("the Dask scheduler is gone, or has given it up") from error
        except Exception as error:
            raise LoadError(f"its records did not come: {_one_line(error)}") from error
        return records

    def give_up(self) -> None:
        """Tell the scheduler, without waiting, that nobody wants the part any more, so that it is not begun again."""
        self._future.release()


@contextmanager
def link_to(scheduler: str) -> Iterator[Link]:
    """Connect to the scheduler at HOST:PORT or tcp://HOST:PORT; LoadError with one line where that cannot be."""
    where = scheduler_address(scheduler)
    _check_greeting(where)
    with _quiet():
        _check_kind(where)
        try:
            client = Client(f"tcp://{where}", timeout=CONNECT_TIMEOUT, set_as_default=False, name="serverlab")
        except Exception as error:
            raise LoadError(f"the Dask scheduler at {where} does not take us on: {_one_line(error)}") from error
        try:
            yield Link(client, where)
        finally:
            with suppress(Exception):  # it could only tell that the scheduler is gone
                client.close(timeout=2)


def scheduler_address(text: str) -> Address:
    """Read HOST:PORT or tcp://HOST:PORT; LoadError says what is wrong with anything else."""
    scheme, separator, rest = text.rpartition("://")
    if separator and scheme != "tcp":
        raise LoadError(f"a Dask scheduler is spoken to over tcp://, not {scheme}://")
    try:
        return parse_address(rest)
    except AddressError as error:
        raise LoadError(f"the scheduler: {error}") from None


def _check_greeting(where: Address) -> None:
    """See that a Dask scheduler speaks there: it does so first, and says how long its greeting is.

    Dask's own client believes any such number, and with that of a server of another kind it is busy for ever.
    """
    try:
        with socket.create_connection((where.host, where.port), CONNECT_TIMEOUT) as connection:
            greeting = connection.recv(8, socket.MSG_WAITALL)
    except TimeoutError:
        raise LoadError(f"no Dask scheduler answers at {where} (waited {CONNECT_TIMEOUT:g} s)") from None
    except ConnectionRefusedError:
        raise LoadError(f"no Dask scheduler listens at {where}") from None
    except OSError as error:
        raise LoadError(f"no way to a Dask scheduler at {where}: {error.strerror or error}") from None
    if len(greeting) < 8 or struct.unpack("<Q", greeting)[0] > _LARGEST_GREETING:
        raise LoadError(f"what answers at {where} is no Dask scheduler")


def _check_kind(where: Address) -> None:
    """See that it is a scheduler and not, for example, a worker, of which Dask's client complains at length."""

    async def identity() -> dict[str, Any]:
        async with rpc(f"tcp://{where}", timeout=CONNECT_TIMEOUT) as remote:
            told: dict[str, Any] = await asyncio.wait_for(remote.identity(), CONNECT_TIMEOUT)
            return told

    try:
        kind = asyncio.run(identity())["type"]
    except Exception as error:
        raise LoadError(f"the Dask scheduler at {where} does not take us on: {_one_line(error)}") from error
    if kind != "Scheduler":
        raise LoadError(f"what answers at {where} is no Dask scheduler but a {kind.lower()}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from writing on standard error: what matters of it is said in our words."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in {"distributed", "tornado"}]
    loggers = [logging.getLogger(name) for name in [*names, "asyncio"]]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
