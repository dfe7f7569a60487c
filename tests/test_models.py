"""Behaviour that every model shows: one test each, run on all of the registry."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from servers.registry import CONCURRENCY, MODELS
from tests.serving import PATIENCE, ROOT, Server, is_silent, read_all, read_exactly, reset, serving, wait_until

ALL = list(MODELS)
CONCURRENT = [name for name, entry in MODELS.items() if CONCURRENCY not in entry.cannot]
ONE_AT_A_TIME = [name for name, entry in MODELS.items() if CONCURRENCY in entry.cannot]
PEOPLE = {"echo": (b"hello\n", b"hello\n"), "upper": ("grüß \N{ROCKET}".encode(), "GRÜSS \N{ROCKET}".encode())}
HOLDS_ALL = ["threaded", "selector"]  # one process has the descriptors of all its clients

every_model = pytest.mark.parametrize("model", ALL)
concurrent_models = pytest.mark.parametrize("model", CONCURRENT)


@every_model
def test_every_protocol_is_served(model: str) -> None:
    """The same handler, whatever the model; `work` waits and computes before it answers."""
    for protocol, (sent, answer) in {**PEOPLE, "work": (b"5 sleep=0.05 cpu=0.02\n", b"xxxxx")}.items():
        with serving(model, "--protocol", protocol) as server:
            began = time.monotonic()
            assert server.ask(sent) == answer
            assert protocol != "work" or time.monotonic() - began >= 0.07
            stopped = server.stop()
        assert stopped["model"] == model
        assert stopped["protocol"] == protocol
        assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (1, 1, {})
        assert (stopped["bytes_in"], stopped["bytes_out"]) == (len(sent), len(answer))


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
def test_a_request_must_be_whole_in_time_however_many_pieces_keep_coming(model: str) -> None:
    """The deadline is the request's, not each recv's: a byte now and then does not put it off."""
    with serving(model, "--request-timeout", "0.5", "--idle-timeout", "30") as server:
        with server.connect() as client:
            client.sendall(b"good\n")
            assert read_exactly(client, 5) == b"good\n"
            began = time.monotonic()
            while is_silent(client, seconds=0.05):
                client.send(b"x")
                assert time.monotonic() - began < 10
            assert client.recv(10) == b""
            assert time.monotonic() - began > 0.4
        assert server.stop()["errors"] == {"request-timeout": 1}


@every_model
def test_a_client_that_says_nothing_is_let_go(model: str) -> None:
    """After the idle timeout, whether it never spoke or spoke and fell silent."""
    with serving(model, "--idle-timeout", "0.5") as server:
        with server.connect() as client:
            assert client.recv(10) == b""
        with server.connect() as client:
            client.sendall(b"hello\n")
            assert read_all(client) == b"hello\n"
        assert server.stop()["errors"] == {"idle-timeout": 2}


@every_model
def test_a_client_that_does_not_read_is_neither_buffered_for_nor_waited_for(model: str) -> None:
    """The server reads no more while answers are owed, holds little memory, and ends it when its time is up."""
    with serving(model, "--protocol", "work", "--request-timeout", "1") as server:
        with server.connect() as client:
            client.setblocking(False)
            sent = 0
            try:
                while sent < 1 << 24:
                    sent += client.send(b"10000000\n" * 1000)
            except BlockingIOError:
                pass
            wait_until(lambda: server_memory_mb(server) < 60)
            client.settimeout(10)
            wait_until(lambda: has_been_reset(client))
        assert server.stop()["errors"] == {"write-timeout": 1}


def server_memory_mb(server: Server) -> float:
    """Return the memory of the server and its children, those that end meanwhile left out."""
    kib = 0
    for pid in (server.pid, *server.children()):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        kib += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return kib / 1024


def has_been_reset(client: socket.socket) -> bool:
    """Tell whether the server has given the connection up, though the client has not read what came before."""
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1  # TCP_ESTABLISHED


@concurrent_models
def test_an_idle_client_holds_up_nobody(model: str) -> None:
    """Two hold their connections, one of them in the middle of a line; a third is served meanwhile."""
    with serving(model) as server, server.connect() as idle, server.connect() as halfway:
        halfway.sendall(b"half a li")
        assert server.ask(b"hello\n") == b"hello\n"
        halfway.sendall(b"ne\n")
        assert read_exactly(halfway, 12) == b"half a line\n"
        idle.sendall(b"hi\n")
        assert read_exactly(idle, 3) == b"hi\n"


@concurrent_models
def test_a_client_that_asks_for_many_computations_at_once_takes_turns(model: str) -> None:
    """Forty computations of 0.1 s in one segment hold up nobody for their 4 s."""
    with serving(model, "--protocol", "work") as server, server.connect() as greedy:
        greedy.sendall(b"1 cpu=0.1\n" * 40)
        assert read_exactly(greedy, 1) == b"x"
        assert server.ask(b"2\n") == b"xx"
        answered = 0 if is_silent(greedy, seconds=0) else len(greedy.recv(100))
        assert answered < 38


@concurrent_models
def test_waiting_requests_wait_together(model: str) -> None:
    """Twenty requests of 0.3 s each take far less than the 6 s of one after the other."""
    with serving(model, "--protocol", "work") as server:
        clients = [server.connect() for _ in range(20)]
        began = time.monotonic()
        for client in clients:
            client.sendall(b"1 sleep=0.3\n")
        assert [read_exactly(client, 1) for client in clients] == [b"x"] * 20
        assert time.monotonic() - began < 3
        for client in clients:
            client.close()


@pytest.mark.parametrize("model", ONE_AT_A_TIME)
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


@concurrent_models
def test_past_the_limit_the_next_client_waits_until_one_has_left(model: str) -> None:
    """Nothing is dropped: it waits in the backlog and is served when there is room."""
    with serving(model, "--max-connections", "2") as server:
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


@every_model
def test_sigterm_stops_a_server_that_waits_for_clients(model: str) -> None:
    """A flag alone would not: Python restarts the system call that the signal interrupts (PEP 475)."""
    with serving(model, "--grace", "15") as server:
        began = time.monotonic()
        stopped = server.stop()
        assert time.monotonic() - began < 5
    assert stopped["reason"] == "SIGTERM"
    assert stopped["connections"] == 0


@every_model
def test_a_signal_in_the_middle_of_the_start_still_stops_in_order(model: str) -> None:
    """Whenever it comes after the command line was read: no traceback, and both lines or neither."""
    for delay in (0.0, 0.02, 0.05, 0.1):
        server = subprocess.Popen(
            [sys.executable, "-m", "servers.runtime", json.dumps({"model": model})],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=block_signals,  # noqa: PLW1509  it makes one system call
        )  # fmt: skip
        threading.Event().wait(delay)
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=PATIENCE)
        assert err == ""
        assert [json.loads(line)["event"] for line in out.splitlines()] == ["listening", "stopped"]


def block_signals() -> None:
    """Do as the process does that reads the command line, before it becomes the server."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))


