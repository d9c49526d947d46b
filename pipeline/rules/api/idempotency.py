"""Which refusals are answers for good, and which are judged anew when the same is asked again."""

import hashlib
from datetime import UTC

from pipeline.rules.numbers import phones
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import RESERVED_APIS, Order, Recipient
from schema.vocabulary import Code, Dialect

#: said when a message is to be paid for; money or a price that is set cures them
UNPAID = frozenset({Code.INSUFFICIENT_FUNDS, Code.NO_PRICE})

#: the name space of keys that come with an Order, not through a vendor's API
ORDERS = "order"

_WORDS = "another order, which asks for something else, came under this {} {}"
CONFLICT = Refusal(
    Code.IDEMPOTENCY_CONFLICT, _WORDS.format("idempotency key", "before: this one was not taken"), "idempotency_key"
)
DOUBLED = Refusal(Code.IDEMPOTENCY_CONFLICT, _WORDS.format("request id", "too: that one was not taken"))


def tells_conflicts(door: str | None) -> bool:
    """Tell whether orders through a door hear of another under their key; the vendors' APIs do as their vendors."""
    return door is None or not (door in RESERVED_APIS or door.partition(".")[0] in _VENDORS)


_VENDORS = frozenset(map(str, Dialect))


def fingerprint(order: Order) -> bytes | None:
    """Return what tells an order from another under its key or request id; None: nobody will ask."""
    if order.idempotency_key is None and not tells_conflicts(order.door):
        return None
    plain = _plain(order) if order.message_class is MessageClass.OTP else order
    # what younger versions added counts where it is used: an order is the same as it was before
    unused = {name for name in ("skip_opt_outs", "country") if not getattr(plain, name)}
    asked = plain.model_dump_json(by_alias=True, exclude={"submitted_at", *unused})
    return hashlib.sha256(asked.encode()).digest()


def _plain(order: Order) -> Order:
    """Return the order of a code with its numbers and times spelt in one way.

    Its text is blotted out before long: its messages do not tell, as others' do, whether it is the same.
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
