"""Postroad's webhooks: changes of messages and campaigns, and inbound messages (www.standardwebhooks.com).

    POST {url}    webhook-id: <event>    webhook-timestamp: 1766570400    webhook-signature: v1,<base64>
    {"type": "message.delivered", "timestamp", "data": {"id", "request_id", "status", "to", "sender", …}}

The signature is HMAC-SHA256 of `{id}.{timestamp}.{raw body}`. For a day after a rotation there are two, the newest
first. An event has one id at each try and endpoint: receivers discard ids that they know.
"""

import json
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.dialects.postroad.campaign_responses import campaign, counts
from pipeline.dialects.postroad.responses import cost, instant, instant_or_none
from pipeline.dialects.postroad.webhook_signature import sign
from schema.api import CampaignEvent, InboundEvent, MessageEvent, WebhookPost
from schema.vocabulary import CampaignState, Status

#: as Standard Webhooks proposes it: a day and a half in all
SCHEDULE: tuple[float, ...] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400)
TIMEOUT: float = 20
SUCCESSES: Container[int] = range(200, 300)

#: none for scheduled: the response to the request says it
EVENTS = {
    Status.QUEUED: "message.queued",
    Status.SENT: "message.sent",
    Status.DELIVERED: "message.delivered",
    Status.FAILED: "message.failed",
    Status.REJECTED: "message.rejected",
    Status.CANCELLED: "message.cancelled",
}
INBOUND = "message.inbound"
CAMPAIGN_EVENTS = {
    CampaignState.QUOTED: "campaign.quoted",
    CampaignState.FAILED: "campaign.failed",
    CampaignState.STALE: "campaign.stale",
    CampaignState.RUNNING: "campaign.running",
    CampaignState.PAUSED: "campaign.paused",
    CampaignState.FINISHED: "campaign.finished",
    CampaignState.ABORTED: "campaign.aborted",
    CampaignState.EXPIRED: "campaign.expired",
}
#: all events that an endpoint may subscribe to
ALL = (*EVENTS.values(), INBOUND, *CAMPAIGN_EVENTS.values())
#: what a campaign's events leave out: texts
TEXTS = {"body", "merge"}


def compose(notification: MessageEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
    """Return the webhook call for an event; None: there is none for its status, or the endpoint did not subscribe."""
    event = EVENTS.get(notification.status)
    if event is None or (notification.listens_to and event not in notification.listens_to):
        return None
    content = {"type": event, "timestamp": instant(notification.at), "data": _data(notification)}
    return _post(notification.event, content, secrets, now)


def compose_inbound(notification: InboundEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
    """Return the webhook call for an inbound message; None: the endpoint did not subscribe to them."""
    if notification.listens_to and INBOUND not in notification.listens_to:
        return None
    data = {
        "id": str(notification.event),
        "from": notification.phone,
        "to": notification.sender,
        "body": notification.body,
        "action": str(notification.action),
        "carrier": notification.carrier,
        "sent_at": instant_or_none(notification.at),
        "received_at": instant(notification.received_at),
        "campaign_id": notification.answered and str(notification.answered),
    }
    content = {"type": INBOUND, "timestamp": instant(notification.received_at), "data": data}
    return _post(notification.event, content, secrets, now)


def compose_campaign(notification: CampaignEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
    """Return the webhook call for a campaign's new state, without texts; None: the endpoint did not subscribe."""
    event = CAMPAIGN_EVENTS[notification.campaign.state]
    if notification.listens_to and event not in notification.listens_to:
        return None
    found = notification.campaign
    shown = campaign(found, counts(notification.progress, found.currency))
    data = {name: value for name, value in shown.items() if name not in TEXTS}
    content = {"type": event, "timestamp": instant(notification.at), "data": data | {"cause": notification.cause}}
    return _post(notification.event, content, secrets, now)


def _post(event: UUID, content: Mapping[str, Any], secrets: Sequence[bytes], now: datetime) -> WebhookPost:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    id_, timestamp = str(event), int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, id_, timestamp, body),
    }
    return WebhookPost(headers, body)


def _data(notification: MessageEvent) -> dict[str, Any]:
    return {
        "id": str(notification.message),
        "request_id": str(notification.request),
        "status": str(notification.status),
        "test": notification.test,
        "to": notification.phone,
        "country": notification.country or None,
        "sender": notification.sender,
        "correlation_id": notification.correlation_id,
        "segments": notification.segments,
        "encoding": notification.encoding,
        "cost": cost(notification.amount, notification.currency),
        "quota_segments": notification.quota,
        "error_code": notification.error_code and str(notification.error_code),
        "created_at": instant(notification.created_at),
    }
