"""The requests table: what was asked and answered, so that asking again gives the same answer."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules import ids
from schema.message import Accepted, Admission, Refusal
from schema.vocabulary import Code

_WRITE = """
INSERT INTO requests (id, account_id, door, class, test, first_message, recipients, accepted, refusals, fingerprint,
                      send_at, valid_until, skips_opt_outs)
SELECT id, account_id, door, class, test, first_message, recipients, accepted, refusals::jsonb, fingerprint, send_at,
       valid_until, skips_opt_outs
FROM unnest(%(ids)b::uuid[], %(accounts)b::int4[], %(doors)b::text[], %(classes)b::text[], %(tests)b::bool[],
            %(firsts)b::uuid[], %(recipients)b::int4[], %(accepted)b::int4[], %(refusals)b::text[],
            %(fingerprints)b::bytea[], %(send_ats)b::timestamptz[], %(valid_untils)b::timestamptz[],
            %(skips)b::bool[])
     AS r (id, account_id, door, class, test, first_message, recipients, accepted, refusals, fingerprint, send_at,
           valid_until, skips_opt_outs)
ON CONFLICT (id) DO NOTHING
RETURNING id
"""


def write(conn: Connection, admissions: Sequence[Admission]) -> set[UUID]:
    """Write requests; return the ids of those that were not there already. Waits for others writing the same."""
    rows = conn.exec_driver_sql(
        _WRITE,
        {
            "ids": [each.request for each in admissions],
            "accounts": [each.account for each in admissions],
            "doors": [each.door for each in admissions],
            "classes": [str(each.message_class) for each in admissions],
            "tests": [each.test for each in admissions],
            "firsts": [each.first for each in admissions],
            "recipients": [each.recipients for each in admissions],
            "accepted": [len(each.drafts) for each in admissions],
            "refusals": [json.dumps([asdict(refusal) for refusal in each.refusals]) for each in admissions],
            "fingerprints": [each.fingerprint for each in admissions],
            "send_ats": [each.send_at for each in admissions],
            "valid_untils": [each.valid_until for each in admissions],
            "skips": [each.skips_opt_outs for each in admissions],
        },
    )
    return {id_ for (id_,) in rows}


_READ = "SELECT id, first_message, recipients, accepted, refusals, fingerprint FROM requests WHERE id = ANY(%(ids)b)"


def answers(conn: Connection, wanted: Sequence[UUID]) -> dict[UUID, tuple[Accepted, bytes | None]]:
    """Return the answers given to earlier requests, and the fingerprints of what they asked."""
    if not wanted:
        return {}
    found = {}
    for id_, first, recipients, accepted, refusals, fingerprint in conn.exec_driver_sql(_READ, {"ids": list(wanted)}):
        words = [Refusal(**{**each, "code": Code(each["code"])}) for each in refusals]
        messages: list[UUID | None] = [None] * recipients
        if accepted:
            messages = places(first, recipients, words)
        found[id_] = (Accepted(id_, messages, words, [], replayed=True), fingerprint)
    return found


def places(first: UUID, recipients: int, refusals: Sequence[Refusal]) -> list[UUID | None]:
    """Return each recipient's message id, None where that one was refused."""
    refused = {refusal.index for refusal in refusals}
    return [None if index in refused else ids.after(first, index) for index in range(recipients)]


_RESERVE = """
INSERT INTO idempotency (account_id, scope, key, request_id)
SELECT * FROM unnest(%(accounts)s::int4[], %(scopes)s::text[], %(keys)s::text[], %(requests)s::uuid[])
ON CONFLICT DO NOTHING
"""
_RESERVED = """
SELECT account_id, scope, key, request_id FROM idempotency
WHERE (account_id, scope, key) IN (SELECT * FROM unnest(%(accounts)s::int4[], %(scopes)s::text[], %(keys)s::text[]))
"""
#: the name space of keys that come with an Order
ORDERS = "order"


def reserve(conn: Connection, admissions: Sequence[Admission]) -> dict[UUID, UUID]:
    """Reserve idempotency keys; return request → the request that has its key: itself, or an earlier one.

    Two transactions with the same key: the second waits here until the first is committed or gone.
    """
    keyed = [each for each in admissions if each.idempotency_key and each.account is not None and each.drafts]
    keyed.sort(key=lambda each: (each.account, each.door or ORDERS, each.idempotency_key))
    if not keyed:
        return {}
    params = {
        "accounts": [each.account for each in keyed],
        "scopes": [each.door or ORDERS for each in keyed],
        "keys": [each.idempotency_key for each in keyed],
        "requests": [each.request for each in keyed],
    }
    if conn.exec_driver_sql(_RESERVE, params).rowcount == len(keyed):  # none of them was there before
        return {each.request: each.request for each in keyed}
    holders = {tuple(row[:3]): row[3] for row in conn.exec_driver_sql(_RESERVED, params)}
    return {each.request: holders[each.account, each.door or ORDERS, each.idempotency_key] for each in keyed}


def take_in(conn: Connection, admissions: Sequence[Admission]) -> tuple[set[UUID], dict[UUID, Accepted]]:
    """Write the requests that are new; return their ids, and the earlier answer to each of the others."""
    holders = reserve(conn, admissions)
    heard_first = [each for each in admissions if holders.get(each.request, each.request) == each.request]
    fresh = write(conn, sorted(heard_first, key=lambda each: each.request))
    again = [each for each in admissions if each.request not in fresh]
    answered = answers(conn, [holders.get(each.request, each.request) for each in again])
    return fresh, {each.request: _replay(each, *answered[holders.get(each.request, each.request)]) for each in again}


def _replay(admission: Admission, answer: Accepted, fingerprint: bytes | None) -> Accepted:
    altered = bool(admission.fingerprint and fingerprint and admission.fingerprint != fingerprint)
    return replace(answer, altered=altered)


_PRUNE = "DELETE FROM idempotency WHERE created_at < now() - %(days)s * interval '1 day'"


def prune(conn: Connection, days: int) -> int:
    """Forget idempotency keys older than so many days; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"days": days}).rowcount


_STUMBLE = """
INSERT INTO stumbles (request_id, tries) VALUES (%(request)s, 1)
ON CONFLICT (request_id) DO UPDATE SET tries = stumbles.tries + 1
RETURNING tries
"""


def count_stumble(conn: Connection, request: UUID) -> int:
    """Count that an order came back unread; return how often it has."""
    return int(conn.exec_driver_sql(_STUMBLE, {"request": request}).scalar_one())


_FORGET = "DELETE FROM stumbles WHERE created_at < now() - %(days)s * interval '1 day'"


def forget_stumbles(conn: Connection, days: int) -> int:
    """Forget stumbles older than so many days; return how many."""
    return conn.exec_driver_sql(_FORGET, {"days": days}).rowcount
