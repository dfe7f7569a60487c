"""The guests of a load process: clients that hold, disturb or attack a server, and are no measured requests.

`entrance` -> `visits` -> gone, closed or reset by the server or by itself
              -> after a pause, or at the next second: `entrance`, unless the kind comes only once

They have a process of their own, so that they take no time from those who measure. Polling is level-triggered here:
there are few events, and a guest that does not read must be told of nothing but the server's end.
"""

from __future__ import annotations

import heapq
import select
from typing import TYPE_CHECKING

from clients.conversations import GREETINGS
from clients.course import SECOND_NS
from clients.guests.entrance import GuestEntrance
from clients.guests.guest import Guest
from clients.guests.hostile import HOLD, KINDS
from clients.guests.tally import Ending, Tally
from clients.guests.visits import GuestVisits
from clients.ledger import Ledger
from clients.records import Outcome

if TYPE_CHECKING:
    import socket

    from clients.spec import Spec

PAUSE_NS = 50_000_000  # between two visits of a guest: short, yet what one guest does is no flood
_READING = select.EPOLLIN | select.EPOLLRDHUP


class Guests:
    """All guests of a load process (a `course.Clients`), in `tallies` by kind.

    They stay until the course is over: `busy` tells no less, and `idle` that nobody waits for what they do. What is an
    error of the run is in the ledger, too.
    """

    busy = idle = True
    area_ns = 0  # of measured requests, in flight

    def __init__(self, spec: Spec) -> None:
        self.ledger = Ledger()
        self.epoll = select.epoll()
        self.paused: list[tuple[int, int]] = []
        self.tallies: dict[str, Tally] = {}
        for name, count in ((HOLD, spec.hold), *spec.hostile):
            if count:
                self.tallies.setdefault(name, Tally(greets=spec.protocol in GREETINGS)).clients += count
        names = [name for name, tally in self.tallies.items() for _ in range(tally.clients)]
        self.all = [Guest(number, name, KINDS[name], self.tallies[name]) for number, name in enumerate(names)]
        self._owner: dict[int, Guest] = {}
        self.entrance = GuestEntrance(spec, self)
        self.visits = GuestVisits(spec, self)
        # Until when a guest must be connected or answered. All have the same time, so the first is due first.
        self._deadlines: dict[Guest, int] = {}
        self._timeout = spec.timeout
        self._start_ns = 0
        self._ending = False

    def start(self, now: int) -> None:
        """Begin the run: who is there goes on, and everybody else comes."""
        self._start_ns = now
        for guest in self.all:
            if guest.connected_ns:
                self.visits.begin(guest, now)
            elif guest.endpoint is None and not guest.wake_ns and not guest.visits:
                self.entrance.come(guest, now)

    def pending(self) -> int:
        """How many are on their way in, before the run."""
        return len(self._deadlines) + len(self.paused)

    # Moments

    def sleep(self, guest: Guest, until_ns: int) -> None:
        """Have a guest wait until then."""
        guest.wake_ns = until_ns
        heapq.heappush(self.paused, (until_ns, guest.number))

    def expect_by(self, guest: Guest, until_ns: int) -> None:
        """Give up what a guest expects if it has not come by then."""
        self._deadlines[guest] = until_ns

    def expect_nothing(self, guest: Guest) -> None:
        """What a guest expected has come, or will not any more."""
        self._deadlines.pop(guest, None)

    def resume(self, now: int) -> None:
        """Wake those whose time has come; one whose visit ended meanwhile waits for another time by now."""
        while self.paused and self.paused[0][0] <= now:
            until_ns, number = heapq.heappop(self.paused)
            guest = self.all[number]
            if guest.wake_ns != until_ns:
                continue
            guest.wake_ns = 0
            if guest.endpoint is None:
                self.entrance.come(guest, now)
            else:
                self.visits.go_on(guest, now)

    def time_out(self, now: int) -> None:
        """Give up what has taken longer than the timeout."""
        while self._deadlines:
            guest, until_ns = next(iter(self._deadlines.items()))
            if until_ns > now:
                return
            if guest.connected_ns:
                self.visits.miss(guest, Outcome.TIMEOUT, f"in {self._timeout:g} s came {guest.so_far()}")
                self.end(guest, Ending.LEFT, now)
            else:
                self.let_go(guest)
                self.entrance.kept_out(guest, Outcome.CONNECT_TIMEOUT, now)

    # Connections

    def welcome(self, guest: Guest, now: int) -> None:
        """A guest's connection stands: its script begins with the run."""
        self.expect_nothing(guest)
        self.watch(guest)
        if self._start_ns:
            self.visits.begin(guest, now)

    def notice(self, fd: int, event: int, now: int) -> None:
        """See to what happened on a connection."""
        guest = self._owner[fd]
        if guest.connected_ns:
            self.visits.notice(guest, event, now)
        else:
            self.entrance.see_connected(guest, now)

    def adopt(self, guest: Guest, endpoint: socket.socket, began_ns: int) -> None:
        """Give a guest its socket."""
        guest.arrive(endpoint, began_ns)
        self._owner[endpoint.fileno()] = guest

    def watch(self, guest: Guest) -> None:
        """Have the poller tell of what the guest is ready for."""
        assert guest.endpoint is not None
        sending = guest.unsent is not None or not guest.connected_ns
        interest = (select.EPOLLRDHUP if guest.deaf else _READING) | (select.EPOLLOUT if sending else 0)
        if guest.interest == interest:
            return
        if guest.interest:
            self.epoll.modify(guest.endpoint, interest)
        else:
            self.epoll.register(guest.endpoint, interest)
        guest.interest = interest

    def end(self, guest: Guest, ending: Ending, now: int) -> None:
        """Write down how a visit ended, and hang up."""
        guest.tally.end(ending, (now - guest.connected_ns) / SECOND_NS, guest.said)
        guest.visits += 1
        self.let_go(guest)
        if guest.kind.comes_again:
            self.come_back(guest, now)

    def let_go(self, guest: Guest) -> None:
        """Close a guest's connection."""
        assert guest.endpoint is not None
        self.expect_nothing(guest)
        if guest.interest:
            self.epoll.unregister(guest.endpoint)  # closing does it only where no fork of this process has the socket
        del self._owner[guest.endpoint.fileno()]
        guest.endpoint.close()
        guest.arrive(None, 0)

    def come_back(self, guest: Guest, now: int) -> None:
        """Let a guest come again: after a pause, and those that come together at the next of their moments."""
        if self._ending:
            return
        until_ns = now + PAUSE_NS
        if guest.kind.every is not None and self._start_ns:
            until_ns += (self._start_ns - until_ns) % int(guest.kind.every * SECOND_NS)
        self.sleep(guest, until_ns)

    def ask_no_more(self) -> None:
        """Let nobody come any more."""
        self._ending = True
        for guest in self.all:
            if guest.endpoint is None:
                guest.wake_ns = 0

    def close_all(self, now: int) -> None:
        """Write down who is still connected, and close everything."""
        self._ending = True
        for guest in list(self._owner.values()):
            if guest.connected_ns:
                self.end(guest, Ending.OPEN, now)
            else:
                self.let_go(guest)
        self.epoll.close()
