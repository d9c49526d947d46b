"""Robase's SMS API (docs.robase.dev, as of April 2026)."""

from pipeline.dialects.contract import Dialect
from pipeline.dialects.robase import webhooks
from pipeline.dialects.robase.authentication import AUTHENTICATION
from pipeline.dialects.robase.key_settings import SCOPES, SETTINGS, make_key
from pipeline.dialects.robase.openapi import document
from pipeline.dialects.robase.operations import OPERATIONS

DIALECT = Dialect(
    name="robase",
    authentication=AUTHENTICATION,
    operations=OPERATIONS,
    document=document,
    webhooks=webhooks,
    key_settings=SETTINGS,
    scopes=SCOPES,
    make_key=make_key,
)

__all__ = ["DIALECT"]
