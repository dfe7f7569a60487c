"""The awaiting driver: one client's conversation as the blocking driver has it, with an ``await`` at each of its waits.

Linear code over non-blocking sockets: at each ``await`` that must wait, a scheduler of tasks goes on with another
client. Which scheduler that is, the driver does not know; see `servers.runtime.tasks` for what it asks of one.

No wait has a timer of its own, which would cost more than the wait: a conversation notes until when its client has
time, and one task for all of them looks who is late (`servers.runtime.tasks.Deadlines`).
"""

from __future__ import annotations

from contextlib import suppress
from math import inf
from socket import SHUT_RD, SHUT_WR
from time import monotonic

from servers.protocols.effects import Close, Compute, Sleep
from servers.runtime.compute import burn
from servers.runtime.errors import HungUp
from servers.runtime.hanging_up import discard_what_arrived, reset_on_close
from servers.runtime.limits import DRAIN_PATIENCE, LINGER
from servers.runtime.messages import report_bug
from servers.runtime.pollers import READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from ssl import SSLContext

    from servers.protocols.effects import Effects
    from servers.runtime.service import Service
    from servers.runtime.tasks import Deadlines, Scheduler
    from servers.runtime.tls import Tls


class Conversation:
    """One client's conversation over a non-blocking socket; its task is `run`.

    The client has until `late_at`, in monotonic time, for what is awaited of it.
    """

    __slots__ = (
        "_begun",
        "_client_ended",
        "_connection",
        "_deadlines",
        "_descriptor",
        "_is_late",
        "_listens",
        "_requests_sent",
        "_requests_then",
        "_scheduler",
        "_service",
        "_session",
        "_too_late",
        "_write_began",
        "bytes_in",
        "bytes_out",
        "error",
        "late_at",
    )

    def __init__(self, connection: socket, service: Service, scheduler: Scheduler, deadlines: Deadlines) -> None:
        self._connection: socket | Tls = connection
        self._descriptor = connection.fileno()
        self._service = service
        self._scheduler = scheduler
        self._deadlines = deadlines
        self._session = service.session()
        self._listens = False  # waiting for what the client says, with nothing owed to it
        self._client_ended = False
        self._begun = 0.0  # when the request began that has not arrived whole; 0 where there is none
        self._requests_then = 0  # how many were answered by then
        self._write_began = 0.0  # when the client first did not take an answer at once; 0 where it did
        self._requests_sent = 0  # how many had been answered by then
        self._is_late = False
        self._too_late = ""  # the kind of error that being late is
        self.late_at = inf
        self.bytes_in = 0
        self.bytes_out = 0
        self.error = ""

    @property
    def requests(self) -> int:
        """How many requests have been answered."""
        return self._session.requests

    async def run(self) -> None:
        """Serve the client to the end, close its connection, and count what it came to."""
        self._service.conversations.add(self)
        try:
            await self._converse()
        except HungUp as reason:
            self.error = str(reason)
            self._give_up()
        except OSError:
            # The client vanished, which is ordinary; something was lost only if it was begun or owed.
            self.error = "" if self._listens and not self._session.pending else "reset"
        except Exception:
            report_bug()
            self.error = "handler"
        except BaseException:  # EndNow, or what the scheduler cancels a task with
            self.error = "cut-off"
            raise
        finally:
            self._scheduler.let_go(self._descriptor)
            self._connection.close()
            self._service.finish(self)

    def drain(self) -> None:
        """Let the conversation end when nothing is in flight: what has arrived is answered, nothing more is awaited.

        To be called between two steps of the scheduler.
        """
        if self._listens and not self._session.pending:
            with suppress(OSError):  # the client may have reset the connection
                self._connection.shutdown(SHUT_RD)

    def expire(self) -> None:
        """End the wait for a client that is late, which ends the conversation."""
        self._is_late = True
        self._scheduler.let_go(self._descriptor)

    async def _converse(self) -> None:
        session, lifecycle = self._session, self._service.lifecycle
        if self._service.tls:
            await self._shake_hands(self._service.tls)
        going_on = await self._perform(session.started())
        while going_on:
            data = await self._listen()
            if not data:
                self._client_ended = True
                await self._perform(session.ended())
                return
            self.bytes_in += len(data)
            going_on = await self._perform(session.received(data))
            if lifecycle.stopping:
                self._listens = True
                self.drain()

    async def _listen(self) -> bytes:
        """Wait for what the client says; empty where it says no more."""
        self._listens = True
        self._set_deadline()
        data = await self._receive(self._service.settings.receive_size)
        self._listens = False
        return data

    def _set_deadline(self) -> None:
        """Give a request that is not whole yet its own time from its first byte, however many pieces it comes in."""
        session, settings = self._session, self._service.settings
        if session.pending:
            if not self._begun or session.requests != self._requests_then:
                self._begun, self._requests_then = monotonic(), session.requests
            self._stay(self._begun + settings.request_timeout, "request-timeout")
            return
        self._begun = 0.0
        if self._service.lifecycle.stopping:
            self._stay(monotonic() + DRAIN_PATIENCE, "")  # it comes from the accept queue, and may have nothing to say
        else:
            self._stay(monotonic() + settings.idle_timeout, "idle-timeout")

    def _stay(self, until: float, too_late: str) -> None:
        self.late_at, self._too_late = until, too_late
        if until < self._deadlines.look_at:
            self._deadlines.expect(until)

    async def _receive(self, size: int) -> bytes:
        while True:
            await self._scheduler.wait_readable(self._descriptor)
            if self._is_late:
                raise HungUp(self._too_late)
            try:
                return self._connection.recv(size)
            except BlockingIOError:
                pass  # the readiness was a false alarm, or what came is not yet a whole record of TLS

    async def _shake_hands(self, context: SSLContext) -> None:
        """Speak TLS from here on; in this client's own task, so that nobody waits for it."""
        from servers.runtime.tls import Tls  # noqa: PLC0415  only a server that speaks it pays for it

        self._stay(monotonic() + self._service.settings.handshake_timeout, "handshake-timeout")
        try:
            secured = Tls(self._connection, context)  # type: ignore[arg-type]  # a socket until now
            self._connection = secured
            while awaited := secured.shake_hands():
                ready = self._scheduler.wait_readable if awaited == READ else self._scheduler.wait_writable
                await ready(self._descriptor)
                if self._is_late:
                    raise HungUp(self._too_late)
        except OSError:
            raise HungUp("handshake") from None

    async def _perform(self, effects: Effects) -> bool:
        """Carry out `effects` in order; False once the server has hung up."""
        computed = False
        for effect in effects:
            match effect:
                case bytes():
                    # Written flat: nearly every answer is sent at once, and a call would cost 50 ns.
                    try:
                        sent = self._connection.send(effect)
                    except BlockingIOError:
                        sent = 0
                    self.bytes_out += sent
                    if sent < len(effect):
                        await self._send_rest(memoryview(effect)[sent:])
                case Sleep(seconds):
                    await self._sleep(seconds)
                case Compute(seconds):
                    if computed:  # the next computation of this client comes after those of the others
                        await self._sleep(0.0)
                    computed = True
                    burn(seconds, self._service.lifecycle)
                    if self._service.lifecycle.ending:
                        await self._scheduler.sleep(LINGER)  # which is about to end, and this task with it
                case Close(error):
                    self.error = error
                    await self._linger()
                    return False
        return True

    async def _sleep(self, seconds: float) -> None:
        self.late_at = inf  # nothing is awaited of the client
        await self._scheduler.sleep(seconds)

    async def _send_rest(self, rest: memoryview) -> None:
        """Go on with an answer that the client does not take at once, as long as its time is not up."""
        if not self._write_began or self.requests != self._requests_sent:
            self._write_began, self._requests_sent = monotonic(), self.requests
        self._stay(self._write_began + self._service.settings.request_timeout, "write-timeout")
        while rest:
            await self._scheduler.wait_writable(self._descriptor)
            if self._is_late:
                reset_on_close(self._connection)
                raise HungUp(self._too_late)
            with suppress(BlockingIOError):
                sent = self._connection.send(rest)
                self.bytes_out += sent
                rest = rest[sent:]

    def _give_up(self) -> None:
        """Say no more to a client whose time is up, and see to it that the close is no reset."""
        with suppress(OSError):
            self._connection.shutdown(SHUT_WR)
            discard_what_arrived(self._connection)

    async def _linger(self) -> None:
        """Hang up so that the last answer arrives whole: closing with unread input would reset the connection."""
        if self._client_ended:
            return
        with suppress(OSError, HungUp):  # the client has gone, or goes on for too long
            self._connection.shutdown(SHUT_WR)
            self._stay(monotonic() + LINGER, self.error)
            while await self._receive(65536):
                pass
