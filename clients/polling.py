"""Waiting for events that end in time: epoll itself knows no less than a millisecond."""

from __future__ import annotations

import select


def poll_closely(epoll: select.epoll, seconds: float, most: int) -> list[tuple[int, int]]:
    """Poll for at most `most` events, and be back when `seconds` are over, to a few microseconds.

    `select` waits for the poller as exactly as the kernel can; its descriptor must be below 1024.
    """
    if seconds:
        select.select([epoll], [], [], seconds)
    return epoll.poll(0, most)
