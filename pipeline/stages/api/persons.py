"""Persons of an account for its API: each may have one number, which is verified by a code sent to it."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.rules.numbers import phones, senders
from pipeline.runtime import Runtime
from pipeline.store import accounts, requests
from pipeline.store.api import person_events, persons
from schema.api import Person
from schema.value_class import value_class
from schema.vocabulary import NumberMove


@value_class
class PersonQuery:
    """A person that a request is sent to."""

    account: int
    person: str
    #: name space of the idempotency key, and the key; None: the request has none
    door: str = ""
    key: str | None = None


@value_class
class FoundPerson:
    """A person with the sender that the account would use, and whether the request is a repetition."""

    person: Person | None
    #: the account's first sender that is approved in the number's country; None: it has none
    sender: str | None
    #: whether the idempotency key was used by a paid request: its response is repeated
    is_replay: bool


def look_up(rt: Runtime, wanted: Sequence[PersonQuery]) -> list[FoundPerson]:
    """Return each person with its sender, in order."""
    with rt.read_only() as conn:
        rows = persons.find(conn, [(each.account, each.person, each.door, each.key) for each in wanted])
        anew = requests.unpaid(conn, {request for _, request in rows if request})
        approved = accounts.approved_senders(conn, (each.account for each in wanted))
    countries = phones.countries(person.phone or "" if person else "" for person, _ in rows)
    return [
        FoundPerson(
            person,
            senders.choose((), approved.get(each.account, []), country),
            request is not None and request not in anew,
        )
        for each, (person, request), country in zip(wanted, rows, countries, strict=True)
    ]


def find(rt: Runtime, account: int, person: str) -> Person | None:
    """Return a person of an account, or None."""
    with rt.read_only() as conn:
        return persons.get(conn, account, person)


def insert_person(rt: Runtime, account: int, person: str, *, test: bool = False) -> bool:
    """Create a person without a number; return False if it exists already."""
    with rt.begin() as conn:
        return persons.create(conn, account, person, test=test)


def add_number(rt: Runtime, account: int, person: str, phone: str) -> Person | None:
    """Add an unverified number to a person; return the person, or None if it has a number already."""
    number = rt.new_ids()
    with rt.begin() as conn:
        if not persons.set_number(conn, account, person, phone, number):
            return None
        person_events.record(conn, rt.new_ids(), account, person, number, NumberMove.CREATED, rt.now())
        return persons.get(conn, account, person)


def drop_number(rt: Runtime, account: int, person: str, phone_id: UUID) -> bool:
    """Remove a person's number; return False if the person does not have it any more."""
    with rt.begin() as conn:
        if not persons.remove_number(conn, account, person, phone_id):
            return False
        person_events.record(conn, rt.new_ids(), account, person, phone_id, NumberMove.DELETED, rt.now())
    return True


def set_challenge(rt: Runtime, account: int, person: str, phone_id: UUID, challenge: UUID) -> bool:
    """Make this challenge the one that verifies a person's number; return False if that is gone or verified already."""
    with rt.begin() as conn:
        return persons.set_challenge(conn, account, person, phone_id, challenge)


def mark_verified(rt: Runtime, account: int, person: str, challenge: UUID) -> bool:
    """Mark the number that this challenge was sent to as verified; return False if the number was replaced."""
    with rt.begin() as conn:
        return persons.verify(conn, account, person, challenge)
