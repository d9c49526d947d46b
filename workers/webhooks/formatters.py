"""Formats webhook calls: the webhook formatter of each dialect."""

from collections.abc import Sequence
from datetime import datetime

from pipeline.dialects.contract import WebhookFormatter
from pipeline.dialects.registry import DIALECTS
from schema.api import CampaignEvent, InboundEvent, MessageEvent, PersonEvent, WebhookPost


def formatters() -> dict[str, WebhookFormatter]:
    """Return the webhook formatters by the dialect's name."""
    return {name: each.webhooks for name, each in DIALECTS.items()}


def compose(
    formatter: WebhookFormatter,
    notification: MessageEvent | PersonEvent | InboundEvent | CampaignEvent,
    secrets: Sequence[bytes],
    now: datetime,
) -> WebhookPost | None:
    """Return the webhook call for an event; None if the dialect has none, or the endpoint did not subscribe to it."""
    if isinstance(notification, PersonEvent):
        composed = DIALECTS[notification.dialect].person_webhook
        return composed(notification, secrets) if composed else None
    if isinstance(notification, InboundEvent):
        composing = DIALECTS[notification.dialect].inbound_webhook
        return composing(notification, secrets, now) if composing else None
    if isinstance(notification, CampaignEvent):
        campaign_call = DIALECTS[notification.dialect].campaign_webhook
        return campaign_call(notification, secrets, now) if campaign_call else None
    return formatter.compose(notification, secrets, now)
