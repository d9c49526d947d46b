"""Choice of the sender id, for APIs whose calls may omit it or give one that the account does not have."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.rules.numbers import phones, senders
from pipeline.runtime import Runtime
from pipeline.store import accounts


@dataclass(frozen=True, slots=True)
class SenderPreference:
    """The sender ids that an account prefers, the most preferred first."""

    account: int
    senders: tuple[str, ...] = ()
    #: the recipient, E.164
    phone: str = ""


def choose_senders(rt: Runtime, preferences: Sequence[SenderPreference]) -> list[str | None]:
    """Return for each preference its first sender approved in the recipient's country, else the account's, or None."""
    with rt.read_only() as conn:
        approved = accounts.approved_senders(conn, (each.account for each in preferences))
    countries = phones.countries(preference.phone for preference in preferences)
    return [
        senders.choose(preference.senders, approved.get(preference.account, []), country)
        for preference, country in zip(preferences, countries, strict=True)
    ]
