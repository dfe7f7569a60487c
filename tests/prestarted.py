"""An interpreter that forks processes of one kind: `python -m tests.prestarted MODULE [IMPORT]`; stdin is for orders.

The hundreds of servers and load processes that tests start would each spend 30 to 120 ms of CPU on starting Python and
on imports, all the same ones. Here that is done once; what is forked then runs the module as `python -m` does, in a
session, with descriptors and signals of its own. Where a test asks how a server starts, `serving` starts a whole
interpreter, and each model is started so by some.

    test                     interpreter              process
      | arguments, environment   |                       |
      | stdin, ..., status       |                       |
      |------------------------->| fork                  |
      |                   pid    |---------------------->| the module
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

MOST_BYTES = 1 << 16  # of an order: arguments and environment


def main() -> None:
    """Fork a process for each order, and tell the status of each that ends, until there is nobody to give orders."""
    for name in sys.argv[1:]:
        import_module(name)
    del sys.modules[sys.argv[1]]  # each process runs it, as its own __main__
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
            order, descriptors, _, _ = socket.recv_fds(orders, MOST_BYTES, 4)
            if not order:
                return
            *standard, status = descriptors
            pid = os.fork()
            if not pid:
                orders.detach()
                become(order, standard, [status, *running, *(told for _, told in running.values())])
            for descriptor in standard:
                os.close(descriptor)
            process = os.pidfd_open(pid)
            running[process] = pid, status
            poll.register(process, select.POLLIN)
            orders.send(b"%d" % pid)


def tell_the_end(process: int, pid: int, status: int) -> None:
    """Bury a process that has ended, and tell how it did."""
    _, ended = os.waitpid(pid, 0)
    os.write(status, b"%d" % ended)
    os.close(status)
    os.close(process)


def become(order: bytes, standard: list[int], not_its_own: list[int]) -> None:
    """Be what `python -m MODULE ARGUMENTS` is, and leave the process in the end.

    A descriptor that an import opened stays open: it is the module's.
    """
    arguments, environment = json.loads(order)
    os.setsid()
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
    for descriptor in (*standard, *not_its_own):
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    module, sys.argv[1:] = sys.argv[1], arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    main()
