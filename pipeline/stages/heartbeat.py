"""Heartbeat of Celery beat: record its ticks in Valkey, for the overview of operators."""

from pipeline.runtime import Runtime
from pipeline.store import heartbeat


def tick(rt: Runtime) -> None:
    """Record the time of a tick of beat that a worker handled; without Valkey nothing is recorded, without an error."""
    heartbeat.note(rt.valkey, rt.now())
