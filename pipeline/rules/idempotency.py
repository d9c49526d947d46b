"""Which refusals are answers for good, and which are judged anew when the same is asked again."""

from schema.message import Refusal
from schema.vocabulary import Code

#: said when a message is to be paid for; money or a price that is set cures them
UNPAID = frozenset({Code.INSUFFICIENT_FUNDS, Code.NO_PRICE})

_WORDS = "another order, which asks for something else, came under this {} {}"
CONFLICT = Refusal(
    Code.IDEMPOTENCY_CONFLICT, _WORDS.format("idempotency key", "before: this one was not taken"), "idempotency_key"
)
DOUBLED = Refusal(Code.IDEMPOTENCY_CONFLICT, _WORDS.format("request id", "too: that one was not taken"))