@every_model
def test_sigterm_finishes_what_is_in_flight_and_lets_the_idle_go(model: str) -> None:
    """A request under way is answered; a client between two requests sees an orderly end."""
    with serving(model, "--protocol", "work", "--grace", "15") as server:
        clients = [server.connect() for _ in range(3 if model in CONCURRENT else 1)]
        for client in clients:
            client.sendall(b"1\n")
            assert read_exactly(client, 1) == b"x"
        clients[0].sendall(b"5 sleep=0.6\n")
        assert is_silent(clients[0], seconds=0.1)
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGTERM)  # once more is harmless
        assert [read_all(client) for client in clients] == [b"xxxxx", *[b""] * (len(clients) - 1)]
        for client in clients:
            client.close()
        stopped = server.stopped()
        assert server.process.returncode == 0
        assert stopped["errors"] == {}
        assert stopped["requests"] == len(clients) + 1


@every_model
def test_a_request_half_arrived_at_sigterm_is_still_served(model: str) -> None:
    """What has begun is in flight."""
    with serving(model) as server, server.connect() as client:
        client.sendall(b"one\ntw")
        assert read_exactly(client, 4) == b"one\n"
        server.signal(signal.SIGTERM)
        assert is_silent(client)
        client.sendall(b"o\n")
        assert read_all(client) == b"two\n"
        assert server.stopped()["errors"] == {}


@every_model
def test_clients_in_the_accept_queue_at_sigterm_are_served_not_reset(model: str) -> None:
    """They were promised service by the handshake."""
    with serving(model, "--protocol", "work", "--max-connections", "1") as server:
        with server.connect() as holder:
            holder.sendall(b"1 sleep=0.5\n")
            assert is_silent(holder, seconds=0.1)
            queued = [server.connect() for _ in range(9)]
            for client in queued:
                client.sendall(b"4\n")
            server.signal(signal.SIGTERM)
            assert [read_all(client) for client in (holder, *queued)] == [b"x"] + [b"xxxx"] * 9
            for client in queued:
                client.close()
        stopped = server.stopped()
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (10, 10, {})


@every_model
def test_the_grace_period_ends_what_does_not_end(model: str) -> None:
    """Nothing that a client does keeps the server; what was cut off is counted, with what was done before."""
    with serving(model, "--protocol", "work", "--grace", "0.3") as server, server.connect() as client:
        client.sendall(b"1\n1 sleep=30\n")
        assert read_exactly(client, 1) == b"x"
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        stopped = server.stopped()
        assert time.monotonic() - began < 5
        assert (stopped["requests"], stopped["errors"]) == (1, {"cut-off": 1})
        assert stopped["reason"] == "SIGTERM, grace period over"
        assert server.process.returncode == 0


