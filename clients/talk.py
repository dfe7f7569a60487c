"""`serverlab talk`: the interactive client of the teaching texts. A line goes out, the answer is printed.

    stdin --lines--> server        end of input half-closes, so the server learns that no more will come,
    stdout <--bytes- server        and what it still owes is printed before the end

Both directions are watched at a time. The client of the texts, which sends all and then receives, deadlocks
as soon as both sides wait for the other to read; and one that waits for a line after each line never shows an
answer without one. With TLS the half-close is TLS's own goodbye; over UDP there is nothing to close, and another
conversation (`talk_datagrams`).
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from typing import TYPE_CHECKING

from clients.addresses import Address, AddressError
from clients.arguments import (
    Parser,
    add_address,
    add_transport,
    address_of,
    check_transport,
    seconds,
    tell_insecure,
)
from clients.failures import detail_of
from clients.plan import DATAGRAM_TIMEOUT, TIMEOUT
from clients.talk_datagrams import DatagramConversation
from clients.terminal import INPUT, OUTPUT, TalkError, read_input, write_all

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from clients.client import Endpoint
    from clients.trust import Trust

CHUNK_BYTES = 64 * 1024
# A terminal gets an end of line when an answer without one (as those of `work`) has paused for so long.
QUIET_MS = 200


def connect(address: Address, timeout: float, trust: Trust | None = None) -> Endpoint:
    """Connect to the first address of `address` that lets us, over TLS with `trust`; TalkError says why none did."""
    failure: OSError | None = None
    for target in address.resolve():
        endpoint = socket.socket(target.family, socket.SOCK_STREAM)
        deadline = time.monotonic() + timeout
        try:
            endpoint.settimeout(timeout)
            endpoint.connect(target.address)
            endpoint.setblocking(False)
            return trust.connect(endpoint, deadline) if trust else endpoint
        except OSError as error:
            endpoint.close()
            failure = error
    if fault := address.fault():
        raise TalkError(f"cannot connect to {address}: {fault}")
    if isinstance(failure, ConnectionRefusedError):
        raise TalkError(f"nobody listens at {address}")
    raise TalkError(f"cannot connect to {address}: {detail_of(failure) if failure else 'it has no address'}")


class Conversation:
    """Standard input to the server, the server to standard output, until both have ended."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._decrypted = None if isinstance(endpoint, socket.socket) else endpoint
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
        if self._decrypted and self._decrypted.truncated:
            print("serverlab talk: the server ended without TLS's goodbye: its answer may be cut off", file=sys.stderr)
        if self._sending:
            raise TalkError("the server hung up")

    def _poll(self) -> list[tuple[int, int]]:
        poller = select.poll()
        goodbye_due = self._sending and not self._input_open
        poller.register(self._endpoint, select.POLLIN | (select.POLLOUT if self._unsent or goodbye_due else 0))
        if self._input_open and not self._unsent:  # what the server does not take yet is not read yet
            poller.register(INPUT, select.POLLIN)
        return poller.poll(QUIET_MS if self._terminal and self._line_open else None)

    def _read_input(self) -> None:
        self._unsent = read_input(CHUNK_BYTES)
        self._input_open = bool(self._unsent)
        if self._unsent:
            self._end_line()

    def _send(self) -> None:
        try:
            if self._unsent:
                self._unsent = self._unsent[self._endpoint.send(self._unsent) :]
            if not self._unsent and not self._input_open and self._sending:
                self._endpoint.shutdown(socket.SHUT_WR)
                self._sending = False
        except BlockingIOError:
            return
        except OSError:  # the server is gone; what it said before is still to be read, and reading tells how it went
            self._unsent, self._input_open, self._sending = b"", False, bool(self._unsent or self._input_open)

    def _receive(self) -> None:
        self._receive_once()
        while self._server_open and self._decrypted and self._decrypted.pending:  # polling tells nothing of it
            self._receive_once()

    def _receive_once(self) -> None:
        try:
            data = self._endpoint.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            self._end_line()
            raise TalkError("the server reset the connection") from None
        except OSError as error:  # the way to the server is lost: it times out, or has no route any more
            self._end_line()
            raise TalkError(f"the connection broke: {detail_of(error)}") from None
        self._server_open = bool(data)
        if data:
            self._line_open = not data.endswith(b"\n")
            write_all(data)

    def _end_line(self) -> None:
        if self._terminal and self._line_open:
            write_all(b"\n")
            self._line_open = False


def build_parser() -> Parser:
    """Return the parser of `serverlab talk`."""
    parser = Parser(
        prog="serverlab talk",
        description="Talk to any server of text: each line goes out, the answer is printed. "
        "The end of the input (Ctrl-D) half-closes and prints what is left.",
    )
    add_address(parser)
    add_transport(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="S",
        help=f"to connect (default {TIMEOUT:g}); with --udp to wait for each answer (default {DATAGRAM_TIMEOUT:g})",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `serverlab talk` and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    address = address_of(options, parser)
    check_transport(options, parser)
    tell_insecure(options, parser)
    try:
        return talk_in_datagrams(address, options) if options.udp else talk(address, options)
    except (TalkError, AddressError) as error:
        print(f"serverlab talk: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1  # whoever read the answers (head, say) has enough
    except KeyboardInterrupt:
        return 0


def talk(address: Address, options: argparse.Namespace) -> int:
    """Talk over a stream; return the exit status."""
    with connect(address, options.timeout or TIMEOUT, _trust(address, options)) as endpoint:
        if os.isatty(INPUT):
            carried = "" if isinstance(endpoint, socket.socket) else f" over {endpoint.version}"
            print(f"connected to {address}{carried}; Ctrl-D ends the conversation", file=sys.stderr)
        Conversation(endpoint).run()
    return 0


def talk_in_datagrams(address: Address, options: argparse.Namespace) -> int:
    """Talk over UDP; status 1 where nothing was answered."""
    if os.isatty(INPUT):
        print(f"a line is a datagram to {address}; Ctrl-D ends the conversation", file=sys.stderr)
    targets = address.resolve(socket.SOCK_DGRAM)
    with DatagramConversation(address, targets, options.timeout or DATAGRAM_TIMEOUT) as conversation:
        conversation.run()
    return 0 if conversation.ok else 1


def _trust(address: Address, options: argparse.Namespace) -> Trust | None:
    if not options.tls:
        return None
    from clients.trust import Trust  # noqa: PLC0415 - ssl is for those who speak TLS

    try:
        return Trust(address.name, ca=options.ca, insecure=options.insecure)
    except ValueError as error:
        raise TalkError(str(error)) from error
