"""Restrain: hold back what is sent too often to one number, or by one account."""

from collections.abc import Sequence

from pipeline.runtime import Runtime
from pipeline.store.doors import limits
from pipeline.store.doors.limits import Refused, Take

__all__ = ["Refused", "Take", "of_number", "restrain"]


def restrain(rt: Runtime, wanted: Sequence[Sequence[Take]]) -> list[Refused | None]:
    """Take what each call wants of its limits, all or nothing; return for each None, or which limit refused it."""
    if not any(wanted):
        return [None] * len(wanted)
    return limits.take(rt.valkey, wanted)


def of_number(rt: Runtime, account: int, name: str, phone: str, *, rate: float, burst: int) -> Take:
    """Return the limit of that name on what an account sends to a number; the number stands in it as a keyed hash."""
    word = rt.vault.digest("limit", str(account), phone).hex()[:32]
    return Take(f"{name}:{word}", rate, burst)
