"""The requests table: what was asked and answered, so that asking again gives the same answer."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.api import idempotency
from pipeline.rules.api.idempotency import tells_conflicts
from pipeline.rules.identity import ids
from pipeline.store import replays
from schema.message import Accepted, Admission, Refusal
from schema.vocabulary import Code

_WRITE = """
INSERT INTO requests (id, account_id, dialect, operation, class, test, first_message, recipients, accepted, refusals,
                      fingerprint, send_at, valid_until, skips_opt_outs)
SELECT id, account_id, dialect, operation, class, test, first_message, recipients, accepted, refusals::jsonb,
       fingerprint, send_at, valid_until, skips_opt_outs
FROM unnest(%(ids)b::uuid[], %(accounts)b::int4[], %(dialects)b::text[], %(operations)b::text[],
            %(classes)b::text[], %(tests)b::bool[], %(firsts)b::uuid[], %(recipients)b::int4[],
            %(accepted)b::int4[], %(refusals)b::text[],
            %(fingerprints)b::bytea[], %(send_ats)b::timestamptz[], %(valid_untils)b::timestamptz[],
            %(skips)b::bool[])
     AS r (id, account_id, dialect, operation, class, test, first_message, recipients, accepted, refusals, fingerprint,
           send_at, valid_until, skips_opt_outs)
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
            "dialects": [each.dialect for each in admissions],
            "operations": [each.operation for each in admissions],
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
    for id_, first, recipients, accepted, refused, fingerprint in conn.exec_driver_sql(_READ, {"ids": list(wanted)}):
        words = [Refusal(**{**each, "code": Code(each["code"])}) for each in refused]
        messages: list[UUID | None] = [None] * recipients
        if accepted:
            messages = places(first, recipients, words)
        found[id_] = (Accepted(id_, messages, words, [], replayed=True), fingerprint)
    return found


def places(first: UUID, recipients: int, reported: Sequence[Refusal]) -> list[UUID | None]:
    """Return each recipient's message id, None where that one was refused."""
    refused = {refusal.index for refusal in reported}
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
# a command may have reserved a key before its order came: of two orders that come now, one waits here for the other
_LOCKED = f"{_RESERVED} ORDER BY account_id, scope, key FOR UPDATE"


def reserve(conn: Connection, admissions: Sequence[Admission]) -> dict[UUID, UUID]:
    """Reserve idempotency keys; return request → the request that has its key: itself, or an earlier one.

    Two transactions with the same key: the second waits here until the first is committed or gone. A key whose request
    nobody paid for, or which took nothing in, goes to the first that asks anew.
    """
    keyed = [each for each in admissions if each.idempotency_key and each.account is not None and each.drafts]
    keyed.sort(key=_key)
    if not keyed:
        return {}
    if conn.exec_driver_sql(_RESERVE, _columns(keyed)).rowcount == len(keyed):  # none of them was there before
        return {each.request: each.request for each in keyed}
    holders = _holders(conn, keyed, _LOCKED)
    earlier = {holder for each in keyed if (holder := holders[_key(each)]) != each.request}
    if free := unpaid(conn, earlier) | vacant(conn, earlier):
        asking = {key: each for each in reversed(keyed) if holders[key := _key(each)] in free}
        taking = list(reversed(asking.values()))
        params = _columns(taking) | {"holders": [holders[_key(each)] for each in taking]}
        if conn.exec_driver_sql(_TAKE_OVER, params).rowcount:
            holders = _holders(conn, keyed)
    return {each.request: holders[_key(each)] for each in keyed}


def _key(admission: Admission) -> tuple[Any, ...]:
    return admission.account, admission.door or idempotency.ORDERS, admission.idempotency_key


def _columns(keyed: Sequence[Admission]) -> dict[str, Any]:
    accounts, scopes, keys = map(list, zip(*map(_key, keyed), strict=True))
    return {"accounts": accounts, "scopes": scopes, "keys": keys, "requests": [each.request for each in keyed]}


def _holders(conn: Connection, keyed: Sequence[Admission], query: str = _RESERVED) -> dict[tuple[Any, ...], UUID]:
    return {tuple(row[:3]): row[3] for row in conn.exec_driver_sql(query, _columns(keyed))}


