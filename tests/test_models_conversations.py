"""What every model serves, and to how many at a time: one test for each behaviour, run on all of the registry."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from contextlib import ExitStack

import pytest

from servers.registry import CONCURRENCY, LIMIT_ON_CLIENTS, MODELS, MORE_CLIENTS_THAN_WORKERS, ONE_LIMIT_FOR_ALL
from tests.models import concurrent_models, every_model, models_that, models_that_cannot, parametrised, serving_many
from tests.serving import is_silent, read_all, read_exactly, reset, serving, wait_until

pytestmark = pytest.mark.usefixtures("prestarted")

# What is said in each protocol, and a pattern of the whole answer: one request, whatever the protocol.
SAID = {
    "echo": (b"hello\n", rb"hello\n"),
    "upper": ("grüß \N{ROCKET}".encode(), "GRÜSS \N{ROCKET}".encode()),
    "work": (b"5 sleep=0.05 cpu=0.02\n", rb"xxxxx"),
    "frames": (b"ignored^abc$", rb"\*bcd"),
    "http": (
        b"GET /work?size=3 HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
        rb"HTTP/1\.1 200 .*\r\n\r\nxxx",
    ),
}


# Models that wait and carry out effects in ways of their own; the others have one of these in processes or threads.
DRIVERS = (
    "iterative", "forking", "threaded", "selector", "event_mpm", "offloading", "trampoline", "coroutines", "callbacks",
    "uvloop", "greenlets", "trio", "socketserver_threading", "socketserver_forking",
)  # fmt: skip


@parametrised(MODELS.values(), lambda model: SAID if model in DRIVERS else ("work", "frames"), "protocol")
def test_every_protocol_is_served(model: str, protocol: str) -> None:
    """The same handler, whatever the model; `work` waits and computes before it answers, `frames` greets."""
    sent, answer = SAID[protocol]
    with serving_many(model, 2, "--protocol", protocol) as server:
        assert (server.listening["model"], server.listening["protocol"]) == (model, protocol)
        began = time.monotonic()
        got = server.ask(sent)
        assert protocol != "work" or time.monotonic() - began >= 0.07
        stopped = server.stop()
    assert re.fullmatch(answer, got, re.DOTALL)
    assert (stopped["model"], stopped["protocol"]) == (model, protocol)
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (1, 1, {})
    assert (stopped["bytes_in"], stopped["bytes_out"]) == (len(sent), len(got))


@every_model
def test_a_request_is_answered_in_whatever_pieces_it_comes(model: str) -> None:
    """Byte by byte, and a hundred requests in one segment."""
    with serving(model) as server:
        with server.connect() as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"hello\n":
                client.send(bytes([byte]))
            assert read_exactly(client, 6) == b"hello\n"
            many = b"".join(b"%d\n" % number for number in range(100))
            client.sendall(many)
            assert read_exactly(client, len(many)) == many
        assert server.stop()["requests"] == 101


@every_model
def test_what_is_owed_is_sent_after_the_client_has_half_closed(model: str) -> None:
    """A line without its newline comes back at the half-close, and then the server hangs up."""
    with serving(model) as server:
        assert server.ask(b"one\ntwo") == b"one\ntwo"


@every_model
def test_bad_input_gets_one_error_line_and_ends_only_its_own_conversation(model: str) -> None:
    """Also where the client goes on sending: the answer arrives whole, and no reset overtakes it."""
    with serving(model, "--protocol", "work", "--max-line", "1000") as server:
        with server.connect() as client:
            client.sendall(b"2000000\nnonsense\n" + b"7\n" * 100_000)
            answer = read_all(client)
        assert answer.startswith(b"x" * 2_000_000)
        assert answer[2_000_000:].startswith(b"error: SIZE is a number")
        assert answer.count(b"\n") == 1
        assert server.ask(b" " * 5000) == b"error: line longer than 1000 bytes\n"
        assert server.ask(b"3\n") == b"xxx"
        assert server.stop()["errors"] == {"bad-request": 1, "line-too-long": 1}


@every_model
def test_clients_that_reset_are_ordinary(model: str) -> None:
    """Before they are served, in a request, in an answer: no traceback, and the next one is served."""
    with serving(model, "--protocol", "work") as server:
        for sent in (b"", b"12", b"2000000\n", b"5000000 sleep=0.05\n"):
            client = server.connect()
            client.sendall(sent)
            reset(client)
        assert server.ask(b"3\n") == b"xxx"
        stopped = server.stop()
    assert stopped["connections"] == 5
    assert set(stopped["errors"]) <= {"reset"}


@every_model
def test_a_client_that_resets_with_an_answer_owed_is_counted_as_such(model: str) -> None:
    """Though nobody looks at its connection while the answer is worked out."""
    with serving_many(model, 2, "--protocol", "work") as server:
        client = server.connect()
        client.sendall(b"5 sleep=0.3\n")
        assert is_silent(client, seconds=0.1)
        reset(client)
        assert server.ask(b"3\n") == b"xxx"
        stopped = server.stop()
    assert (stopped["connections"], stopped["errors"]) == (2, {"reset": 1})


@concurrent_models
def test_an_idle_client_holds_up_nobody(model: str) -> None:
    """Two hold their connections, one of them in the middle of a line; a third is served meanwhile."""
    with serving_many(model, 3) as server, server.connect() as idle, server.connect() as halfway:
        halfway.sendall(b"half a li")
        assert server.ask(b"hello\n") == b"hello\n"
        halfway.sendall(b"ne\n")
        assert read_exactly(halfway, 12) == b"half a line\n"
        idle.sendall(b"hi\n")
        assert read_exactly(idle, 3) == b"hi\n"


@concurrent_models
def test_a_client_that_asks_for_many_computations_at_once_takes_turns(model: str) -> None:
    """Two hundred computations of 20 ms in one segment hold up nobody for their 4 s."""
    with serving_many(model, 2, "--protocol", "work") as server, server.connect() as greedy:
        greedy.sendall(b"1 cpu=0.02\n" * 200)
        assert read_exactly(greedy, 1) == b"x"
        assert server.ask(b"2\n") == b"xx"
        answered = 0 if is_silent(greedy, seconds=0) else len(greedy.recv(1000))
        assert answered < 190


@concurrent_models
def test_waiting_requests_wait_together(model: str) -> None:
    """Twenty requests of 0.3 s each take far less than the 6 s of one after the other."""
    with serving_many(model, 20, "--protocol", "work") as server:
        clients = [server.connect() for _ in range(20)]
        began = time.monotonic()
        for client in clients:
            client.sendall(b"1 sleep=0.3\n")
        assert [read_exactly(client, 1) for client in clients] == [b"x"] * 20
        assert time.monotonic() - began < 5
        for client in clients:
            client.close()


@models_that_cannot(CONCURRENCY)
def test_a_model_that_serves_one_at_a_time_keeps_the_next_one_waiting(model: str) -> None:
    """What its registry entry declares: the handshake is done, the service is not."""
    with serving(model) as server, server.connect() as second, server.connect() as first:
        # Both are in the accept queue; whoever came first is served first.
        first.sendall(b"first\n")
        assert is_silent(first)
        second.sendall(b"second\n")
        assert read_exactly(second, 7) == b"second\n"
        assert is_silent(first)
        second.close()
        assert read_exactly(first, 6) == b"first\n"


@models_that_cannot(MORE_CLIENTS_THAN_WORKERS)
def test_a_pool_that_is_full_keeps_the_next_one_waiting(model: str) -> None:
    """What its registry entry declares: as many clients as workers, and the next is served when one has left."""
    each = {"workers", "threads"} & set(MODELS[model].options)
    with serving(model, "--workers", "2", "--threads", "2") as server, ExitStack() as all_:
        clients = [all_.enter_context(server.connect()) for _ in range(2 ** len(each))]
        for client in clients:
            client.sendall(b"hello\n")
            assert read_exactly(client, 6) == b"hello\n"
        late = all_.enter_context(server.connect())
        late.sendall(b"late\n")
        assert is_silent(late)
        clients[0].close()
        assert read_exactly(late, 5) == b"late\n"


@models_that(lambda entry: not {CONCURRENCY, ONE_LIMIT_FOR_ALL, LIMIT_ON_CLIENTS} & set(entry.cannot))
def test_past_the_limit_the_next_client_waits_until_one_has_left(model: str) -> None:
    """Nothing is dropped: it waits in the backlog and is served when there is room."""
    with serving_many(model, 2, "--max-connections", "2") as server:
        with server.connect() as first, server.connect() as second:
            for client in (first, second):
                client.sendall(b"in\n")
                assert read_exactly(client, 3) == b"in\n"
            with server.connect() as third:
                third.sendall(b"waiting\n")
                assert is_silent(third)
                assert len(server.children()) <= 2
                first.close()
                assert read_exactly(third, 8) == b"waiting\n"
        assert server.stop()["connections"] == 3


@models_that_cannot(LIMIT_ON_CLIENTS)
def test_a_model_without_a_limit_serves_whoever_comes(model: str) -> None:
    """What its registry entry declares."""
    with serving(model, "--max-connections", "2") as server, ExitStack() as all_:
        for _ in range(5):
            client = all_.enter_context(server.connect())
            client.sendall(b"in\n")
            assert read_exactly(client, 3) == b"in\n"


@models_that_cannot(ONE_LIMIT_FOR_ALL)
def test_where_each_worker_has_its_share_of_the_limit_it_is_kept_all_the_same(model: str) -> None:
    """What its registry entry declares: whoever is dealt to a full worker waits, and everybody is served in the end."""
    with serving(model, "--workers", "2", "--max-connections", "2") as server, ExitStack() as all_:
        clients = [all_.enter_context(server.connect()) for _ in range(12)]
        for client in clients:
            client.sendall(b"in\n")
        for left in range(12, 0, -1):
            wait_until(lambda: [client for client in clients if not is_silent(client, seconds=0)])
            served = [client for client in clients if not is_silent(client, seconds=0.01)]
            assert len(served) <= min(2, left)
            served[0].close()
            clients.remove(served[0])
        assert server.stop()["connections"] == 12


def test_each_poller_serves() -> None:
    """The same loop on each readiness call of the kernel."""
    for poller in ("select", "poll", "epoll"):
        with serving("selector", "--poller", poller, "--protocol", "work") as server:
            with server.connect() as idle:
                assert server.ask(b"3000000\n") == b"x" * 3_000_000
                assert server.ask(b"1 sleep=0.05\n") == b"x"
                idle.sendall(b"2\n")
                assert read_exactly(idle, 2) == b"xx"
            server.stop()


def test_select_leaves_in_the_backlog_whom_it_cannot_watch() -> None:
    """Descriptor 1024 is past what select can name: nobody is dropped, and the loop does not fail."""
    with serving("selector", "--poller", "select", "--backlog", "200") as server:
        clients = [server.connect() for _ in range(1100)]
        clients[-1].sendall(b"last\n")
        assert is_silent(clients[-1])
        for client in clients[:200]:
            client.close()
        assert read_exactly(clients[-1], 5) == b"last\n"
        for client in clients[200:]:
            client.close()
        server.signal(signal.SIGTERM)
        server.stopped()
        assert server.stderr().count("Too many open files") == 1


def test_stevens_own_client_gets_his_answers() -> None:
    """His parent's children each connect, ask "4000" and read 4000 bytes, again and again, over one port."""
    with serving("forking", "--protocol", "work") as server:
        script = 'exec 3<>/dev/tcp/127.0.0.1/$1; echo "4000" >&3; head -c 4000 <&3 | wc -c'
        for _ in range(3):
            done = subprocess.run(
                ["bash", "-c", script, "client", str(server.listening["port"])],
                capture_output=True, text=True, timeout=20, check=True,
            )  # fmt: skip
            assert done.stdout.strip() == "4000"
