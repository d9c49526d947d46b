"""The persons table: an account's own customers, each with at most one phone number."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from schema.api import Person

Row = dict[str, Any]

# an idempotency key that was used before finds its request, even if the person has changed since
_FIND = """
SELECT p.person_id, p.phone, p.phone_id, p.verified, p.challenge_id, p.test, i.request_id
FROM unnest(%(accounts)b::int4[], %(persons)b::text[], %(scopes)b::text[], %(keys)b::text[])
     WITH ORDINALITY AS w (account_id, person_id, scope, key, place)
LEFT JOIN persons AS p ON p.account_id = w.account_id AND p.person_id = w.person_id
LEFT JOIN LATERAL (
    SELECT request_id FROM idempotency_keys WHERE account_id = w.account_id AND scope = w.scope AND key = w.key OFFSET 0
) AS i ON true
ORDER BY w.place
"""


def find(
    conn: Connection, wanted: Sequence[tuple[int, str, str, str | None]]
) -> list[tuple[Person | None, UUID | None]]:
    """Return, in order, the person and the request that used the key, for each (account, person, scope, key)."""
    accounts, persons, scopes, keys = map(list, zip(*wanted, strict=True))
    params = {"accounts": accounts, "persons": persons, "scopes": scopes, "keys": keys}
    rows = conn.exec_driver_sql(_FIND, params)
    return [(None if id_ is None else Person(id_, *fields), request) for id_, *fields, request in rows]


_GET = """
SELECT person_id, phone, phone_id, verified, challenge_id, test FROM persons
WHERE account_id = %(account)s AND person_id = %(person)s
"""


def get(conn: Connection, account: int, person: str) -> Person | None:
    """Return an account's person, or None."""
    row = conn.exec_driver_sql(_GET, {"account": account, "person": person}).one_or_none()
    return Person(*row) if row else None


_CREATE = """
INSERT INTO persons (account_id, person_id, phone, phone_id, verified, test)
VALUES (%(account)s, %(person)s, %(phone)s, %(phone_id)s, %(verified)s, %(test)s)
ON CONFLICT DO NOTHING
"""


def create(
    conn: Connection,
    account: int,
    person: str,
    *,
    phone: str | None = None,
    phone_id: UUID | None = None,
    verified: bool = False,
    test: bool = False,
) -> bool:
    """Insert a person; return False when the account already has that person."""
    params = {"account": account, "person": person, "phone": phone, "phone_id": phone_id, "verified": verified}
    return conn.exec_driver_sql(_CREATE, params | {"test": test}).rowcount == 1


_SET_NUMBER = """
UPDATE persons SET phone = %(phone)s, phone_id = %(phone_id)s, verified = %(verified)s, challenge_id = NULL
WHERE account_id = %(account)s AND person_id = %(person)s AND phone IS NULL
"""


def set_number(
    conn: Connection, account: int, person: str, phone: str, phone_id: UUID, *, verified: bool = False
) -> bool:
    """Set the number of a person without one; return False, and change nothing, when the person has one."""
    params = {"account": account, "person": person, "phone": phone, "phone_id": phone_id, "verified": verified}
    return conn.exec_driver_sql(_SET_NUMBER, params).rowcount == 1


_REMOVE_NUMBER = """
UPDATE persons SET phone = NULL, phone_id = NULL, verified = false, challenge_id = NULL
WHERE account_id = %(account)s AND person_id = %(person)s AND phone_id = %(phone_id)s
"""


def remove_number(conn: Connection, account: int, person: str, phone_id: UUID) -> bool:
    """Remove a person's number; return False when the person no longer has it."""
    params = {"account": account, "person": person, "phone_id": phone_id}
    return conn.exec_driver_sql(_REMOVE_NUMBER, params).rowcount == 1


_CHALLENGE = """
UPDATE persons SET challenge_id = %(challenge)s
WHERE account_id = %(account)s AND person_id = %(person)s AND phone_id = %(phone_id)s AND NOT verified
"""


def set_challenge(conn: Connection, account: int, person: str, phone_id: UUID, challenge_id: UUID) -> bool:
    """Store which challenge verifies a person's number; return False when the number was removed or is verified."""
    params = {"account": account, "person": person, "phone_id": phone_id, "challenge": challenge_id}
    return conn.exec_driver_sql(_CHALLENGE, params).rowcount == 1


_VERIFY = """
UPDATE persons SET verified = true
WHERE account_id = %(account)s AND person_id = %(person)s AND challenge_id = %(challenge)s
"""


def verify(conn: Connection, account: int, person: str, challenge_id: UUID) -> bool:
    """Mark the number this challenge was sent to as verified; return False when the challenge or number changed."""
    params = {"account": account, "person": person, "challenge": challenge_id}
    return conn.exec_driver_sql(_VERIFY, params).rowcount == 1


_LISTING = """
SELECT a.name AS account, p.person_id, p.phone, p.verified, p.created_at
FROM persons AS p JOIN accounts AS a ON a.id = p.account_id
WHERE p.account_id = %(account)s
ORDER BY p.person_id
"""


def listing(conn: Connection, account: int) -> list[Row]:
    """Return an account's persons."""
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, {"account": account}).mappings()]
