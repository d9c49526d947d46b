"""Compliance settings of operators: allowed countries, opt-outs, keywords, quiet hours; and the inbound messages."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from phonenumbers import SUPPORTED_REGIONS

from pipeline.errors import InvalidInput, NotFound
from pipeline.rules.consent import consent_numbers
from pipeline.rules.consent.quiet_hours import QuietRule
from pipeline.rules.consent.stop_keyword_detection import Keyword, spell
from pipeline.rules.numbers import phones
from pipeline.rules.numbers.senders import is_sender
from pipeline.rules.routing.destinations import EVERYWHERE
from pipeline.rules.text import templates
from pipeline.runtime import Connection, Runtime
from pipeline.store import accounts
from pipeline.store.consent import inbound, keywords, opt_outs, quiet_hours
from pipeline.store.consent.opt_outs import EVERYBODY, OptOut
from schema.message_class import MessageClass
from schema.vocabulary import InboundAction, QuietAction

Row = dict[str, Any]

#: opt-outs written by one statement
_PORTION = 5000
#: maximum length of a keyword's reply, in characters
_MOST_TEXT = 1600
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


# Countries ----------------------------------------------------------------------------------------------------


def allow(rt: Runtime, account: str, countries: Sequence[str]) -> None:
    """Restrict an account to these countries (ISO 3166); none: everywhere. InvalidInput or NotFound."""
    for country in countries:
        _check_country(country)
    with rt.begin() as conn:
        accounts.set_countries(conn, accounts.named(conn, account).id, sorted(set(countries)))


# Opt-outs -----------------------------------------------------------------------------------------------------


def opt_out(
    rt: Runtime,
    account: str | None,
    phone: str,
    sender: str = "",
    message_class: MessageClass | None = None,
    country: str | None = None,
) -> bool:
    """Add an opt-out of a number from an account (None: from all), from one sender or class if given.

    `country` (ISO 3166) is where it is dialled if it has no plus. Return whether it is new. InvalidInput or NotFound.
    """
    number = _phone(phone, country)
    with rt.begin() as conn:
        return opt_outs.add(conn, [(_opt_out(conn, account, number, sender, message_class), "operator")]) == 1


def opt_in(
    rt: Runtime,
    account: str | None,
    phone: str,
    sender: str = "",
    message_class: MessageClass | None = None,
    country: str | None = None,
) -> None:
    """Remove an opt-out, given as in `opt_out`; NotFound: there is no such opt-out. InvalidInput."""
    number = _phone(phone, country)
    with rt.begin() as conn:
        if not opt_outs.remove(conn, [_opt_out(conn, account, number, sender, message_class)]):
            raise NotFound("there is no such opt-out: `postroad optout list` shows them")


def import_opt_outs(
    rt: Runtime, account: str | None, numbers: Sequence[str], sender: str = "", country: str | None = None
) -> tuple[int, int, dict[int, str]]:
    """Add an opt-out for each of these numbers; return how many were new, how many existed, and the faults of invalid
    numbers by index.

    `country` (ISO 3166) is where numbers without a plus are dialled.
    """
    _check_sender(sender)
    read = [consent_numbers.read(number, country) for number in numbers]
    wanted = sorted({each for each in read if each})
    with rt.begin() as conn:
        owner = EVERYBODY if account is None else accounts.named(conn, account).id
        new = sum(
            opt_outs.add(conn, [(OptOut(owner, phone, sender), "import") for phone in wanted[start : start + _PORTION]])
            for start in range(0, len(wanted), _PORTION)
        )
    bad = {place: phones.phone_fault(numbers[place], country) for place, each in enumerate(read) if each is None}
    return new, len(read) - len(bad) - new, bad


def list_opt_outs(
    rt: Runtime, account: str | None, phone: str | None, limit: int, country: str | None = None
) -> list[Row]:
    """Return up to `limit` opt-outs, the latest first, of one account (None: all) and one number (None: all)."""
    number = _phone(phone, country) if phone else None
    with rt.read_only() as conn:
        return opt_outs.listing(conn, accounts.named(conn, account).id if account else None, number, limit)


def _opt_out(
    conn: Connection, account: str | None, number: str, sender: str, message_class: MessageClass | None
) -> OptOut:
    _check_sender(sender)
    owner = EVERYBODY if account is None else accounts.named(conn, account).id
    return OptOut(owner, number, sender, str(message_class) if message_class else "")


# Inbound messages ---------------------------------------------------------------------------------------------


def list_inbound(rt: Runtime, account: str | None, since: datetime, limit: int) -> list[Row]:
    """Return up to `limit` inbound messages since then, the latest first, of one account (None: all)."""
    with rt.read_only() as conn:
        owner = accounts.named(conn, account).id if account else None
        return inbound.listing(conn, owner, since, limit)


def set_keyword(rt: Runtime, account: str | None, word: str, action: InboundAction, reply: str | None) -> str:
    """Set a keyword of an account (None: of all) with its action and reply; return it normalised. InvalidInput."""
    spelt = spell(word)
    if not spelt:
        raise InvalidInput(f"{word!r} is no keyword: it needs a letter or a digit")
    if reply is not None:
        if not reply.strip() or "\x00" in reply or len(reply) > _MOST_TEXT:
            raise InvalidInput(f"a reply is a text of at most {_MOST_TEXT} characters")
        if templates.compile(reply).names:
            raise InvalidInput("a reply has no merge fields: nothing is there to fill them with")
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id if account else None
        keywords.put(conn, Keyword(spelt, action, reply, owner))
    return spelt


def drop_keyword(rt: Runtime, account: str | None, word: str) -> None:
    """Remove a keyword of an account (None: of all); NotFound."""
    with rt.begin() as conn:
        if not keywords.drop(conn, accounts.named(conn, account).id if account else None, spell(word)):
            raise NotFound(f"there is no keyword {word!r}: `postroad keyword list` shows them")


def list_keywords(rt: Runtime, account: str | None) -> list[Row]:
    """Return the registered keywords, the common ones first: all (None), or those that apply to one account."""
    with rt.read_only() as conn:
        return keywords.listing(conn, accounts.named(conn, account).id if account else None)


# Quiet hours --------------------------------------------------------------------------------------------------


def set_quiet(
    rt: Runtime,
    account: str | None,
    country: str,
    message_class: MessageClass,
    begins: str,
    ends: str,
    action: QuietAction,
) -> None:
    """Set quiet hours (21:00 to 08:00) of a country (or *) for an account (None: for all). InvalidInput, NotFound."""
    if country != EVERYWHERE:
        _check_country(country)
    rule = QuietRule(country, message_class, _minute(begins), _minute(ends), action)
    with rt.begin() as conn:
        quiet_hours.put(conn, accounts.named(conn, account).id if account else None, rule)


def drop_quiet(rt: Runtime, account: str | None, country: str, message_class: MessageClass) -> None:
    """Remove the quiet hours of a country and class; NotFound."""
    with rt.begin() as conn:
        if not quiet_hours.drop(conn, accounts.named(conn, account).id if account else None, country, message_class):
            raise NotFound(f"no quiet hours {country} {message_class}: `postroad quiet list` shows them")


def list_quiet(rt: Runtime) -> list[Row]:
    """Return all quiet hours, the common ones first."""
    with rt.read_only() as conn:
        return quiet_hours.listing(conn)


# Validation ---------------------------------------------------------------------------------------------------


def _minute(clock: str) -> int:
    found = _CLOCK.fullmatch(clock)
    if found is None:
        raise InvalidInput(f"{clock!r} is no time of day: write 21:00")
    return int(found[1]) * 60 + int(found[2])


def _phone(text: str, country: str | None) -> str:
    number = consent_numbers.read(text, country)
    if number is None:
        raise InvalidInput(phones.phone_fault(text, country))
    return number


def _check_country(word: str) -> None:
    if word not in SUPPORTED_REGIONS:
        raise InvalidInput(f"{word!r} is no country: write its ISO 3166 code, such as NG")


def _check_sender(word: str) -> None:
    if word and not is_sender(word):
        raise InvalidInput(f"{word!r} cannot be a sender")