# who asks anew at the same time waits for the row, and finds that it is no longer the refused request's
_TAKE_OVER = """
WITH taken AS (
    SELECT i.account_id, i.scope, i.key, w.request_id
    FROM unnest(%(accounts)s::int4[], %(scopes)s::text[], %(keys)s::text[], %(requests)s::uuid[], %(holders)s::uuid[])
         AS w (account_id, scope, key, request_id, holder)
    JOIN idempotency AS i ON (i.account_id, i.scope, i.key, i.request_id) = (w.account_id, w.scope, w.key, w.holder)
    ORDER BY i.account_id, i.scope, i.key FOR UPDATE OF i
)
UPDATE idempotency AS i SET request_id = t.request_id, created_at = now()
FROM taken AS t WHERE (i.account_id, i.scope, i.key) = (t.account_id, t.scope, t.key)
"""
_UNPAID = """
SELECT s.request_id
FROM unnest(%(requests)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (request_id, first_id, last_id)
CROSS JOIN LATERAL (
    SELECT bool_and(coalesce(status = 'rejected' AND error_code = ANY(%(codes)b), false)) AS all_of_it FROM messages
    WHERE id BETWEEN s.first_id AND s.last_id AND request_id = s.request_id
) AS m
WHERE m.all_of_it
"""


def unpaid(conn: Connection, wanted: Collection[UUID]) -> set[UUID]:
    """Return those of these requests of which nothing was accepted, because nobody paid or no price was set."""
    rows = conn.exec_driver_sql(_READ, {"ids": sorted(wanted)}).all() if wanted else []
    spans = [
        (id_, first, ids.after(first, recipients - 1)) for id_, first, recipients, accepted, *_ in rows if accepted
    ]
    if not spans:
        return set()
    requests, firsts, lasts = map(list, zip(*spans, strict=True))
    params = {"requests": requests, "firsts": firsts, "lasts": lasts, "codes": sorted(idempotency.UNPAID)}
    return {id_ for (id_,) in conn.exec_driver_sql(_UNPAID, params)}


_VACANT = """
SELECT w.id FROM unnest(%(ids)b::uuid[]) AS w (id)
WHERE NOT EXISTS (SELECT FROM requests AS r WHERE r.id = w.id AND accepted > 0)
"""


def vacant(conn: Connection, wanted: Collection[UUID]) -> set[UUID]:
    """Return those of these ids under which no request took anything in (yet)."""
    rows = conn.exec_driver_sql(_VACANT, {"ids": sorted(wanted)}) if wanted else ()
    return {id_ for (id_,) in rows}


def take_in(conn: Connection, admissions: Sequence[Admission]) -> tuple[set[UUID], dict[UUID, Accepted]]:
    """Write the requests that are new; return their ids, and the earlier answer to each of the others.

    Of an order of our own that asks for something else under a key that is used, a refused request is written; under a
    request id that is used, a refusal is added to the earlier one. One that asks for the same under its key is written
    as one that took nothing in, with the first message of the earlier. Vendors' doors answer as their vendors do.
    """
    holders = reserve(conn, admissions)
    holders |= _taken_before(conn, [each for each in admissions if not each.drafts])
    received_first = [each for each in admissions if holders.get(each.request, each.request) == each.request]
    fresh = write(conn, sorted(received_first, key=lambda each: each.request))
    again = [each for each in admissions if each.request not in fresh]
    if not again:
        return fresh, {}
    answered = answers(conn, [holders.get(each.request, each.request) for each in again])
    earlier = {each.request: _replay(each, *answered[holders.get(each.request, each.request)]) for each in again}
    own = {each.request: each for each in again if tells_conflicts(each.door, by_api=each.by_api)}
    asked = {id_: (each, holders.get(id_, id_)) for id_, each in own.items() if earlier[id_].altered}
    if asked and (same := replays.alike(conn, asked)):
        earlier |= {id_: replace(earlier[id_], altered=False) for id_ in same}
    _write_repeats(conn, [each for id_, each in own.items() if holders.get(id_, id_) != id_], earlier)
    return fresh, earlier | _refuse(conn, [each for id_, each in own.items() if earlier[id_].altered], holders)


