"""Robase's door: `/v1/sms`, `/v1/sms-templates`, `/v1/sender-ids`, `/v1/webhooks`."""

from pipeline.dialects.robase.manner import MANNER
from workers.doors.entry import Entry
from workers.doors.robase import senders, sms, templates, webhooks

ENTRY = Entry(MANNER, (*sms.OPERATIONS, *templates.OPERATIONS, *senders.OPERATIONS, *webhooks.OPERATIONS))

__all__ = ["ENTRY"]
