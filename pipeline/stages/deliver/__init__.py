"""Deliver: carry claimed batches to their carrier, portion by portion, each marked before a byte of it goes out."""

from pipeline.stages.deliver.delivery_run import deliver
from pipeline.stages.deliver.recover import recover

__all__ = ["deliver", "recover"]
