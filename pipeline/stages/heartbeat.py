"""Tick: write down that the clock goes, for whoever asks how everything stands."""

from pipeline.runtime import Runtime
from pipeline.store import heartbeat


def tick(rt: Runtime) -> None:
    """Note that beat ticked and a worker took it up; Valkey being away is no fault."""
    heartbeat.note(rt.valkey, rt.now())
