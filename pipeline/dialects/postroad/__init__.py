"""Postroad's own HTTP API: messages, inbound messages, campaigns, templates, balance, webhooks (docs/api.md)."""

from pipeline.dialects.contract import Dialect
from pipeline.dialects.postroad import webhooks
from pipeline.dialects.postroad.authentication import AUTHENTICATION
from pipeline.dialects.postroad.key_settings import SCOPES, SETTINGS, make_key
from pipeline.dialects.postroad.openapi import document
from pipeline.dialects.postroad.operations import OPERATIONS

DIALECT = Dialect(
    name="postroad",
    authentication=AUTHENTICATION,
    operations=OPERATIONS,
    document=document,
    webhooks=webhooks,
    key_settings=SETTINGS,
    scopes=SCOPES,
    make_key=make_key,
    inbound_webhook=webhooks.compose_inbound,
    campaign_webhook=webhooks.compose_campaign,
)

__all__ = ["DIALECT"]
