"""Moor: say which process speaks for a carrier, keep that process's connection up, and tell how it stands."""

import socket
import time
from collections.abc import Mapping

from pipeline.carriers import registry
from pipeline.carriers.contract import Carrier, ConnectedCarrier, Listener
from pipeline.runtime import Runtime
from pipeline.store import carrier_binds, carriers
from schema.carriage import BindReport
from schema.vocabulary import Placement

#: seconds for which the carriers' kinds are taken for current
_FRESH = 5.0


class Placements:
    """Where each carrier's messages are carried, read anew now and then, and for a carrier nobody knows yet."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._known: Mapping[str, Placement] = {}
        self._read_at = float("-inf")

    def of(self, rt: Runtime, carrier: str) -> Placement:
        """Return where a carrier's messages are carried; of one that is gone, by any worker."""
        if carrier not in self._known or time.monotonic() - self._read_at > _FRESH:
            self._known, self._read_at = all_placements(rt), time.monotonic()
        return self._known.get(carrier, Placement.SHARED)


def all_placements(rt: Runtime) -> dict[str, Placement]:
    """Return where each carrier's messages are carried, drained ones too: their receipts still come."""
    with rt.read_only() as conn:
        return {row.name: registry.placement(row.kind) for row in carriers.all_of(conn)}


def keep_connected(rt: Runtime, name: str, listener: Listener) -> Carrier | None:
    """Have a carrier connected as its row says now, and heard; return it, or None when there is none of that name.

    ConfigurationError says what does not fit. To be called again and again: settings change.
    """
    with rt.read_only() as conn:
        row = next((row for row in carriers.all_of(conn) if row.name == name), None)
    if row is None:
        return None
    carrier = rt.carrier(row.name, row.kind, row.settings)
    if isinstance(carrier, ConnectedCarrier):
        carrier.listen(listener)
    return carrier


#: seconds after which it is told again how binds stand
AGAIN = 60.0


class BindReporter:
    """Tells how one carrier's binds stand, for `carrier status`: what changed at once, all of it now and then."""

    def __init__(self, name: str) -> None:
        """Begin with nothing told."""
        self._name = name
        self._host = socket.gethostname()
        self._reported: BindReport | None = None
        self._reported_at = float("-inf")

    def look(self, rt: Runtime, carrier: object) -> None:
        """Write how the binds of a carrier that has any stand, if that is news."""
        report = carrier.report() if isinstance(carrier, ConnectedCarrier) else None
        now = time.monotonic()
        if report and (report != self._reported or now - self._reported_at > AGAIN):
            with rt.begin() as conn:
                carrier_binds.write(conn, self._name, self._host, report)
            self._reported, self._reported_at = report, now
