"""Rate limits of API calls: how often an account may send, overall or to one number."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.runtime import Runtime
from pipeline.store.api import rate_limits
from pipeline.store.api.rate_limits import LimitTake, Refused
from pipeline.vault import Vault

__all__ = ["LimitTake", "Refused", "of_number", "rate_limit"]


def rate_limit(rt: Runtime, wanted: Sequence[Sequence[LimitTake]]) -> list[Refused | None]:
    """Take tokens from the limits of each call, all or none; return for each None, or which limit refused it."""
    if not any(wanted):
        return [None] * len(wanted)
    vault = rt.vault_or_none
    return _take_older_too(rt, wanted) if vault and vault.old else rate_limits.take(rt.valkey, wanted)


def _take_older_too(rt: Runtime, wanted: Sequence[Sequence[LimitTake]]) -> list[Refused | None]:
    """Take from the limits under their older names too, so that a rotation of the secret key resets no limit."""
    spread = [[each for one in group for each in _names(one)] for group in wanted]
    places = [[place for place, one in enumerate(group) for _ in _names(one)] for group in wanted]
    judged = rate_limits.take(rt.valkey, spread)
    return [
        refused and replace(refused, place=placed[refused.place])
        for refused, placed in zip(judged, places, strict=True)
    ]


def _names(one: LimitTake) -> list[LimitTake]:
    return [replace(one, key=key, older=()) for key in (one.key, *one.older)]


def of_number(rt: Runtime, account: int, name: str, phone: str, *, rate: float, burst: int) -> LimitTake:
    """Return an account's limit (messages per second, burst) to one number, of which its key has a keyed hash."""
    vault = rt.vault
    key = _key(vault, account, name, phone)
    older = tuple(_key(each, account, name, phone) for each in vault.old) if vault.old else ()
    return LimitTake(key, rate, burst, older=older)


def _key(vault: Vault, account: int, name: str, phone: str) -> str:
    word = vault.digest("limit", str(account), phone).hex()[:32]
    return f"{name}:{word}"
