"""Robase's operations: `/v1/sms`, `/v1/sms-templates`, `/v1/sender-ids`, `/v1/webhooks`."""

from pipeline.dialects.robase.operations import messages, sender_ids, templates, webhook_endpoints

OPERATIONS = (
    *messages.OPERATIONS,
    *templates.OPERATIONS,
    *sender_ids.OPERATIONS,
    *webhook_endpoints.OPERATIONS,
)

__all__ = ["OPERATIONS"]
