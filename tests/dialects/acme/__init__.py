"""Acme's API: an example of a dialect, whole and small (docs/dialects.md). It is not part of the product."""

from pipeline.dialects.contract import Dialect
from pipeline.rules.text.segments import Capacity
from tests.dialects.acme import webhooks
from tests.dialects.acme.authentication import AUTHENTICATION
from tests.dialects.acme.key_settings import SCOPES, SETTINGS, make_key
from tests.dialects.acme.openapi import document
from tests.dialects.acme.operations import OPERATIONS
from tests.dialects.acme.requests import API

DIALECT = Dialect(
    name="acme",
    authentication=AUTHENTICATION,
    operations=OPERATIONS,
    document=document,
    webhooks=webhooks,
    key_settings=SETTINGS,
    scopes=SCOPES,
    make_key=make_key,
    # Acme counts 60 characters per part of a long UCS-2 message
    billing={API: Capacity(ucs2_part=60)},
)

__all__ = ["DIALECT"]
