"""Resend: new attempts for messages that are unknown, undelivered or without a receipt; the sender pays once."""

from pipeline.stages.resend.candidates import ResendResult, resend_due
from pipeline.stages.resend.carrier_answers import query_carrier, store_answers
from pipeline.stages.resend.on_request import obstacles, resend_portion

__all__ = [
    "ResendResult",
    "obstacles",
    "query_carrier",
    "resend_due",
    "resend_portion",
    "store_answers",
]
