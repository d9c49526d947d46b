"""Deliver: carry claimed batches to their carrier, portion by portion, each marked before a byte of it goes out."""

from pipeline.stages.deliver.recover import recover
from pipeline.stages.deliver.trip import deliver

__all__ = ["deliver", "recover"]
