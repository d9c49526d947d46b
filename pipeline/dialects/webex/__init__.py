"""Webex Interact's API: SMS to up to 10,000 numbers per request (docs.webexinteract.com)."""

from pipeline.dialects.contract import Dialect
from pipeline.dialects.webex import webhooks
from pipeline.dialects.webex.authentication import AUTHENTICATION
from pipeline.dialects.webex.key_settings import SCOPES, SETTINGS, make_key
from pipeline.dialects.webex.openapi import document
from pipeline.dialects.webex.operations import OPERATIONS
from pipeline.dialects.webex.requests import BILLING

DIALECT = Dialect(
    name="webex",
    authentication=AUTHENTICATION,
    operations=OPERATIONS,
    document=document,
    webhooks=webhooks,
    key_settings=SETTINGS,
    scopes=SCOPES,
    make_key=make_key,
    handshake=webhooks,
    billing=BILLING,
)

__all__ = ["DIALECT"]
