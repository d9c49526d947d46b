"""Enrol: keep an account's persons, and the one number each may have once it is proven to be his."""

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
    """A person somebody wants to send to."""

    account: int
    person: str
    #: the name space of the idempotency key, and the key; None: there is none
    door: str = ""
    key: str | None = None


@value_class
class FoundPerson:
    """What is known of a person, and of how his account sends."""

    person: Person | None
    #: the account's first sender that is approved where his number is; None: it has none
    sender: str | None
    #: whether the idempotency key was used before, and paid for: what it was used for is answered again
    is_replay: bool


def look_up(rt: Runtime, wanted: Sequence[PersonQuery]) -> list[FoundPerson]:
    """Return what is known of each person, in order."""
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
    """Return an account's person, or None."""
    with rt.read_only() as conn:
        return persons.get(conn, account, person)


def find_or_create(rt: Runtime, account: int, person: str, *, test: bool = False) -> bool:
    """Write a person without a number; return False when the account has him already."""
    with rt.begin() as conn:
        return persons.create(conn, account, person, test=test)


def add_number(rt: Runtime, account: int, person: str, phone: str) -> Person | None:
    """Give a person a number, not proven yet; return him with it, or None when he has one already."""
    number = rt.new_ids()
    with rt.begin() as conn:
        if not persons.give(conn, account, person, phone, number):
            return None
        person_events.tell(conn, rt.new_ids(), account, person, number, NumberMove.CREATED, rt.now())
        return persons.get(conn, account, person)


def drop_number(rt: Runtime, account: int, person: str, phone_id: UUID) -> bool:
    """Take a person's number away; return False when he has it no more."""
    with rt.begin() as conn:
        if not persons.take(conn, account, person, phone_id):
            return False
        person_events.tell(conn, rt.new_ids(), account, person, phone_id, NumberMove.DELETED, rt.now())
    return True


def expect_code(rt: Runtime, account: int, person: str, phone_id: UUID, challenge: UUID) -> bool:
    """Let this code, and no earlier one, prove a person's number; return False when it is his no more, or proven."""
    with rt.begin() as conn:
        return persons.challenge(conn, account, person, phone_id, challenge)


def hold_proven(rt: Runtime, account: int, person: str, challenge: UUID) -> bool:
    """Hold the number proven that this code was sent to; return False when another took its place."""
    with rt.begin() as conn:
        return persons.verify(conn, account, person, challenge)
