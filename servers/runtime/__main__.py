"""The server process itself: ``python -m servers.runtime SETTINGS``, with the settings as a JSON object.

`python -m servers` reads the command line and replaces itself with this. The command-line parser would stay in memory
for as long as the server runs, and a fork copies the page tables of all that its parent has in memory.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from resource import RLIMIT_NOFILE, RUSAGE_CHILDREN, RUSAGE_SELF, getrlimit, getrusage, setrlimit
from time import monotonic

from servers.protocols import load
from servers.protocols.session import Limits
from servers.runtime.errors import CannotServe, EndNow
from servers.runtime.lifecycle import Lifecycle
from servers.runtime.listener import Listener, open_listener, somaxconn
from servers.runtime.messages import announce, warn
from servers.runtime.service import Service
from servers.runtime.settings import Settings
from servers.runtime.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INTERRUPTED = 130  # the shell's status for a process that SIGINT ended


def main() -> int:
    """Serve until a signal stops it; return the exit status."""
    settings = Settings(**json.loads(sys.argv[1]))
    lifecycle = Lifecycle(settings.grace)
    try:
        lifecycle.install()
        listener = open_listener(settings, lifecycle)
    except CannotServe as error:
        print(f"serverlab serve: {error}", file=sys.stderr)
        return 1
    except EndNow:
        return INTERRUPTED  # before there was a server: a host name can take its time to resolve
    service = make_service(settings, lifecycle)
    allow_descriptors(settings.max_connections)
    say_listening(settings, listener)
    return run(settings, listener, service)


def make_service(settings: Settings, lifecycle: Lifecycle) -> Service:
    """Put together what the model is asked to serve."""
    limits = Limits(settings.max_line, settings.max_size, settings.max_sleep, settings.max_cpu)
    tally = Tally(rows=settings.max_connections + 1)  # a row for us, and one for each child of a forking model
    return Service(load(settings.protocol), limits, settings, tally, lifecycle)


def run(settings: Settings, listener: Listener, service: Service) -> int:
    """Run the model to its end and say what it did."""
    began = monotonic()
    try:
        import_module(f"servers.{settings.model}").serve(listener, service)
    except EndNow:
        service.cut_off()
    finally:
        listener.close()
        listener.remove_path()
    facts = {"model": settings.model, "protocol": settings.protocol, "pid": os.getpid()}
    reason = service.lifecycle.reason
    announce("stopped", **facts, reason=reason, duration=monotonic() - began, **service.tally.totals(), **usage())
    return INTERRUPTED if reason == "SIGINT twice" else 0


def allow_descriptors(connections: int) -> None:
    """Raise our limit on descriptors towards what that many connections need, as far as we may."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    wanted = min(connections + 64, hard)
    if soft < wanted:
        setrlimit(RLIMIT_NOFILE, (wanted, hard))


def say_listening(settings: Settings, listener: Listener) -> None:
    """Tell where we listen, and with how long a queue."""
    most = somaxconn()
    backlog = settings.backlog if most is None else min(settings.backlog, most)
    if backlog < settings.backlog:
        warn("backlog %d is cut to %d by net.core.somaxconn", settings.backlog, backlog)
    facts = {"model": settings.model, "protocol": settings.protocol, "pid": os.getpid()}
    announce("listening", **facts, **listener.addresses(), backlog=settings.backlog, backlog_effective=backlog)


def usage() -> dict[str, Any]:
    """Return what we and the children that we have reaped have used: CPU in seconds, context switches, faults."""
    own, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    return {
        "cpu": {
            "self": {"user": own.ru_utime, "system": own.ru_stime},
            "children": {"user": children.ru_utime, "system": children.ru_stime},
        },
        "context_switches": {
            "voluntary": own.ru_nvcsw + children.ru_nvcsw,
            "involuntary": own.ru_nivcsw + children.ru_nivcsw,
        },
        "minor_faults": own.ru_minflt + children.ru_minflt,
    }


if __name__ == "__main__":
    status = main()
    os._exit(status)  # threads that were cut off must not hold up the end
