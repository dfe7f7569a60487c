"""Greenlets: the threaded server on one thread; whoever waits switches, and nothing in the code says so.

    a greenlet for each listening socket: accept --> a greenlet for the client, as long as the pool has room
    a greenlet for each client:           converse, as in a thread; recv, send and sleep switch to the hub
    hub:                                  libev's loop: who is ready? switch to him

The code is the blocking driver as it stands. A greenlet is a stack of its own that is copied aside when another runs,
so that a switch can be anywhere, however deep in calls: no ``await`` marks it. That is the charm, for old code becomes
concurrent as it is, and the danger: between two lines that read as one step another client may run, once a function
beneath them has come to wait; and one library that blocks without knowing of gevent blocks everybody. (gevent's monkey
patching replaces the standard library's sockets for that; here only connections are wrapped, for nothing else waits.)

Costs half as much CPU again as the selector, 8 MiB of modules, and 11 KiB for an idle client, half of what a thread
takes. It is the wrong choice for new code that others must read, beside libraries in C that do their own I/O, and where
the work is computing: a computation lets nobody in.

Used by: gunicorn's gevent worker, Locust, many a Flask service with more clients than threads. (extra: gevent)
Source: Bilenko's gevent (2009), after Rigo's greenlets, which come of Tismer's Stackless Python.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import gevent
from gevent.pool import Group, Pool
from gevent.socket import wait_read

from servers.runtime.blocking import converse
from servers.runtime.compute import burn
from servers.runtime.cooperative import Cooperative
from servers.runtime.limits import ACCEPT_WAIT, LINGER
from servers.runtime.scarcity import PAUSE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    from servers.runtime.lifecycle import Lifecycle
    from servers.runtime.listener import Listener
    from servers.runtime.service import Service

NEXT_ROUND = 1e-9  # seconds; with 0 gevent may come back before it has looked whose connection is ready


def serve(listener: Listener, service: Service) -> None:
    """Serve each client in a greenlet of its own until the server stops and the last of them has ended."""
    service.lifecycle.hold()  # what a signal handler raises ends in the hub, which would report it and go on
    service.sleep, service.compute = gevent.sleep, partial(compute_in_turn, service.lifecycle)
    doors, clients = Group(), Pool(service.most_connections)
    for listening in listener.sockets:
        doors.spawn(accept, listening, listener, service, clients)
    while not (doors.join(ACCEPT_WAIT, raise_error=True) and clients.join(ACCEPT_WAIT)):
        if service.lifecycle.ending:
            break
    service.lifecycle.release()


def accept(listening: socket, listener: Listener, service: Service, clients: Pool) -> None:
    """Accept at one socket as long as the pool has room, until nobody is to be accepted any more."""
    listening.setblocking(False)
    while not service.lifecycle.retiring:
        clients.wait_available(ACCEPT_WAIT)
        if clients.full():
            continue  # nobody has left, or a greenlet at another socket was quicker
        try:
            connection = listener.accept_now(listening)
        except OSError as error:
            listener.scarcity.suffer(error)
            gevent.sleep(PAUSE)
            continue
        if connection:
            clients.spawn(converse, Cooperative(connection), service)
        elif service.lifecycle.stopping:
            break
        if not connection or listener.shared:
            with suppress(TimeoutError):
                wait_read(listening.fileno(), ACCEPT_WAIT)  # no longer: nobody tells us of a signal
    listener.sockets.remove(listening)
    listening.close()  # whoever comes now is refused, and does not wait for a server that is to end


def compute_in_turn(lifecycle: Lifecycle, seconds: float) -> None:
    """Let the others run first: a computation is no switch point, and a client may ask for many in a row."""
    gevent.sleep(NEXT_ROUND)
    burn(seconds, lifecycle)
    if lifecycle.ending:
        gevent.sleep(LINGER)  # the server is about to end, and this greenlet with it
