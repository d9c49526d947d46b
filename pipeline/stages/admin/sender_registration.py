"""Sender ids, as operators register, approve and reject them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import require
from pipeline.rules.numbers.look_alike_senders import look_alikes
from pipeline.rules.numbers.senders import is_sender
from pipeline.runtime import Runtime
from pipeline.store import accounts
from schema.vocabulary import SenderState

Row = dict[str, Any]

_COUNTRY = re.compile(r"[A-Z]{2}")


def set_sender(
    rt: Runtime,
    name: str,
    sender: str,
    state: SenderState = SenderState.APPROVED,
    reason: str | None = None,
    countries: Sequence[str] | None = None,
) -> None:
    """Register a sender id on an account, or change its state; the account sees the reason. InvalidInput, NotFound.

    `countries` (ISO 3166) are those it may be used in; empty: all, None: unchanged.
    """
    words = f"{sender!r} cannot be a sender: up to 11 letters, digits and blanks with a letter among them, or a number"
    require(is_sender(sender), words)
    for country in countries or ():
        require(_COUNTRY.fullmatch(country), f"{country!r} is not a country: write its ISO 3166 code, such as NG")
    with rt.begin() as conn:
        accounts.set_sender(conn, accounts.named(conn, name).id, sender, state, reason, countries)


def list_senders(rt: Runtime, name: str) -> list[Row]:
    """Return the sender ids of an account, those that wait for approval first; NotFound."""
    with rt.read_only() as conn:
        return accounts.list_senders(conn, accounts.named(conn, name).id)


def senders_alike(rt: Runtime, name: str) -> Mapping[str, list[str]]:
    """Return the sender ids of an account that look like approved ones of others, each with those; NotFound.

    It names other accounts: not for the account's own users.
    """
    with rt.read_only() as conn:
        account = accounts.named(conn, name).id
        own = [row["sender"] for row in accounts.list_senders(conn, account)]
        return look_alikes(own, accounts.senders_of_others(conn, account))
