"""How guests come in: from no connection to one that stands.

open -> connecting -> stands
     -> a Unix backlog that is full: knock again
     -> refused, or not connected in time: written down, and tried again after a pause
"""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import TYPE_CHECKING

from clients.connections import bind_source, source_of
from clients.course import SECOND_NS
from clients.failures import UnreachableError, detail_of, outcome_of
from clients.guests.tally import Ending
from clients.records import Outcome

if TYPE_CHECKING:
    from clients.addresses import Target
    from clients.guests.guest import Guest
    from clients.guests.guests import Guests
    from clients.spec import Spec

KNOCK_NS = 2_000_000  # before a full Unix backlog is tried again


class GuestEntrance:
    """The way in for some `guests`, whose doings go on once a connection stands."""

    def __init__(self, spec: Spec, guests: Guests) -> None:
        self._guests = guests
        self._targets, self._target, self._sources = spec.targets, spec.targets[0], spec.sources
        self._timeout, self._timeout_ns = spec.timeout, int(spec.timeout * SECOND_NS)

    def come_first(self, guest: Guest) -> None:
        """Try the server's addresses in order; the first that answers is everybody's. Raises UnreachableError."""
        failure = UnreachableError(Outcome.UNREACHABLE, "it has no address")
        for target in self._targets:
            began_ns = time.monotonic_ns()
            endpoint = socket.socket(target.family, socket.SOCK_STREAM)
            try:
                self._set_up(endpoint, target, guest)
                endpoint.settimeout(self._timeout)
                endpoint.connect(target.address)
            except OSError as error:
                endpoint.close()
                failure = UnreachableError(outcome_of(error), detail_of(error))
                continue
            endpoint.setblocking(False)
            self._target = target
            self._guests.adopt(guest, endpoint, began_ns)
            self._stands(guest, time.monotonic_ns())
            return
        raise failure

    def come(self, guest: Guest, now: int) -> None:
        """Begin to connect."""
        endpoint = socket.socket(self._target.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._set_up(endpoint, self._target, guest)
        except OSError as error:
            endpoint.close()
            self.kept_out(guest, outcome_of(error), now)
            return
        code = endpoint.connect_ex(self._target.address)
        if code in {0, errno.EINPROGRESS}:
            self._guests.adopt(guest, endpoint, guest.knocking_ns or now)
            guest.knocking_ns = 0
            self._guests.expect_by(guest, now + self._timeout_ns)
            self._guests.watch(guest)
            return
        endpoint.close()
        if code == errno.EAGAIN and self._target.family == socket.AF_UNIX:
            self._knock_again(guest, now)
        else:
            self.kept_out(guest, outcome_of(OSError(code, os.strerror(code))), now)

    def _knock_again(self, guest: Guest, now: int) -> None:
        """Have a guest wait for a place in a full Unix backlog as long as it would with TCP."""
        guest.knocking_ns = guest.knocking_ns or now
        if now - guest.knocking_ns < self._timeout_ns:
            self._guests.sleep(guest, now + KNOCK_NS)
        else:
            self.kept_out(guest, Outcome.CONNECT_TIMEOUT, now)

    def see_connected(self, guest: Guest, now: int) -> None:
        """See how a connect that was in progress has ended, and go on if it stands."""
        assert guest.endpoint is not None
        code = guest.endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not code:
            self._stands(guest, now)
        elif code == errno.ECONNRESET:  # it stood, if not for long: who may not connect at all is refused
            self._write_down(guest, now)
            self._guests.end(guest, Ending.RESET, now)
        else:
            self._guests.let_go(guest)
            self.kept_out(guest, outcome_of(OSError(code, os.strerror(code))), now)

    def _stands(self, guest: Guest, now: int) -> None:
        self._write_down(guest, now)
        self._guests.welcome(guest, now)

    def _write_down(self, guest: Guest, now: int) -> None:
        guest.connected_ns = now
        guest.tally.opened += 1
        guest.tally.connect.add((now - guest.began_ns) / SECOND_NS)

    def _set_up(self, endpoint: socket.socket, target: Target, guest: Guest) -> None:
        """Choose the address to connect from, where there is a choice. Raises OSError."""
        if target.family != socket.AF_UNIX:
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source := source_of(self._sources, target, guest.number):
            bind_source(endpoint, source)

    def kept_out(self, guest: Guest, outcome: Outcome, now: int) -> None:
        """Write down that a guest did not come in; it tries again, also one that would come only once."""
        guest.knocking_ns = 0
        if outcome == Outcome.REFUSED:
            guest.tally.refused += 1
        else:
            guest.tally.fail(outcome.kind)
        self._guests.come_back(guest, now)
