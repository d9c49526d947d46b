"""Persons of an account, as operators add, list and remove them: the same rows that the account's API writes."""

import re
from typing import Any

from pipeline.errors import AlreadyExists, InvalidInput
from pipeline.rules.numbers import phones
from pipeline.rules.numbers.sandbox_numbers import SANDBOX_NUMBERS
from pipeline.runtime import Runtime
from pipeline.store import accounts
from pipeline.store.api import person_events, persons
from schema.vocabulary import NumberMove

Row = dict[str, Any]

_PERSON = re.compile(r"[\x21-\x7e]{1,255}")


def add_person(
    rt: Runtime,
    account: str,
    person: str,
    phone: str | None = None,
    *,
    country: str | None = None,
    verified: bool = False,
) -> None:
    """Add a person with an optional number; a person that exists without a number gets this one.

    `country` (ISO 3166) is where the number is dialled if it has no plus.

    InvalidInput: invalid id or number; AlreadyExists: the person has a number already; NotFound: no such account.
    """
    if not _PERSON.fullmatch(person):
        raise InvalidInput(f"{person!r} cannot be a person's id: up to 255 letters, digits and signs, no blanks")
    if verified and phone is None:
        raise InvalidInput("only a number can be verified: give --phone too")
    number, number_id = _e164(phone, country) if phone is not None else None, rt.new_ids()
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id
        persons.create(conn, owner, person)
        if number is None:
            return
        if not persons.set_number(conn, owner, person, number, number_id, verified=verified):
            raise AlreadyExists(f"the person {person!r} has a number already: delete that one first")
        person_events.record(conn, rt.new_ids(), owner, person, number_id, NumberMove.CREATED, rt.now())


def remove_person_number(rt: Runtime, account: str, person: str) -> bool:
    """Remove a person's number; return whether there was one."""
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id
        found = persons.get(conn, owner, person)
        if not (found and found.phone_id and persons.remove_number(conn, owner, person, found.phone_id)):
            return False
        person_events.record(conn, rt.new_ids(), owner, person, found.phone_id, NumberMove.DELETED, rt.now())
    return True


def list_persons(rt: Runtime, account: str) -> list[Row]:
    """Return an account's persons with their numbers."""
    with rt.begin() as conn:
        return persons.listing(conn, accounts.named(conn, account).id)


def _e164(phone: str, country: str | None) -> str:
    if phone in SANDBOX_NUMBERS:
        return phone
    [found] = phones.normalise([phone], country)
    if found is None:
        raise InvalidInput(phones.phone_fault(phone, country))
    return found.e164