@every_model
def test_a_second_sigint_ends_at_once(model: str) -> None:
    """The first drains, as SIGTERM does."""
    with serving(model, "--protocol", "work", "--grace", "30") as server, server.connect() as client:
        client.sendall(b"1 sleep=30\n")
        assert is_silent(client)
        server.signal(signal.SIGINT)
        assert is_silent(client)
        began = time.monotonic()
        server.signal(signal.SIGINT)
        stopped = server.stopped()
        assert time.monotonic() - began < 5
        assert stopped["reason"] == "SIGINT twice"
        assert server.process.returncode == 130


@every_model
def test_a_drain_forgets_nobody(model: str) -> None:
    """Idle clients are let go though others wait in the queue, and who waits there has a moment for its request."""
    with serving(model, "--protocol", "work", "--max-connections", "1", "--grace", "15") as server, ExitStack() as all_:
        holder = all_.enter_context(server.connect())
        holder.sendall(b"1\n")
        assert read_exactly(holder, 1) == b"x"
        late, silent = (all_.enter_context(server.connect()) for _ in range(2))
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        late.sendall(b"4\n")
        assert read_all(holder) == b""
        assert read_all(late) == b"xxxx"
        assert read_all(silent) == b""
        stopped = server.stopped()
        assert time.monotonic() - began < 5
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (3, 2, {})


@every_model
def test_clients_that_keep_coming_do_not_keep_a_server_from_stopping(model: str) -> None:
    """Who waited when the signal came is served; who comes later was promised nothing."""
    with serving(model, "--protocol", "work", "--grace", "20") as server:
        finished = threading.Event()

        def come_again() -> None:
            while not finished.is_set():
                with suppress(OSError), server.connect() as client:
                    client.sendall(b"1 cpu=0.002\n")
                    client.recv(1)

        crowd = [threading.Thread(target=come_again) for _ in range(12)]
        for client in crowd:
            client.start()
        try:
            server.ask(b"1\n")
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            stopped = server.stopped()
            took = time.monotonic() - began
        finally:
            finished.set()
            for client in crowd:
                client.join()
    assert took < 10
    assert stopped["reason"] == "SIGTERM"


@every_model
def test_signals_in_quick_succession_end_a_server_in_order(model: str) -> None:
    """The clean-up that the second SIGINT leads to is not broken off by a third: stopped line, no child left."""
    with serving(model, "--protocol", "work", "--grace", "30") as server:
        clients = [server.connect() for _ in range(8 if model in CONCURRENT else 1)]
        for client in clients:
            client.sendall(b"1\n1 sleep=30\n")
            assert read_exactly(client, 1) == b"x"
        children = server.children()
        for _ in range(10):
            server.signal(signal.SIGINT)
            is_silent(clients[0], seconds=0.001)
        stopped = server.stopped()
        assert server.process.returncode == 130
        assert (stopped["connections"], stopped["errors"]) == (len(clients), {"cut-off": len(clients)})
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
        for client in clients:
            client.close()


@every_model
def test_an_answer_must_be_taken_in_time_however_slowly_it_is_taken(model: str) -> None:
    """The deadline is the answer's, not each send's: a reader that takes a little now and then does not put it off."""
    with serving(model, "--protocol", "work", "--request-timeout", "1") as server:
        with server.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"16000000\n")
            began = time.monotonic()
            with pytest.raises(ConnectionResetError):
                read_slowly(client)
            assert time.monotonic() - began > 0.7
        assert server.stop()["errors"] == {"write-timeout": 1}


def read_slowly(client: socket.socket) -> None:
    """Take a little of an answer now and then, for no longer than fifteen seconds."""
    for _ in range(300):
        if not client.recv(5000):
            return
        threading.Event().wait(0.05)


@every_model
def test_the_idle_timeout_is_the_same_for_every_silence(model: str) -> None:
    """The second is as long as the first."""
    with serving(model, "--idle-timeout", "1") as server, server.connect() as client:
        for _ in range(3):
            assert is_silent(client, seconds=0.8)
            client.sendall(b"hello\n")
            assert read_exactly(client, 6) == b"hello\n"
        assert read_all(client) == b""


def test_a_child_that_is_killed_is_counted_as_such() -> None:
    """What it had done is not known, but that there was a connection is."""
    with serving("forking") as server:
        with server.connect() as client:
            client.sendall(b"hello\n")
            assert read_exactly(client, 6) == b"hello\n"
            os.kill(server.children()[0], signal.SIGKILL)
            assert read_all(client) == b""
        assert server.ask(b"hello\n") == b"hello\n"
        stopped = server.stop()
    assert (stopped["connections"], stopped["requests"], stopped["errors"]) == (2, 1, {"killed": 1})