def _taken_before(conn: Connection, refused: Iterable[Admission]) -> dict[UUID, UUID]:
    """Return the requests that took in, under their keys, what is asked again by these and would be refused by now."""
    keyed = [each for each in refused if each.idempotency_key and each.account is not None and each.fingerprint]
    if not keyed:
        return {}
    holders = _holders(conn, keyed)
    found = answers(conn, list(holders.values()))
    free = unpaid(conn, found) | vacant(conn, found)
    taken = {id_: fingerprint for id_, (_, fingerprint) in found.items() if id_ not in free}
    return {
        each.request: holder
        for each in keyed
        if (holder := holders.get(_key(each))) and taken.get(holder) == each.fingerprint
    }


def _write_repeats(conn: Connection, repeats: Sequence[Admission], earlier: Mapping[UUID, Accepted]) -> None:
    """Write requests that only repeat an earlier one under its key, so that who looks for them finds that one."""
    made = []
    for each in repeats:
        answer = earlier[each.request]
        place, id_ = next(((n, id_) for n, id_ in enumerate(answer.messages) if id_), (0, None))
        if id_ and not answer.altered:
            first = UUID(int=id_.int - place)
            made.append(replace(each, first=first, recipients=len(answer.messages), drafts=[], refusals=[]))
    if made:
        write(conn, sorted(made, key=lambda each: each.request))


def _replay(admission: Admission, answer: Accepted, fingerprint: bytes | None) -> Accepted:
    altered = bool(admission.fingerprint and fingerprint and admission.fingerprint != fingerprint)
    return replace(answer, altered=altered)


_DOUBLED = """
UPDATE requests SET refusals = refusals || %(words)s::jsonb
WHERE id = ANY(%(ids)s) AND NOT refusals @> %(words)s::jsonb
"""


def _refuse(conn: Connection, altered: Sequence[Admission], holders: Mapping[UUID, UUID]) -> dict[UUID, Accepted]:
    """Write that these orders were not taken; return the answers of those that have a request id of their own."""
    doubled = [each.request for each in altered if holders.get(each.request, each.request) == each.request]
    if doubled:
        words = json.dumps([asdict(idempotency.DOUBLED)])
        conn.exec_driver_sql(_DOUBLED, {"ids": sorted(doubled), "words": words})
    others = [
        replace(each, drafts=[], refusals=[idempotency.CONFLICT]) for each in altered if each.request not in doubled
    ]
    if others:
        write(conn, sorted(others, key=lambda each: each.request))
    return {
        each.request: Accepted(each.request, [None] * each.recipients, each.refusals, [], altered=True)
        for each in others
    }


_KNOWN = "SELECT id FROM requests WHERE id = ANY(%(ids)s)"


def known(conn: Connection, wanted: Iterable[UUID]) -> set[UUID]:
    """Return those of these ids under which there is a request."""
    return {id_ for (id_,) in conn.exec_driver_sql(_KNOWN, {"ids": list(wanted)})}


_IN_CONFLICT = f"{_KNOWN} AND refusals @> %(words)s::jsonb ORDER BY id"


def in_conflict(conn: Connection, wanted: Iterable[UUID]) -> list[UUID]:
    """Return those of these requests that met another order under their key or id."""
    words = json.dumps([{"code": Code.IDEMPOTENCY_CONFLICT}])
    return [id_ for (id_,) in conn.exec_driver_sql(_IN_CONFLICT, {"ids": list(wanted), "words": words})]


_PRUNE = "DELETE FROM idempotency WHERE created_at < now() - %(days)s * interval '1 day'"


def prune(conn: Connection, days: int) -> int:
    """Forget idempotency keys older than so many days; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"days": days}).rowcount


_REDELIVERY = """
INSERT INTO stumbles (request_id, tries) VALUES (%(request)s, 1)
ON CONFLICT (request_id) DO UPDATE SET tries = stumbles.tries + 1
RETURNING tries
"""


def count_redelivery(conn: Connection, request: UUID) -> int:
    """Count that an order came back unread; return how often it has."""
    return int(conn.exec_driver_sql(_REDELIVERY, {"request": request}).scalar_one())


_FORGET = "DELETE FROM stumbles WHERE created_at < now() - %(days)s * interval '1 day'"


def forget_redeliveries(conn: Connection, days: int) -> int:
    """Forget stumbles older than so many days; return how many."""
    return conn.exec_driver_sql(_FORGET, {"days": days}).rowcount
