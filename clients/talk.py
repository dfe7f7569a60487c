"""`serverlab talk`: the interactive client of the teaching texts. A line goes out, the answer is printed.

    stdin --lines--> server        end of input half-closes, so the server learns that no more will come,
    stdout <--bytes- server        and what it still owes is printed before the end

Both directions are watched at a time. The client of the texts, which sends all and then receives, deadlocks
as soon as both sides wait for the other to read; and one that waits for a line after each line never shows an
answer without one.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from typing import TYPE_CHECKING

from clients.addresses import Address, AddressError
from clients.arguments import Parser, add_address, address_of, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

INPUT, OUTPUT = 0, 1
CHUNK_BYTES = 64 * 1024
# A terminal gets an end of line when an answer without one (as those of `work`) has paused for so long.
QUIET_MS = 200
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class TalkError(RuntimeError):
    """The conversation did not come to an orderly end; the message is one line for the user."""


def connect(address: Address, timeout: float) -> socket.socket:
    """Connect to the first address of `address` that lets us; TalkError says why none did."""
    failure: OSError | None = None
    for target in address.resolve():
        endpoint = socket.socket(target.family, socket.SOCK_STREAM)
        try:
            endpoint.settimeout(timeout)
            endpoint.connect(target.address)
        except OSError as error:
            endpoint.close()
            failure = error
            continue
        endpoint.setblocking(False)
        return endpoint
    if fault := address.fault():
        raise TalkError(f"cannot connect to {address}: {fault}")
    if isinstance(failure, ConnectionRefusedError):
        raise TalkError(f"nobody listens at {address}")
    raise TalkError(f"cannot connect to {address}: {failure.strerror if failure and failure.strerror else failure}")


class Conversation:
    """Standard input to the server, the server to standard output, until both have ended."""

    def __init__(self, endpoint: socket.socket) -> None:
        self._endpoint = endpoint
        self._unsent = b""
        self._input_open = self._server_open = self._sending = True
        self._terminal = os.isatty(OUTPUT)
        self._line_open = False

    def run(self) -> None:
        """Carry bytes both ways; TalkError where the server ended first."""
        while self._server_open:
            ready = dict(self._poll())
            if not ready:
                self._end_line()
            if self._endpoint.fileno() in ready:
                self._receive()
            if INPUT in ready and self._server_open:
                self._read_input()
            self._send()
        self._end_line()
        if self._sending:
            raise TalkError("the server hung up")

    def _poll(self) -> list[tuple[int, int]]:
        poller = select.poll()
        poller.register(self._endpoint, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        if self._input_open and not self._unsent:  # what the server does not take yet is not read yet
            poller.register(INPUT, select.POLLIN)
        return poller.poll(QUIET_MS if self._terminal and self._line_open else None)

    def _read_input(self) -> None:
        try:
            self._unsent = os.read(INPUT, CHUNK_BYTES)
        except OSError as error:
            raise TalkError(f"cannot read standard input: {error.strerror}") from None
        self._input_open = bool(self._unsent)
        if self._unsent:
            self._end_line()

    def _send(self) -> None:
        try:
            if self._unsent:
                self._unsent = self._unsent[self._endpoint.send(self._unsent) :]
            if not self._unsent and not self._input_open and self._sending:
                self._sending = False
                self._endpoint.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:  # the server is gone; what it said before is still to be read, and reading tells how it went
            self._unsent, self._input_open = b"", False

    def _receive(self) -> None:
        try:
            data = self._endpoint.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            self._end_line()
            raise TalkError("the server reset the connection") from None
        except OSError as error:  # the way to the server is lost: it times out, or has no route any more
            self._end_line()
            raise TalkError(f"the connection broke: {error.strerror or error}") from None
        self._server_open = bool(data)
        if data:
            self._line_open = not data.endswith(b"\n")
            write_all(data)

    def _end_line(self) -> None:
        if self._terminal and self._line_open:
            write_all(b"\n")
            self._line_open = False


def write_all(data: bytes) -> None:
    """Write all of `data` to standard output; TalkError where that cannot be, unless nobody reads any more."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(OUTPUT, view) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TalkError(f"cannot write to standard output: {error.strerror}") from None


def build_parser() -> Parser:
    """Return the parser of `serverlab talk`."""
    parser = Parser(
        prog="serverlab talk",
        description="Talk to any server of text: each line goes out, the answer is printed. "
        "The end of the input (Ctrl-D) half-closes and prints what is left.",
    )
    add_address(parser)
    parser.add_argument("--timeout", type=seconds, default=5.0, metavar="S", help="to connect (default 5)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `serverlab talk` and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    address = address_of(options, parser)
    try:
        with connect(address, options.timeout) as endpoint:
            if os.isatty(INPUT):
                print(f"connected to {address}; Ctrl-D ends the conversation", file=sys.stderr)
            Conversation(endpoint).run()
    except (TalkError, AddressError) as error:
        print(f"serverlab talk: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1  # whoever read the answers (head, say) has enough
    except KeyboardInterrupt:
        return 0
    return 0
