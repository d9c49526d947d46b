"""Retake: give another carrier what one lost, may have lost, or could not deliver. Its sender pays once."""

from pipeline.stages.retake.answers import ask, note
from pipeline.stages.retake.look import Retaken, retake

__all__ = ["Retaken", "ask", "note", "retake"]
