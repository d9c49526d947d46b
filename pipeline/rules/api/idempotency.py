"""Idempotency: fingerprints of orders, conflicts, and which refusals are stored and replayed."""

import hashlib
from datetime import UTC

from pipeline.rules.numbers import phones
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import RESERVED_APIS, Order, Recipient
from schema.vocabulary import Code

#: refusals at billing; a payment or a new price resolves them, so they are not replayed
UNPAID = frozenset({Code.INSUFFICIENT_FUNDS, Code.NO_PRICE})

#: scope of idempotency keys that come with an Order, not through a vendor's API
ORDERS = "order"

_WORDS = "another order with different content has this {}: {}"
CONFLICT = Refusal(
    Code.IDEMPOTENCY_CONFLICT, _WORDS.format("idempotency key", "this order was not accepted"), "idempotency_key"
)
DUPLICATE_ID = Refusal(Code.IDEMPOTENCY_CONFLICT, _WORDS.format("request id", "that order was not accepted"))


def reports_conflicts(door: str | None, *, by_api: bool) -> bool:
    """Tell whether an order gets a conflict with an earlier one under its key; vendors' APIs have their own rules."""
    return not by_api and door not in RESERVED_APIS


def fingerprint(order: Order, *, by_api: bool = False) -> bytes | None:
    """Return the hash that tells an order from another under its key or request id; None: it has neither."""
    if order.idempotency_key is None and not reports_conflicts(order.door, by_api=by_api):
        return None
    plain = _plain(order) if order.message_class is MessageClass.OTP else order
    # fields of later versions count only where they are set: older orders keep their fingerprint
    unused = {name for name in ("skip_opt_outs", "country") if not getattr(plain, name)}
    asked = plain.model_dump_json(by_alias=True, exclude={"submitted_at", *unused})
    return hashlib.sha256(asked.encode()).digest()


def _plain(order: Order) -> Order:
    """Return the order of a one-time code with its numbers and times normalised.

    Its text is redacted soon, so unlike with other classes its stored messages cannot be compared with it.
    """
    times = {name: at.astimezone(UTC) for name in ("send_at", "valid_until") if (at := getattr(order, name))}
    recipients = [_plainly(each, order.country) for each in order.recipients]
    return order.model_copy(update={"recipients": recipients, "country": None, **times})


def _plainly(recipient: Recipient, country: str | None) -> Recipient:
    said = recipient.country or country
    [number] = phones.normalise([recipient.to], said)
    if number is None:
        return recipient.model_copy(update={"country": said})
    own = recipient.country if recipient.country != number.country else None
    return recipient.model_copy(update={"to": number.e164, "country": own})
