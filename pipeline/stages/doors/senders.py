"""Senders: say under which name an account sends, where its API lets it name none or one it does not have."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.runtime import Runtime
from pipeline.store import accounts


@dataclass(frozen=True, slots=True)
class Wish:
    """The names an account would send under, the dearest first."""

    account: int
    senders: tuple[str, ...] = ()


def choose_senders(rt: Runtime, wishes: Sequence[Wish]) -> list[str | None]:
    """Return for each wish the first name in it that is approved, else the account's first; None: it has none."""
    with rt.begin() as conn:
        approved = accounts.approved_senders(conn, (each.account for each in wishes))
    return [_choice(wish.senders, approved.get(wish.account, [])) for wish in wishes]


def _choice(wished: Sequence[str], approved: Sequence[str]) -> str | None:
    return next((each for each in wished if each in approved), approved[0] if approved else None)
