"""The times of a run, and the window of it in which figures are taken, told to the caller as they come about."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING

from clients.course import SECOND_NS
from clients.events import Listener, Progress, WindowClosed, WindowNear, WindowOpened

if TYPE_CHECKING:
    from collections.abc import Collection

    from clients.plan import LoadPlan
    from clients.process import Told

_PROGRESS_NS = 200_000_000
_NEAR_NS = 50_000_000  # time to look at some hundred processes


class Window:
    """The window of a run whose `parts` start at `start_ns`; `on_event` is told from `tell`. All in one clock."""

    def __init__(self, plan: LoadPlan, start_ns: int, parts: Collection[Told], on_event: Listener) -> None:
        self.start_ns = start_ns
        self._parts, self._on_event = parts, on_event
        self._warm_ns = start_ns + int(plan.warmup_seconds * SECOND_NS)
        self._end_ns = None if plan.requests is not None else start_ns + int(plan.duration * SECOND_NS)
        self._progress_ns = start_ns + _PROGRESS_NS
        self._near_ns = self._warm_ns - min(_NEAR_NS, (self._warm_ns - start_ns) // 2)
        self._near = self._opened = False
        self._closed_ns: int | None = None

    def times(self, offset_ns: int = 0) -> dict[str, int | None]:
        """What a load process is told, whose clock is `offset_ns` before the one here."""
        end_ns = None if self._end_ns is None else self._end_ns + offset_ns
        return {"start_ns": self.start_ns + offset_ns, "warm_ns": self._warm_ns + offset_ns, "end_ns": end_ns}

    def seconds_to_next(self) -> float:
        """How long until there is something to tell, whatever the parts say; at least 0."""
        moments = [self._progress_ns]
        if not self._near:
            moments.append(self._near_ns)
        if not self._opened:
            moments.append(self._warm_ns)
        if self._closed_ns is None and self._end_ns is not None:
            moments.append(self._end_ns)
        return max(0, min(moments) - time.monotonic_ns()) / SECOND_NS

    def tell(self) -> bool:
        """Tell the caller what has come about by now; returns whether the window closed just now."""
        now = time.monotonic_ns()
        closed = self._closed_ns is None and self._is_over(now)
        if not self._near and now >= self._near_ns:
            self._near = True
            if now < self._warm_ns and not closed:
                self._on_event(WindowNear(now))
                now = time.monotonic_ns()
        if not self._opened and (closed or now >= self._warm_ns):
            self._opened = True
            self._on_event(WindowOpened(min(now, self._warm_ns)))
        if closed:
            self._closed_ns = now if self._end_ns is None else min(now, self._end_ns)
            self._on_event(WindowClosed(self._closed_ns))
        if now >= self._progress_ns:
            self._progress_ns = now + _PROGRESS_NS
            completed = sum(part.completed for part in self._parts)
            errors = sum(part.errors for part in self._parts)
            recent = tuple(chain.from_iterable(chain.from_iterable(part.recent for part in self._parts)))
            left = None if self._end_ns is None else max(0.0, (self._end_ns - now) / SECOND_NS)
            self._on_event(Progress((now - self.start_ns) / SECOND_NS, completed, errors, recent, left))
        return closed

    def bounds(self) -> tuple[int, int]:
        """When it opened and closed, once all parts have finished; empty where that was in the warm-up."""
        self.tell()
        assert self._closed_ns is not None
        return min(self._warm_ns, self._closed_ns), self._closed_ns

    def _is_over(self, now: int) -> bool:
        if self._end_ns is not None and now >= self._end_ns:
            return True
        return all(part.finished for part in self._parts if part.asks)
