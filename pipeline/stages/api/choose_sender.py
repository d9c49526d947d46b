"""Senders: say under which name an account sends, where its API lets it name none or one it does not have."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.rules.numbers import phones, senders
from pipeline.runtime import Runtime
from pipeline.store import accounts


@dataclass(frozen=True, slots=True)
class SenderPreference:
    """The names an account would send under, the dearest first."""

    account: int
    senders: tuple[str, ...] = ()
    #: E.164: where it goes
    phone: str = ""


def choose_senders(rt: Runtime, wishes: Sequence[SenderPreference]) -> list[str | None]:
    """Return for each wish the first name in it that is approved where it goes, else the account's first, or None."""
    with rt.read_only() as conn:
        approved = accounts.approved_senders(conn, (each.account for each in wishes))
    countries = phones.countries(wish.phone for wish in wishes)
    return [
        senders.choose(wish.senders, approved.get(wish.account, []), country)
        for wish, country in zip(wishes, countries, strict=True)
    ]
