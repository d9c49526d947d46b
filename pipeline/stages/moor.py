"""Moor: say which process speaks for a carrier, keep that process's connection up, and tell how it stands."""

import socket
import time
from collections.abc import Mapping

from pipeline.carriers import registry
from pipeline.carriers.contract import Bound, Carrier, Ear
from pipeline.runtime import Runtime
from pipeline.store import binds, carriers
from schema.carriage import BindReport
from schema.vocabulary import Berth

#: seconds for which the carriers' kinds are taken for current
_FRESH = 5.0


class Berths:
    """Where each carrier's messages are carried, read anew now and then, and for a carrier nobody knows yet."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._known: Mapping[str, Berth] = {}
        self._read_at = float("-inf")

    def of(self, rt: Runtime, carrier: str) -> Berth:
        """Return where a carrier's messages are carried; of one that is gone, by any worker."""
        if carrier not in self._known or time.monotonic() - self._read_at > _FRESH:
            self._known, self._read_at = all_berths(rt), time.monotonic()
        return self._known.get(carrier, Berth.SHARED)


def all_berths(rt: Runtime) -> dict[str, Berth]:
    """Return where each carrier's messages are carried, drained ones too: their receipts still come."""
    with rt.glance() as conn:
        return {row.name: _berth(row.kind) for row in carriers.all_of(conn)}


def moor(rt: Runtime, name: str, ear: Ear) -> Carrier | None:
    """Have a carrier connected as its row says now, and heard; return it, or None when there is none of that name.

    ConfigurationError says what does not fit. To be called again and again: settings change.
    """
    with rt.glance() as conn:
        row = next((row for row in carriers.all_of(conn) if row.name == name), None)
    if row is None:
        return None
    carrier = rt.carrier(row.name, row.kind, row.settings)
    if isinstance(carrier, Bound):
        carrier.listen(ear)
    return carrier


#: seconds after which it is told again how binds stand
AGAIN = 60.0


class BindReporter:
    """Tells how one carrier's binds stand, for `carrier status`: what changed at once, all of it now and then."""

    def __init__(self, name: str) -> None:
        """Begin with nothing told."""
        self._name = name
        self._host = socket.gethostname()
        self._told: BindReport | None = None
        self._told_at = float("-inf")

    def look(self, rt: Runtime, carrier: object) -> None:
        """Write how the binds of a carrier that has any stand, if that is news."""
        report = carrier.report() if isinstance(carrier, Bound) else None
        now = time.monotonic()
        if report and (report != self._told or now - self._told_at > AGAIN):
            with rt.begin() as conn:
                binds.write(conn, self._name, self._host, report)
            self._told, self._told_at = report, now


def _berth(kind: str) -> Berth:
    if kind in registry.BOUND:
        return Berth.BOUND
    return Berth.SHARED if kind in registry.IN_PLACE else Berth.OWN
