"""Which module tells the news in which dialect, and which greets whom it is to be told."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.dialects.contract import Greeter, Herald
from pipeline.dialects.robase import webhooks as robase
from pipeline.dialects.solaris import webhooks as solaris
from pipeline.dialects.telesign import webhooks as telesign
from pipeline.dialects.webex import webhooks as webex
from schema.door import NumberTold, Posting, Told
from schema.vocabulary import Dialect

HERALDS: Mapping[Dialect, Herald] = {
    Dialect.SOLARIS: solaris,
    Dialect.ROBASE: robase,
    Dialect.TELESIGN: telesign,
    Dialect.WEBEX: webex,
}

GREETERS: Mapping[Dialect, Greeter] = {
    Dialect.SOLARIS: solaris,
    Dialect.WEBEX: webex,
}


def compose(herald: Herald, told: Told | NumberTold, secrets: Sequence[bytes], now: datetime) -> Posting | None:
    """Return the call that tells it; None: there is no word for it, or the endpoint does not hear it."""
    if isinstance(told, NumberTold):  # only Solaris keeps persons
        return solaris.compose_number(told, secrets)
    return herald.compose(told, secrets, now)
