"""`serverlab talk --udp`: a line goes out as a datagram, whatever datagram comes is printed as a line.

stdin --a line, without its newline--> a datagram      nothing says that it arrived: where no answer comes within the
stdout <--a datagram, as a line------- server          timeout, that is said, and the next line may go out

A datagram has an end of its own, so the newline stays here. An answer that comes late is printed when it comes.
The end of the input ends the conversation as soon as the last line is answered, or given up.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from typing import TYPE_CHECKING, Self

from clients.datagram_lines import LARGEST_DATAGRAM
from clients.failures import detail_of
from clients.terminal import INPUT, TalkError, read_input, write_all

if TYPE_CHECKING:
    from clients.addresses import Address, Target

CHUNK_BYTES = 64 * 1024


class DatagramConversation:
    """Lines out, datagrams back. A context manager: on the way out its socket is closed.

    A refusal by an address that has never answered has the line sent to the next of `targets`.
    """

    def __init__(self, address: Address, targets: list[Target], timeout: float) -> None:
        self._address, self._timeout = address, timeout
        self._targets = targets
        self._endpoint = self._connect()
        self._heard = b""
        self._input_open = True
        self._said = b""
        self._deadline = 0.0  # by which the last line must be answered, 0 once it is
        self._lines = self._answers = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._endpoint.close()

    @property
    def ok(self) -> bool:
        """Whether something was answered, if anything was asked."""
        return self._answers > 0 or not self._lines

    def run(self) -> None:
        """Carry lines and datagrams until the input ends; TalkError where nobody listens."""
        while self._deadline or self._heard or self._input_open:
            if not self._deadline and self._say_next():
                continue
            ready = self._poll()
            if self._endpoint.fileno() in ready:
                self._receive()
            if INPUT in ready:
                self._read_input()
            if self._deadline and time.monotonic() >= self._deadline:
                self._give_up()

    def _poll(self) -> set[int]:
        """Wait for an answer; for the next line too, where none is owed."""
        poller = select.poll()
        poller.register(self._endpoint, select.POLLIN)
        if not self._deadline and self._input_open:
            poller.register(INPUT, select.POLLIN)
        left = max(0.0, self._deadline - time.monotonic()) * 1000 + 1 if self._deadline else None
        return {fd for fd, _ in poller.poll(left)}

    def _read_input(self) -> None:
        data = read_input(CHUNK_BYTES)
        self._heard += data
        self._input_open = bool(data)

    def _say_next(self) -> bool:
        """Send the next line that is whole, or the last one without its newline; return whether there was one."""
        line, newline, rest = self._heard.partition(b"\n")
        if not newline and (self._input_open or not line):
            return False
        self._heard = rest
        if len(line) > LARGEST_DATAGRAM:
            raise TalkError(f"a datagram holds at most {LARGEST_DATAGRAM} bytes, and this line has {len(line)}")
        self._lines += 1
        self._say(line)
        return True

    def _say(self, line: bytes) -> None:
        self._said = line
        self._deadline = time.monotonic() + self._timeout
        try:
            self._endpoint.send(line)
        except OSError as error:
            self._broke(error)

    def _receive(self) -> None:
        try:
            data = self._endpoint.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._broke(error)
            return
        self._answers += 1
        self._deadline = 0.0
        write_all(data if data.endswith(b"\n") else data + b"\n")

    def _broke(self, error: OSError) -> None:
        """Try the next address where nobody listens at this; TalkError where there is none, or something else broke."""
        if not isinstance(error, ConnectionRefusedError):
            raise TalkError(f"cannot talk to {self._address}: {detail_of(error)}") from None
        if self._answers or not self._targets:
            raise TalkError(f"nobody listens at {self._address}") from None
        self._endpoint.close()
        self._endpoint = self._connect()
        self._say(self._said)

    def _connect(self) -> socket.socket:
        target, *self._targets = self._targets
        endpoint = socket.socket(target.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            endpoint.connect(target.address)
        except OSError as error:
            endpoint.close()
            if self._targets:
                return self._connect()
            raise TalkError(f"cannot talk to {self._address}: {detail_of(error)}") from None
        return endpoint

    def _give_up(self) -> None:
        self._deadline = 0.0
        print(f"serverlab talk: no answer in {self._timeout:g} s", file=sys.stderr)
