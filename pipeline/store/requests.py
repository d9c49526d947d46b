"""The requests table: orders and their responses, so that a repeated request gets the same response."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.api import idempotency
from pipeline.rules.identity import ids
from schema.message import Accepted, Admission, Refusal
from schema.vocabulary import Code

#: the messages of new requests are to be indexed (store/message_index.py)
_WRITE = """
WITH new AS (
    INSERT INTO requests (id, account_id, dialect, operation, class, test, first_message, recipients, accepted,
                          refusals, fingerprint, send_at, valid_until, skips_opt_outs, template_id, template_version)
    SELECT id, account_id, dialect, operation, class, test, first_message, recipients, accepted, refusals::jsonb,
           fingerprint, send_at, valid_until, skips_opt_outs, template_id, template_version
    FROM unnest(%(ids)b::uuid[], %(accounts)b::int4[], %(dialects)b::text[], %(operations)b::text[],
                %(classes)b::text[], %(tests)b::bool[], %(firsts)b::uuid[], %(recipients)b::int4[],
                %(accepted)b::int4[], %(refusals)b::text[],
                %(fingerprints)b::bytea[], %(send_ats)b::timestamptz[], %(valid_untils)b::timestamptz[],
                %(skips)b::bool[], %(templates)b::uuid[], %(versions)b::int4[])
         AS r (id, account_id, dialect, operation, class, test, first_message, recipients, accepted, refusals,
               fingerprint, send_at, valid_until, skips_opt_outs, template_id, template_version)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, first_message, recipients, accepted
), unindexed AS (
    INSERT INTO unindexed_requests SELECT id, first_message, recipients FROM new WHERE accepted > 0
)
SELECT id FROM new
"""


def write(conn: Connection, admissions: Sequence[Admission]) -> set[UUID]:
    """Insert requests; return the ids of new ones. Waits for concurrent transactions that insert the same ids."""
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
            "refusals": list(map(_refusals, admissions)),
            "fingerprints": [each.fingerprint for each in admissions],
            "send_ats": [each.send_at for each in admissions],
            "valid_untils": [each.valid_until for each in admissions],
            "skips": [each.skips_opt_outs for each in admissions],
            **_templates(admissions),
        },
    )
    return {id_ for (id_,) in rows}


def _templates(admissions: Sequence[Admission]) -> dict[str, list[Any]]:
    """Return the ids and versions of admissions' templates; None: it has none."""
    of = [each.template or (None, None) for each in admissions]
    return {"templates": [id_ for id_, _ in of], "versions": [version for _, version in of]}


def _refusals(admission: Admission) -> str:
    """Return an admission's refusals as JSON."""
    return json.dumps([asdict(refusal) for refusal in admission.refusals])


_READ = "SELECT id, first_message, recipients, accepted, refusals, fingerprint FROM requests WHERE id = ANY(%(ids)b)"


def answers(conn: Connection, wanted: Sequence[UUID]) -> dict[UUID, tuple[Accepted, bytes | None]]:
    """Return request → its stored response and the fingerprint of its order."""
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


def places(first: UUID, recipients: int, refusals: Sequence[Refusal]) -> list[UUID | None]:
    """Return each recipient's message id; None where it was refused."""
    refused = {refusal.index for refusal in refusals}
    return [None if index in refused else ids.after(first, index) for index in range(recipients)]


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
    """Return those of these requests of which nothing was accepted, for lack of funds or of a price."""
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
    """Return those of these ids without a request that accepted a message (yet)."""
    rows = conn.exec_driver_sql(_VACANT, {"ids": sorted(wanted)}) if wanted else ()
    return {id_ for (id_,) in rows}


_ADD_REFUSAL = """
UPDATE requests SET refusals = refusals || %(words)s::jsonb
WHERE id = ANY(%(ids)s) AND NOT refusals @> %(code)s::jsonb
"""


def add_refusal(conn: Connection, wanted: Iterable[UUID], refusal: Refusal) -> None:
    """Add a refusal to those of the requests that have none of its code: earlier versions worded it otherwise."""
    params = {
        "ids": sorted(wanted),
        "words": json.dumps([asdict(refusal)]),
        "code": json.dumps([{"code": refusal.code}]),
    }
    conn.exec_driver_sql(_ADD_REFUSAL, params)


_REDELIVERY = """
INSERT INTO redeliveries (request_id, tries) VALUES (%(request)s, 1)
ON CONFLICT (request_id) DO UPDATE SET tries = redeliveries.tries + 1
RETURNING tries
"""


def count_redelivery(conn: Connection, request: UUID) -> int:
    """Count a redelivery of an unprocessed order; return the count."""
    return int(conn.exec_driver_sql(_REDELIVERY, {"request": request}).scalar_one())


#: its age counts, not its tries: these would overflow
_WAIT = """
INSERT INTO redeliveries AS r (request_id, tries) VALUES (%(request)s, 1)
ON CONFLICT (request_id) DO UPDATE SET tries = r.tries
RETURNING extract(epoch FROM clock_timestamp() - created_at)
"""


def count_wait(conn: Connection, request: UUID) -> float:
    """Note that a message cannot be processed yet; return for how many seconds it could not."""
    return float(conn.exec_driver_sql(_WAIT, {"request": request}).scalar_one())


#: no tries: it is done
_NOTE_DONE = """
INSERT INTO redeliveries (request_id, tries) VALUES (%(request)s, 0) ON CONFLICT (request_id) DO UPDATE SET tries = 0
"""
_IS_DONE = "SELECT EXISTS (SELECT FROM redeliveries WHERE request_id = %(request)s AND tries = 0)"


def note_done(conn: Connection, request: UUID) -> None:
    """Note that a message of the broker which leaves no request is done."""
    conn.exec_driver_sql(_NOTE_DONE, {"request": request})


def is_done(conn: Connection, request: UUID) -> bool:
    """Tell whether such a message is done, as long as that is kept."""
    return bool(conn.exec_driver_sql(_IS_DONE, {"request": request}).scalar_one())


_FORGET = "DELETE FROM redeliveries WHERE created_at < now() - %(days)s * interval '1 day'"


def forget_redeliveries(conn: Connection, days: int) -> int:
    """Delete redelivery counts older than `days` days; return how many."""
    return conn.exec_driver_sql(_FORGET, {"days": days}).rowcount
