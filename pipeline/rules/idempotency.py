"""Which refusals are answers for good, and which are judged anew when the same is asked again."""

import hashlib

from schema.message import Refusal
from schema.order import RESERVED_DOORS, Order
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
    return door is None or not (door in RESERVED_DOORS or door.partition(".")[0] in _VENDORS)


_VENDORS = frozenset(map(str, Dialect))


def fingerprint(order: Order) -> bytes | None:
    """Return what tells an order from another under its key or request id; None: nobody will ask."""
    if order.idempotency_key is None and not tells_conflicts(order.door):
        return None
    # what younger versions added counts where it is used: an order is the same as it was before
    unused = {name for name in ("skip_opt_outs", "country") if not getattr(order, name)}
    asked = order.model_dump_json(by_alias=True, exclude={"submitted_at", *unused})
    return hashlib.sha256(asked.encode()).digest()
