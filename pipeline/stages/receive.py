"""Receive: authenticate and parse what carriers post over HTTP; store receipts that cannot be applied yet."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from pipeline.carriers import registry
from pipeline.carriers.contract import HttpReceipts, ReceiptForged
from pipeline.carriers.vendors import urls
from pipeline.errors import ConfigurationError
from pipeline.runtime import Runtime, is_sealed
from pipeline.store import carriers, receipts
from pipeline.store.carriers import CarrierRow
from schema.carriage import CarrierEvents, Posted, Receipt

log = logging.getLogger(__name__)

__all__ = [
    "CarrierRow",
    "ReceiptForged",
    "authenticate",
    "called",
    "keep",
    "methods",
    "read",
    "response",
    "senders",
]


def senders(rt: Runtime) -> dict[str, CarrierRow]:
    """Return name → carrier, of those that may post receipts."""
    with rt.begin() as conn:
        rows = [row for row in carriers.all_of(conn) if registry.http_receipts(row.kind)]
    return {row.name: _unsealed(rt, row) for row in rows}


def _unsealed(rt: Runtime, row: CarrierRow) -> CarrierRow:
    """Return a carrier with its settings decrypted; still encrypted if that fails."""
    try:
        return replace(row, settings=rt.unsealed(row.settings))
    except ConfigurationError as error:
        log.error("carrier %(carrier)s: no receipts are taken: %(fault)s", {"carrier": row.name, "fault": error})
        return row


def _receipts(sender: CarrierRow) -> HttpReceipts:
    found = registry.http_receipts(sender.kind)
    assert found is not None  # it is one of the senders
    return found


def methods(sender: CarrierRow) -> frozenset[str]:
    """Return the HTTP methods that a carrier may call with."""
    return frozenset({"POST", "GET"} if _receipts(sender).by_get else {"POST"})


def response(sender: CarrierRow) -> tuple[int, str, str]:
    """Return the response that a carrier expects when all is stored: HTTP status, content type and body."""
    return _receipts(sender).response(sender.name, sender.settings)


def called(sender: CarrierRow, raw_path: str, otherwise: str) -> str:
    """Return the URL as the carrier called it; `otherwise`: scheme and authority if `receipt_url` is not set."""
    configured = sender.settings.get("receipt_url")
    return urls.called(configured if isinstance(configured, str) else "", raw_path, otherwise)


def authenticate(sender: CarrierRow, posted: Posted) -> bool:
    """Return whether headers and URL authenticate a post; False: the body must. ReceiptForged: authentication failed.

    ConfigurationError: the carrier's settings cannot be decrypted. ValueError: malformed.
    """
    if is_sealed(sender.settings):
        raise ConfigurationError(f"carrier {sender.name}: its settings cannot be read under this POSTROAD_SECRET_KEY")
    try:
        return _receipts(sender).authenticate(sender.name, sender.settings, posted)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"a field is not of the form it has: {type(error).__name__}") from None


def read(sender: CarrierRow, posted: Posted) -> CarrierEvents:
    """Parse one request of a carrier; return its receipts and other events.

    What is authenticated but cannot be parsed is in `dead`. ValueError: too malformed to be authenticated;
    ReceiptForged: authentication failed.
    """
    try:
        return _receipts(sender).read(sender.name, sender.settings, posted)
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"a field is not of the form it has: {type(error).__name__}") from None


def keep(rt: Runtime, reports: Sequence[Receipt]) -> int:
    """Store receipts without applying them, and without duplicates; return how many were new."""
    with rt.begin() as conn:
        return len(receipts.keep(conn, rt.new_ids(), reports))
