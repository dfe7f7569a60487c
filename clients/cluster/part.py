"""A part of a load on many machines: one load process, as far as is known of it where the load was ordered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from clients.course import SECOND_NS
from clients.process import Recorded, Told

if TYPE_CHECKING:
    from clients.cluster.link import Carried
    from clients.cluster.task import Records
    from clients.spec import Spec


class Part(Told):
    """A load process on a worker, as far as is known here; what it `recorded` once that has come."""

    def __init__(self, number: int, spec: Spec, worker: str) -> None:
        super().__init__(spec)
        self.number, self.spec, self.worker = number, spec, worker
        self.carried: Carried | None = None
        self.ready = False
        self.heard = time.monotonic()
        self.recorded: Recorded | None = None
        self.lost = ""

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.recorded is not None or bool(self.lost)

    def note(self, event: dict[str, Any]) -> None:
        """Take in a word of the load process."""
        super().note(event)
        self.heard = time.monotonic()
        self.ready = self.ready or event["event"] == "ready"

    def record(self, records: Records) -> None:
        """Take in what came in the end."""
        report, *rows = records
        requests, connections = (memoryview(bytearray(part)) for part in rows)  # gathering writes into them
        self.recorded, self.finished = Recorded(requests, connections, report), True

    def lose(self, why: str) -> None:
        """Give the part up."""
        self.lost, self.finished = why, True
        if self.carried:
            self.carried.give_up()

    def missing(self, start_ns: int) -> str:
        """Say in words what is lost with it."""
        first, last = self.spec.first_client, self.spec.first_client + self.spec.clients - 1
        which = f"clients {first} to {last}" if first <= last else "held and hostile clients"
        share = "" if self.spec.requests is None else f" and their {self.spec.requests} requests"
        after = self.heard - start_ns / SECOND_NS
        return f"{which}{share} on the Dask worker {self.worker}: {self.lost} (last heard of at {after:.1f} s)"
