"""Retake: give another carrier what one lost, may have lost, or could not deliver. Its sender pays once."""

from pipeline.stages.resend.candidates import ResendResult, resend_due
from pipeline.stages.resend.carrier_answers import ask, note

__all__ = ["ResendResult", "ask", "note", "resend_due"]
