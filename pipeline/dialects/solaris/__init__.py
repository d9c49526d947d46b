"""Solaris' API: informational SMS to persons with a verified mobile number (docs.solarisgroup.com)."""

from pipeline.dialects.contract import Dialect
from pipeline.dialects.solaris import webhooks
from pipeline.dialects.solaris.authentication import AUTHENTICATION
from pipeline.dialects.solaris.key_settings import SCOPES, SETTINGS, make_key
from pipeline.dialects.solaris.openapi import document
from pipeline.dialects.solaris.operations import OPERATIONS

DIALECT = Dialect(
    name="solaris",
    authentication=AUTHENTICATION,
    operations=OPERATIONS,
    document=document,
    webhooks=webhooks,
    key_settings=SETTINGS,
    scopes=SCOPES,
    make_key=make_key,
    handshake=webhooks,
    person_webhook=webhooks.compose_number,
)

__all__ = ["DIALECT"]
