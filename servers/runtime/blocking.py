"""The blocking driver: one client's conversation from greeting to goodbye, in whatever thread or process calls it.

The thread waits inside ``recv`` and ``send``, and in ``sleep`` where the session asks for it. Deadlines are the
kernel's own (SO_RCVTIMEO, SO_SNDTIMEO): a Python timeout would poll before every call, a second system call per
request.
"""

from __future__ import annotations

from contextlib import suppress
from socket import SHUT_RD, SHUT_WR, SO_RCVTIMEO, SOL_SOCKET, socket
from time import monotonic

from servers.protocols.effects import Close, Compute, Sleep
from servers.runtime.errors import EndNow, HungUp
from servers.runtime.hanging_up import discard_what_arrived, reset_on_close
from servers.runtime.limits import ACCEPT_WAIT, LINGER, SEND_WAIT
from servers.runtime.listener import timeval
from servers.runtime.messages import report_bug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext

    from servers.protocols.effects import Effects
    from servers.runtime.service import Service
    from servers.runtime.wrapped import Wrapped


def converse(connection: socket | Wrapped, service: Service) -> None:
    """Serve one client until it, the session or the server hangs up; whatever it does, only this conversation ends."""
    Conversation(connection, service).run()


def wait_at_most(connection: socket | Wrapped, seconds: float) -> None:
    """Have `recv` raise BlockingIOError when nothing has come for so long."""
    if isinstance(connection, socket):
        connection.setsockopt(SOL_SOCKET, SO_RCVTIMEO, timeval(seconds))
    else:
        connection.wait_at_most(seconds)


