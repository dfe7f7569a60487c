"""Accept queues hold what is known to wait in them, and connections that find them full are counted."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.hogs import until
from tools.host.listening import Mark, Queue, QueueWatch, TcpCounters, accept_queue, tcp_counters, watching_queue
from tools.saved.cells import Admission

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

HOST = "127.0.0.1"


@contextmanager
def listening(backlog: int = 5, waiting: int = 0) -> Iterator[tuple[socket.socket, int]]:
    """Listen with so many connections in the accept queue; yield the socket and its port."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0), backlog=backlog))
        port: int = listener.getsockname()[1]
        for _ in range(waiting):
            stack.enter_context(socket.create_connection((HOST, port), timeout=10))
        yield listener, port


def by_hand(port: int) -> AbstractContextManager[QueueWatch]:
    """Return a watch that does not look of itself for as long as a test can take."""
    return watching_queue(port, interval=3600)


def test_connections_that_nobody_accepts_wait_in_the_queue() -> None:
    """Three of five; one that is accepted leaves it."""
    with listening(backlog=5, waiting=3) as (listener, port):
        until(lambda: accept_queue(port) == Queue(3, 5))
        listener.accept()[0].close()
        assert accept_queue(port) == Queue(2, 5)


def test_the_queues_of_both_families_are_one() -> None:
    """A host name with two addresses has a listener for each."""
    with listening(backlog=5, waiting=2) as (_, port), ExitStack() as stack:
        try:
            stack.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6, backlog=7))
            stack.enter_context(socket.create_connection(("::1", port), timeout=10))
        except OSError:
            pytest.skip("there is no IPv6 here, or another has this port of it")
        until(lambda: accept_queue(port) == Queue(3, 12))


def test_the_queues_of_sockets_that_share_a_port_are_one() -> None:
    """Each worker listens for itself with SO_REUSEPORT; more of them than one answer of the kernel's has room for."""
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server((HOST, 0), backlog=3, reuse_port=True))
        port = first.getsockname()[1]
        for _ in range(99):
            stack.enter_context(socket.create_server((HOST, port), backlog=3, reuse_port=True))
        for _ in range(10):
            stack.enter_context(socket.create_connection((HOST, port), timeout=10))
        until(lambda: accept_queue(port) == Queue(10, 300))


def test_a_port_at_which_nobody_listens_has_no_queue() -> None:
    """Nor has one with a connection that is not a listener's."""
    with listening(waiting=1) as (listener, port):
        connection, (_, other_port) = listener.accept()
        with connection:
            assert accept_queue(other_port) is None
        listener.close()
        assert accept_queue(port) is None


def test_a_full_queue_is_counted() -> None:
    """A backlog of 1 takes two; the others are turned away until they try again."""
    with listening(backlog=1, waiting=2) as (_, port), ExitStack() as stack:
        until(lambda: accept_queue(port) == Queue(2, 1))
        watch = stack.enter_context(by_hand(port))
        opened = watch.mark()
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((HOST, port))
        watch.look()
        found = watch.admission(opened, watch.mark())
    assert found
    assert found.overflows >= 3
    assert found.drops >= 3
    assert (found.queue_mean, found.queue_most, found.backlog) == (2, 2, 1)


def test_a_watch_tells_the_mean_and_the_most_between_two_marks() -> None:
    """Looks before the window and after it do not count."""
    with listening(backlog=9, waiting=4) as (listener, port), by_hand(port) as watch:
        until(lambda: accept_queue(port) == Queue(4, 9))
        watch.look()
        listener.accept()[0].close()
        opened = watch.mark()
        watch.look()
        listener.accept()[0].close()
        watch.look()
        closed = watch.mark()
        listener.accept()[0].close()
        watch.look()
        found = watch.admission(opened, closed)
    assert found
    assert (found.queue_mean, found.queue_most, found.backlog) == (2.5, 3, 9)


def test_a_watch_looks_of_itself_until_its_block_ends() -> None:
    """Its cost grows with its looks, and no longer after them."""
    with listening(backlog=9, waiting=2) as (_, port):
        until(lambda: accept_queue(port) == Queue(2, 9))
        with watching_queue(port, interval=0.001) as watch:
            opened = watch.mark()
            until(lambda: watch.mark().looks >= 5)
            closed = watch.mark()
        looks, cost = watch.mark().looks, watch.cpu_seconds
        found = watch.admission(opened, closed)
        assert found
        assert (found.queue_mean, found.queue_most, found.backlog) == (2, 2, 9)
        assert 0 < cost < 0.002 * looks
        assert watch.cpu_seconds == cost


def test_counters_are_the_differences_of_the_kernels() -> None:
    """A window without a look has them all the same."""
    opened, closed = Mark(0, TcpCounters(10, 20, 30)), Mark(0, TcpCounters(11, 22, 33))
    assert QueueWatch(1, None).admission(opened, closed) == Admission(1, 2, 3, None, None, None)


def test_a_server_at_no_port_has_no_admission() -> None:
    """A Unix socket's is not counted, and the counters are other servers'."""
    with watching_queue(None, interval=0.001) as watch:
        opened = watch.mark()
        watch.look()
        assert watch.admission(opened, watch.mark()) is None


def test_what_the_system_does_not_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """No netlink, no /proc, or a kernel that does not count."""
    with listening() as (_, port):
        assert accept_queue(port)
        monkeypatch.delattr(socket, "AF_NETLINK")
        assert accept_queue(port) is None
    for content in (None, b"", b"TcpExt: TW\nTcpExt: 5\n"):
        monkeypatch.setattr("tools.host.listening.read_file", lambda _, content=content: content)
        assert tcp_counters() is None
    watch = QueueWatch(1, None)
    assert watch.admission(watch.mark(), watch.mark()) is None
