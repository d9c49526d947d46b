"""TeleSign's SMS Verify API: forms in, JSON out, requests signed with the customer's key (developer.telesign.com)."""

from pipeline.dialects.contract import Dialect
from pipeline.dialects.telesign import webhooks
from pipeline.dialects.telesign.authentication import AUTHENTICATION
from pipeline.dialects.telesign.key_settings import SCOPES, SETTINGS, make_key
from pipeline.dialects.telesign.openapi import document
from pipeline.dialects.telesign.operations import OPERATIONS

DIALECT = Dialect(
    name="telesign",
    authentication=AUTHENTICATION,
    operations=OPERATIONS,
    document=document,
    webhooks=webhooks,
    key_settings=SETTINGS,
    scopes=SCOPES,
    make_key=make_key,
    signs_with_key=True,
)

__all__ = ["DIALECT"]