class Conversation:
    """One client's conversation over a blocking socket."""

    __slots__ = (
        "_busy",
        "_connection",
        "_deadline",
        "_requests_sent",
        "_requests_then",
        "_send_deadline",
        "_service",
        "_session",
        "_waits_as_accepted",
        "bytes_in",
        "bytes_out",
        "error",
    )

    def __init__(self, connection: socket | Wrapped, service: Service) -> None:
        self._connection = connection
        self._service = service
        self._session = service.session()
        self._deadline = 0.0  # of the request that has begun to arrive; 0 where there is none
        self._requests_then = 0  # how many were answered when that deadline was set
        self._waits_as_accepted = True  # with the listener's SO_RCVTIMEO
        self._send_deadline = 0.0  # of the answer that the client does not take at once; 0 where there was none
        self._requests_sent = 0  # how many had been answered when that deadline was set
        self._busy = True  # not waiting for the client: what arrived last may not be answered yet
        self.bytes_in = 0
        self.bytes_out = 0
        self.error = ""

    @property
    def requests(self) -> int:
        """How many requests have been answered."""
        return self._session.requests

    def run(self) -> None:
        """Serve the client to the end, close its connection, and count what it came to."""
        going_on = self.begin()
        while going_on:
            going_on = self.exchange()

    def begin(self) -> bool:
        """Greet the client; false where the conversation is over by then."""
        self._service.conversations.add(self)
        return self._step(self._greet)

    def exchange(self) -> bool:
        """Wait for what the client says and answer it; false where the conversation is over by then."""
        return self._step(self._listen_and_answer)

    def drain(self) -> None:
        """Let the conversation end when nothing is in flight: what has arrived is answered, nothing more is awaited.

        Called by a signal handler of the main thread, while the conversation may be blocked in another.
        """
        if not self._busy and not self._session.pending:
            with suppress(OSError):  # it may have ended this moment
                self._connection.shutdown(SHUT_RD)

    def _step(self, action: Callable[[], bool]) -> bool:
        """Take one step; where it was the last one, count the conversation, close the connection and return False."""
        going_on = False
        try:
            going_on = action()
        except HungUp as reason:
            self.error = str(reason)
            self._give_up()
        except OSError:
            # The client vanished, which is ordinary; something was lost only if it was begun or owed.
            self.error = "reset" if self._busy or self._session.pending else ""
        except EndNow:
            self.error = "cut-off"
            raise
        except Exception:
            report_bug()
            self.error = "handler"
        finally:
            if not going_on:
                self._service.finish(self)
                self._connection.close()
        return going_on

    def _greet(self) -> bool:
        if self._service.tls:
            self._shake_hands(self._service.tls)
        going_on = self._perform(self._session.started())
        self._busy = False
        return going_on

    def _listen_and_answer(self) -> bool:
        session = self._session
        data = self._receive()
        self._busy = True
        if not data:
            self._perform(session.ended())
            return False
        self.bytes_in += len(data)
        going_on = self._perform(session.received(data))
        if session.pending or self._deadline:
            self._watch_deadline()
        self._busy = False  # before the look: whoever finds us busy has set `stopping` already
        if self._service.lifecycle.stopping:
            self.drain()
        return going_on

    def _shake_hands(self, context: SSLContext) -> None:
        """Speak TLS from here on; in whatever thread or process serves this client, so that nobody waits for it."""
        from servers.runtime.tls import BlockingTls  # noqa: PLC0415  only a server that speaks it pays for it

        assert isinstance(self._connection, socket)
        try:
            self._connection = secured = BlockingTls(self._connection, context)
        except OSError:
            raise HungUp("handshake") from None  # the client has gone already
        if error := secured.handshake(self._service.settings.handshake_timeout):
            raise HungUp(error)

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(self._service.settings.receive_size)
        except BlockingIOError:
            return self._receive_late()

    def _receive_late(self) -> bytes:
        """Decide what it means that nothing has come in time."""
        if self._service.lifecycle.stopping and not self._session.pending:
            return b""  # it waited in the accept queue and has nothing to say
        if self._waits_as_accepted:
            # Most clients speak at once; only for one that does not is a system call spent on its own deadline.
            idle_timeout = self._service.settings.idle_timeout
            self._wait_at_most(idle_timeout - ACCEPT_WAIT)
            data = self._receive()
            self._wait_at_most(idle_timeout)
            return data
        raise HungUp("request-timeout" if self._session.pending else "idle-timeout")

    def _wait_at_most(self, seconds: float) -> None:
        self._waits_as_accepted = False
        wait_at_most(self._connection, seconds)

    def _perform(self, effects: Effects) -> bool:
        """Carry out `effects` in order; False once the server has hung up."""
        for effect in effects:
            match effect:
                case bytes():
                    self._send(effect)
                case Sleep(seconds):
                    self._service.sleep(seconds)
                case Compute(seconds):
                    self._service.compute(seconds)
                case Close(error):
                    self.error = error
                    return self._linger()
        return True

    def _send(self, data: bytes) -> None:
        try:
            sent = self._connection.send(data)
        except BlockingIOError:
            sent = 0
        self.bytes_out += sent
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, rest: memoryview) -> None:
        """Go on with an answer that the client does not take at once, as long as its time is not up."""
        if not self._send_deadline or self.requests != self._requests_sent:
            self._send_deadline = monotonic() - SEND_WAIT + self._service.settings.request_timeout
            self._requests_sent = self.requests
        while rest:
            if monotonic() >= self._send_deadline:
                reset_on_close(self._connection)
                raise HungUp("write-timeout")
            with suppress(BlockingIOError):
                sent = self._connection.send(rest)
                self.bytes_out += sent
                rest = rest[sent:]

    def _watch_deadline(self) -> None:
        """Give a request that is not whole yet what is left of its time, however many pieces it comes in."""
        settings = self._service.settings
        if not self._session.pending:
            self._deadline, left = 0.0, settings.idle_timeout
        else:
            now = monotonic()
            if not self._deadline or self._session.requests != self._requests_then:
                self._deadline = now + settings.request_timeout
                self._requests_then = self._session.requests
            left = self._deadline - now
            if left <= 0:
                raise HungUp("request-timeout")
        self._wait_at_most(left)

    def _give_up(self) -> None:
        """Say no more to a client whose time is up, and see to it that the close is no reset."""
        with suppress(OSError):
            self._connection.shutdown(SHUT_WR)
            discard_what_arrived(self._connection)

    def _linger(self) -> bool:
        """Hang up so that the last answer arrives whole: closing with unread input would reset the connection.

        False, like the steps above: the conversation is over then.
        """
        deadline = monotonic() + LINGER
        with suppress(OSError):  # the client has gone, or goes on for too long
            self._connection.shutdown(SHUT_WR)
            wait_at_most(self._connection, LINGER)
            while monotonic() < deadline and self._connection.recv(65536):
                pass
        return False
