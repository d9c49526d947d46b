"""Robase's door: `/v1/sms`, `/v1/sms-templates`, `/v1/sender-ids`, `/v1/webhooks`."""

from pipeline.dialects.robase.authentication import AUTHENTICATION
from workers.api.dispatch import ApiDispatcher
from workers.api.robase import senders, sms, templates, webhooks

ENTRY = ApiDispatcher(
    AUTHENTICATION, (*sms.OPERATIONS, *templates.OPERATIONS, *senders.OPERATIONS, *webhooks.OPERATIONS)
)

__all__ = ["ENTRY"]
