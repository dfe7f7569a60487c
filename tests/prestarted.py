"""An interpreter that forks servers: `python -m tests.prestarted [MODEL]`, with a socket for its orders as its stdin.

The hundreds of servers that the tests of the models start would each spend 30 to 120 ms of CPU on starting Python and
on imports, all the same ones. Here that is done once; what is forked then runs `servers.runtime` as `python -m` does,
in a session, with descriptors and signals of its own. Where a test asks how a server starts, `serving` starts a whole
interpreter, and each model is started so by some.

    test                     interpreter              server
      | settings, environment    |                       |
      | stdout, stderr, status   |                       |
      |------------------------->| fork                  |
      |                   pid    |---------------------->| servers.runtime
      |<-------------------------|                       |
      |                          |       its end         |
      |      status (a pipe)     |<----------------------|
      |<-------------------------|
"""

from __future__ import annotations

import json
import os
import runpy
import select
import socket
import sys
from importlib import import_module

MOST_BYTES = 1 << 16  # of an order: settings and environment


def main() -> None:
    """Fork a server for each order, and tell the status of each that ends, until there is nobody to give orders."""
    import_module("servers.runtime.__main__")
    del sys.modules["servers.runtime.__main__"]  # each server runs it, as its own __main__
    for model in sys.argv[1:]:
        import_module(f"servers.{model}")
    orders = socket.socket(fileno=0)
    poll = select.poll()
    poll.register(orders, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}  # by a descriptor of the process: its pid, and where its status is told
    while True:
        for ready, _ in poll.poll():
            if ready in running:
                poll.unregister(ready)
                tell_the_end(ready, *running.pop(ready))
                continue
            order, descriptors, _, _ = socket.recv_fds(orders, MOST_BYTES, 3)
            if not order:
                return
            stdout, stderr, status = descriptors
            pid = os.fork()
            if not pid:
                orders.detach()
                mine = [stdout, stderr, status, *running, *(told for _, told in running.values())]
                become_a_server(order, stdout, stderr, mine)
            os.close(stdout)
            os.close(stderr)
            process = os.pidfd_open(pid)
            running[process] = pid, status
            poll.register(process, select.POLLIN)
            orders.send(b"%d" % pid)


def tell_the_end(process: int, pid: int, status: int) -> None:
    """Bury a server that has ended, and tell how it did."""
    _, ended = os.waitpid(pid, 0)
    os.write(status, b"%d" % ended)
    os.close(status)
    os.close(process)


def become_a_server(order: bytes, stdout: int, stderr: int, not_its_own: list[int]) -> None:
    """Be what `python -m servers.runtime SETTINGS` is; it leaves the process in the end.

    A descriptor that an import opened stays open: it is the server's.
    """
    settings, environment = json.loads(order)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, stdout, stderr)):
        os.dup2(descriptor, number)
    for descriptor in (nothing, *not_its_own):
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = [settings]
    runpy.run_module("servers.runtime", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
