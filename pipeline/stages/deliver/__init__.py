"""Deliver: submit claimed batches to their carrier in portions, each marked in the database before it is sent."""

from pipeline.stages.deliver.delivery_run import deliver
from pipeline.stages.deliver.recover import recover

__all__ = ["deliver", "recover"]
