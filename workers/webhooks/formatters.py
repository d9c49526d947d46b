"""Which module tells the news in which dialect, and which greets whom it is to be told."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.dialects.contract import EndpointHandshake, WebhookFormatter
from pipeline.dialects.robase import webhooks as robase
from pipeline.dialects.solaris import webhooks as solaris
from pipeline.dialects.telesign import webhooks as telesign
from pipeline.dialects.webex import webhooks as webex
from schema.api import MessageEvent, PersonEvent, WebhookPost
from schema.vocabulary import Dialect

FORMATTERS: Mapping[Dialect, WebhookFormatter] = {
    Dialect.SOLARIS: solaris,
    Dialect.ROBASE: robase,
    Dialect.TELESIGN: telesign,
    Dialect.WEBEX: webex,
}

GREETERS: Mapping[Dialect, EndpointHandshake] = {
    Dialect.SOLARIS: solaris,
    Dialect.WEBEX: webex,
}


def compose(
    formatter: WebhookFormatter, notification: MessageEvent | PersonEvent, secrets: Sequence[bytes], now: datetime
) -> WebhookPost | None:
    """Return the call that tells it; None: there is no word for it, or the endpoint does not hear it."""
    if isinstance(notification, PersonEvent):  # only Solaris keeps persons
        return solaris.compose_number(notification, secrets)
    return formatter.compose(notification, secrets, now)
