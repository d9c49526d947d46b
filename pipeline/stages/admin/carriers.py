"""Carriers, as operators add, change, list, drain and resume them."""

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from pipeline.carriers import receipt_authentication, registry
from pipeline.carriers.contract import CarrierWithWarnings
from pipeline.errors import NotFound, require
from pipeline.rules.routing.routes import TEST_CARRIER
from pipeline.runtime import Runtime
from pipeline.store import carriers, circuit_breakers
from pipeline.store.carriers import CarrierRow
from schema.carriage import ReceiptAuthentication
from schema.routing import Capability
from schema.vocabulary import CarrierState

#: minimum and maximum rate of a carrier in segments per second
LOWEST_PACE, HIGHEST_PACE = 0.1, 1e6

_CARRIER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def set_carrier(
    rt: Runtime,
    name: str,
    kind: str,
    settings: Mapping[str, Any],
    capabilities: Mapping[str, Any] | None = None,
    pace: float | None = None,
    open_receipts: bool = False,
) -> list[str]:
    """Create a carrier, or replace its settings; return warnings. CarrierUnknown or ConfigurationError: invalid.

    Capabilities default to true, `dlt` to whether the settings have DLT ids. Pace is segments per second, 0: unlimited.
    None: unchanged. `open_receipts` waives the authentication of its receipts.
    """
    can = _limits(capabilities, pace)
    words = f"{name!r} cannot be a carrier's name: use small letters, digits, - _ (at most 40)"
    require(_CARRIER_NAME.fullmatch(name), words)
    require(name != TEST_CARRIER, f"{name!r} carries the test messages and cannot be changed: take another name")
    if open_receipts:
        settings = receipt_authentication.waive(registry.http_receipts(kind), settings)
    with closing(registry.make(name, kind, settings, rt.settings.lease_seconds)) as carrier:
        warnings = list(carrier.warnings) if isinstance(carrier, CarrierWithWarnings) else []
    found = registry.KINDS[kind]
    lacking = receipt_authentication.fault(found.receipts, settings)
    require(not lacking, f"carrier {name}: {lacking}")
    with rt.begin() as conn:
        carriers.save(conn, name, kind, rt.sealed(settings), can, pace, sends_dlt=found.sends_dlt(settings))
    return warnings


def adjust_carrier(rt: Runtime, name: str, capabilities: Mapping[str, Any] | None, pace: float | None) -> None:
    """Set a carrier's capabilities and pace, as `set_carrier` does; NotFound."""
    can = _limits(capabilities, pace)
    with rt.begin() as conn:
        if not carriers.adjust(conn, name, can, pace):
            raise NotFound(f"there is no carrier {name!r}: `postroad carrier list` shows them")


def list_carriers(rt: Runtime) -> list[CarrierRow]:
    """Return every carrier by name, with its settings decrypted."""
    with rt.begin() as conn:
        return [replace(row, settings=rt.unsealed(row.settings)) for row in carriers.all_of(conn)]


def request_parts() -> frozenset[str]:
    """Return the settings, of all kinds, that are parts of requests: their literal values may be passwords."""
    return frozenset(part for kind in registry.KINDS.values() for part in kind.request_parts)


def receipt_authentication_of(row: CarrierRow) -> ReceiptAuthentication | None:
    """Return how a carrier's receipts are authenticated; None if it posts none over HTTP."""
    return receipt_authentication.status(registry.http_receipts(row.kind), row.settings)


def set_carrier_state(rt: Runtime, name: str, state: CarrierState, reason: str | None = None) -> None:
    """Drain a carrier, or resume it and close its breaker; NotFound."""
    with rt.begin() as conn:
        if not carriers.set_state(conn, name, state, reason):
            raise NotFound(f"there is no carrier {name!r}: `postroad carrier list` shows them")
    if state is CarrierState.ACTIVE:
        circuit_breakers.close(rt.valkey, name)


def _limits(given: Mapping[str, Any] | None, pace: float | None) -> dict[Capability, bool] | None:
    is_valid = pace is None or pace == 0 or LOWEST_PACE <= pace <= HIGHEST_PACE
    require(is_valid, f"a pace is {LOWEST_PACE:g} to {HIGHEST_PACE:g} segments a second")
    if given is None:
        return None
    is_valid = set(given) <= set(Capability) and all(isinstance(can, bool) for can in given.values())
    require(is_valid, f"capabilities are {', '.join(Capability)}, each true or false")
    return {Capability(name): can for name, can in given.items()}