@every_model
def test_no_child_is_left_unreaped_or_behind(model: str) -> None:
    """While the server is quiet, and after it has ended."""
    with serving(model) as server:
        for _ in range(20):
            assert server.ask(b"hello\n") == b"hello\n"
        wait_until(lambda: not server.children())
        client = server.connect()
        client.sendall(b"hello\n")
        assert read_exactly(client, 6) == b"hello\n"
        children = server.children()
        server.stop()
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
        client.close()


@every_model
def test_a_child_holds_no_listener_so_a_new_server_can_take_the_port(model: str) -> None:
    """After kill -9, an orphaned child must not be found listening; old connections do not keep the port."""
    with serving(model) as server:
        client = server.connect()
        client.sendall(b"hello\n")
        assert read_exactly(client, 6) == b"hello\n"
        server.process.kill()
        server.process.wait()
        with serving(model, "--port", str(server.listening["port"])) as successor:
            assert successor.ask(b"hello\n") == b"hello\n"
        client.close()


@every_model
def test_thousands_of_cycles_leave_no_trace(model: str) -> None:
    """Descriptors, threads and children are as many as before."""
    with serving(model) as server:

        def traces() -> tuple[int, int, int]:
            threads = len(list(Path(f"/proc/{server.pid}/task").iterdir()))
            return len(list(Path(f"/proc/{server.pid}/fd").iterdir())), threads, len(server.children())

        server.ask(b"hello\n")
        wait_until(lambda: traces()[1:] == (1, 0))  # one thread, no child: at rest
        before = traces()
        for number in range(300 if model == "forking" else 2000):
            with server.connect() as client:
                client.sendall(b"hello\n")
                assert read_exactly(client, 6) == b"hello\n"
                if number % 3 == 0:
                    reset(client)
        wait_until(lambda: traces() == before)


@every_model
def test_running_out_of_descriptors_is_survived(model: str) -> None:
    """Told once, without spinning; those who are connected are served, and accepting resumes."""
    with serving(model) as server:
        first = server.connect()
        first.sendall(b"one\n")
        assert read_exactly(first, 4) == b"one\n"
        in_use = {int(entry.name) for entry in Path(f"/proc/{server.pid}/fd").iterdir()}
        lowest_free = min(set(range(1024)) - in_use)
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (lowest_free, hard))
        starved = [server.connect() for _ in range(5)]  # two may slip in: by an accept under way, and by the reserve
        for client in starved:
            client.sendall(b"two\n")
        if model == "iterative":
            first.close()
        if model in HOLDS_ALL:
            assert is_silent(starved[-1], seconds=1.0)
            assert cpu_seconds_within(server, 1.0) < 0.25
            first.sendall(b"still there\n")
            assert read_exactly(first, 12) == b"still there\n"
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
        for client in starved:
            assert read_exactly(client, 4) == b"two\n"
            client.close()
        first.close()
        server.signal(signal.SIGTERM)
        server.stopped()
        # The others may meet the limit too, with the one connection that they have at a time.
        assert server.stderr().count("Too many open files") in ((1,) if model in HOLDS_ALL else (0, 1))


def cpu_seconds_within(server: Server, seconds: float) -> float:
    """Return the CPU that the server uses in so many seconds."""

    def used() -> float:
        fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    before, end = used(), time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)
    return used() - before


@every_model
def test_cpu_is_accounted_where_it_was_spent(model: str) -> None:
    """What requests burn shows in the stopped line: in the children where they serve."""
    with serving(model, "--protocol", "work") as server:
        for _ in range(5):
            assert server.ask(b"1 cpu=0.1\n") == b"x"
        cpu = server.stop()["cpu"]
    spent = cpu["children" if model == "forking" else "self"]
    assert 0.45 <= spent["user"] + spent["system"] <= 2.0


@every_model
def test_a_server_process_imports_no_more_than_it_needs(model: str) -> None:
    """An imported module is memory that a fork copies and a comparison would charge to the model."""
    with serving(model, environment={"PYTHONVERBOSE": "1"}) as server:
        assert server.ask(b"hello\n") == b"hello\n"
        server.signal(signal.SIGTERM)
        server.stopped()
        chatter = server.stderr()
    # The process that reads the command line comes first, and is replaced: the second interpreter counts.
    after_exec = chatter.rsplit("import 'site'", 1)[1]
    imported = {line.split("'")[1] for line in after_exec.splitlines() if line.startswith("import '")}
    assert f"servers.{model}" in imported
    unwanted = {"typer", "rich", "numpy", "psutil", "argparse", "typing", "dataclasses", "logging", "asyncio"}
    assert not imported & unwanted
    assert model == "threaded" or "threading" not in imported


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
