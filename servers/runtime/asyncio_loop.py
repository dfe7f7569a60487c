"""Running one of asyncio's event loops to its end, with this server's answer to signals in place of asyncio's own."""

from __future__ import annotations

import asyncio
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from servers.runtime.lifecycle import Lifecycle

    Handlers = dict[signal.Signals, Any]


def run(
    loop: asyncio.AbstractEventLoop, until: asyncio.Future[None], lifecycle: Lifecycle, look: Callable[[], None]
) -> None:
    """Run `loop` until the future is done, then close it. Raise EndNow where the server was ended at once.

    `look` is called at the start and after each signal, between two steps of the loop. It looks at the lifecycle, and
    sees to it that the future is done where that is `ending`. Tasks that are left by then are cancelled.
    """
    lifecycle.hold()  # asyncio would swallow EndNow in whatever callback the signal comes
    handlers = handlers_of(lifecycle.signals())
    for number, handler in handlers.items():
        loop.add_signal_handler(number, look)  # which has the loop woken by signals
        signal.signal(number, handler)  # at once, for a computation looks whether the server is ending
    try:
        look()  # the signal may have come before there was a loop to tell
        loop.call_soon(look)  # or before it runs, from when on a signal wakes it
        loop.run_until_complete(until)
        loop.run_until_complete(let_all_go())
    finally:
        close(loop, handlers_of(lifecycle.signals()) if lifecycle.ending else handlers)
    lifecycle.release()


async def let_all_go() -> None:
    """Cancel the tasks that are left, and let the loop close the connections that were given up last."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)


def handlers_of(signals: tuple[signal.Signals, ...]) -> Handlers:
    """Return the handler of each signal."""
    return {number: signal.getsignal(number) for number in signals}


def close(loop: asyncio.AbstractEventLoop, handlers: Handlers) -> None:
    """Close the loop and leave these handlers behind: with those that it leaves, a signal would kill the process."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, handlers)
    loop.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
