"""Enrol: keep an account's persons, and the one number each may have once it is proven to be his."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store.doors import persons
from schema.door import Person


@dataclass(frozen=True, slots=True)
class Wanted:
    """A person somebody wants to send to."""

    account: int
    person: str
    #: the name space of the idempotency key, and the key; None: there is none
    door: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a person, and of how his account sends."""

    person: Person | None
    #: the account's first approved sender; None: it has none
    sender: str | None
    #: whether the idempotency key was used before: what it was used for is answered again
    is_replay: bool


def look_up(rt: Runtime, wanted: Sequence[Wanted]) -> list[Found]:
    """Return what is known of each person, in order."""
    with rt.begin() as conn:
        rows = persons.find(conn, [(each.account, each.person, each.door, each.key) for each in wanted])
    return [Found(*row) for row in rows]


def find(rt: Runtime, account: int, person: str) -> Person | None:
    """Return an account's person, or None."""
    with rt.begin() as conn:
        return persons.get(conn, account, person)


def enrol(rt: Runtime, account: int, person: str) -> bool:
    """Write a person without a number; return False when the account has him already."""
    with rt.begin() as conn:
        return persons.create(conn, account, person)


def add_number(rt: Runtime, account: int, person: str, phone: str) -> Person | None:
    """Give a person a number, not proven yet; return him with it, or None when he has one already."""
    with rt.begin() as conn:
        given = persons.give(conn, account, person, phone, rt.mint())
        return persons.get(conn, account, person) if given else None


def drop_number(rt: Runtime, account: int, person: str, phone_id: UUID) -> bool:
    """Take a person's number away; return False when he has it no more."""
    with rt.begin() as conn:
        return persons.take(conn, account, person, phone_id)


def expect_code(rt: Runtime, account: int, person: str, phone_id: UUID, challenge: UUID) -> bool:
    """Let this code, and no earlier one, prove a person's number; return False when it is his no more, or proven."""
    with rt.begin() as conn:
        return persons.challenge(conn, account, person, phone_id, challenge)


def hold_proven(rt: Runtime, account: int, person: str, challenge: UUID) -> bool:
    """Hold the number proven that this code was sent to; return False when another took its place."""
    with rt.begin() as conn:
        return persons.verify(conn, account, person, challenge)
