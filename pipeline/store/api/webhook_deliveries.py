"""The webhook_deliveries table: one row per event and endpoint, with claim, lease, retry and replay.

A row waits only by `due_at`: for its first try, for a retry, for the end of its lease while it is being made, and for
an earlier event of the same message that is still undelivered to the same endpoint.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.metric_counters import counting
from schema.value_class import value_class
from schema.vocabulary import Counter

Row = dict[str, Any]

#: the order of events: a message only moves forward (but failed may become delivered), a number is created
#: before it is deleted. Those of a campaign go by their ids, as it may be paused again and again
_RANK = """
CASE {}.status WHEN 'scheduled' THEN 0 WHEN 'number_created' THEN 0 WHEN 'queued' THEN 1 WHEN 'sent' THEN 2
               WHEN 'delivered' THEN 4 ELSE 3 END
""".strip()
#: undelivered; left out where rows are found by id or message, or a planner without statistics takes the index
#: of all that wait
_OPEN = "state NOT IN ('delivered', 'dead')"

_LOCK = f"""
WITH RECURSIVE backlogs AS (
    (SELECT concurrency_key FROM webhook_deliveries WHERE state = 'waiting' ORDER BY concurrency_key LIMIT 1)
    UNION ALL
    SELECT (SELECT d.concurrency_key FROM webhook_deliveries AS d
            WHERE d.state = 'waiting' AND d.concurrency_key > backlogs.concurrency_key
            ORDER BY d.concurrency_key LIMIT 1)
    FROM backlogs WHERE backlogs.concurrency_key IS NOT NULL
), open AS (
    SELECT b.concurrency_key, coalesce(r.room, %(room)s) AS room
    FROM backlogs AS b LEFT JOIN webhook_endpoints AS e ON e.id = b.concurrency_key
    LEFT JOIN unnest(%(keys)b::uuid[], %(rooms)b::int4[]) AS r (key, room) ON r.key = b.concurrency_key
    WHERE b.concurrency_key IS NOT NULL AND e.state IS DISTINCT FROM 'suspended'
), found AS MATERIALIZED (
    SELECT due.id FROM open CROSS JOIN LATERAL (
        SELECT id, due_at, row_number() OVER (ORDER BY due_at) AS place FROM webhook_deliveries
        WHERE concurrency_key = open.concurrency_key AND state = 'waiting' AND due_at <= now()
        ORDER BY due_at LIMIT open.room
    ) AS due
    ORDER BY due.place, due.due_at LIMIT %(most)s
)
SELECT id FROM webhook_deliveries
WHERE id IN (SELECT id FROM found) AND {_OPEN} AND due_at <= now() FOR UPDATE SKIP LOCKED
"""
#: a separate statement: it sees what was recorded before the rows were locked, and later records wait for it
_CLAIM = f"""
UPDATE webhook_deliveries AS d
SET tries = d.tries + (w.since IS NULL)::int,
    due_at = CASE WHEN w.since IS NULL THEN clock_timestamp() + %(lease)s * interval '1 second'
                  ELSE greatest(w.since, now() + interval '1 second') END
FROM unnest(%(ids)b::uuid[]) AS own (id)
JOIN webhook_deliveries AS mine ON mine.id = own.id
CROSS JOIN LATERAL (
    SELECT min(p.due_at) AS since FROM webhook_deliveries AS p
    WHERE p.message_id = mine.message_id AND p.concurrency_key = mine.concurrency_key AND p.{_OPEN}
      AND ({_RANK.format("p")} < {_RANK.format("mine")}
           OR starts_with(mine.status, 'campaign_') AND p.event_id < mine.event_id)
) AS w
WHERE d.id = own.id
RETURNING d.id, w.since IS NULL AS is_ours,
          CASE WHEN d.person_id IS NOT NULL THEN 'number' WHEN d.status = 'inbound_received' THEN 'inbound'
               WHEN starts_with(d.status, 'campaign_') THEN 'campaign' ELSE 'message' END AS subject
"""


_SUBJECTS = ("message", "number", "inbound", "campaign")


@value_class
class ClaimedRows:
    """The result of a claim."""

    #: claimed by this caller, to be delivered now: events of messages, of persons' numbers, of inbound messages, and of
    #: campaigns
    own: list[UUID]
    numbers: list[UUID]
    inbound: list[UUID]
    campaigns: list[UUID]
    #: how many were postponed until an earlier event of their message is delivered
    postponed: int


def claim(conn: Connection, rooms: Mapping[UUID, int], room: int, most: int, lease: float) -> ClaimedRows:
    """Claim up to `most` due deliveries for `lease` seconds: of each endpoint as its window allows, longest due first.

    `rooms` is endpoint → free window, `room` that of all others. A backlog of one endpoint does not delay another.
    """
    params = {"keys": list(rooms), "rooms": list(rooms.values()), "room": room, "most": most}
    ids = [id_ for (id_,) in conn.exec_driver_sql(_LOCK, params)]
    if not ids:
        return ClaimedRows([], [], [], [], 0)
    rows = conn.exec_driver_sql(_CLAIM, {"ids": ids, "lease": lease}).all()
    ours = [(row.id, row.subject) for row in rows if row.is_ours]
    own, numbers, inbound, campaigns = ([id_ for id_, subject in ours if subject == each] for each in _SUBJECTS)
    return ClaimedRows(own, numbers, inbound, campaigns, len(rows) - len(ours))


_LOAD = """
SELECT d.id, d.event_id, d.endpoint_id, d.concurrency_key, d.tries, d.status, d.at, d.message_id,
       m.request_id, m.phone, m.country, m.sender, m.body, m.encoding, m.segments, m.amount, m.quota, m.correlation_id,
       CASE WHEN d.status IN ('failed', 'rejected')
            THEN coalesce(m.error_code, CASE WHEN m.status = 'delivered' THEN 'undelivered' END) END AS error_code,
       a.name AS account, a.currency, r.test, r.send_at,
       coalesce(t.carrier, b.carrier) AS carrier, t.carrier_ref, t.code,
       coalesce(e.dialect, k.dialect) AS dialect, coalesce(e.url, c.callback_url) AS url, e.events, e.sealed,
       CASE WHEN e.rotated_at > now() - %(hours)s * interval '1 hour' THEN e.sealed_previous END AS sealed_previous,
       k.handle, k.sealed AS key_sealed
FROM unnest(%(ids)b::uuid[]) AS own (id)
JOIN webhook_deliveries AS d ON d.id = own.id
CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = d.message_id) AS m
JOIN batches AS b ON b.id = m.batch_id
JOIN requests AS r ON r.id = m.request_id
JOIN accounts AS a ON a.id = m.account_id
LEFT JOIN challenges AS c ON c.id = m.request_id
LEFT JOIN webhook_endpoints AS e ON e.id = d.endpoint_id
LEFT JOIN LATERAL (
    SELECT carrier, carrier_ref, code FROM provider_attempts WHERE message_id = d.message_id ORDER BY n DESC LIMIT 1
) AS t ON true
LEFT JOIN LATERAL (
    SELECT dialect, handle, sealed FROM api_keys AS held
    WHERE id = c.key_id
       OR c.key_id IS NULL AND account_id = a.id AND dialect = e.dialect AND sealed IS NOT NULL AND revoked_at IS NULL
          AND (expires_at IS NULL OR expires_at > now())
          -- the receiver may not know a key before the one that it replaces has ended
          AND NOT EXISTS (SELECT FROM api_keys AS earlier WHERE earlier.id = held.replaces
                          AND earlier.revoked_at IS NULL AND earlier.expires_at > now())
    ORDER BY id DESC LIMIT 1
) AS k ON e.sealed IS NULL
WHERE coalesce(e.url, CASE WHEN d.endpoint_id IS NULL THEN c.callback_url END) IS NOT NULL
"""


def load(conn: Connection, ids: Sequence[UUID], hours: float) -> list[Row]:
    """Return the content and the endpoint of these deliveries; those whose endpoint or callback is gone are left out.

    `sealed_previous` is the previous secret, if it was rotated within `hours` hours.
    """
    if not ids:
        return []
    return [dict(row) for row in conn.exec_driver_sql(_LOAD, {"ids": list(ids), "hours": hours}).mappings()]


@value_class
class DeliveryResult:
    """The result of one delivery."""

    id: UUID
    #: the number of the try: the result of an older try is discarded
    tries: int
    #: an HTTP status, or an error word
    answer: str
    accepted: bool
    #: seconds until the next try; None: no more tries
    wait: float | None


_RECORD = f"""
WITH noted AS (
UPDATE webhook_deliveries AS d
SET state = CASE WHEN w.accepted THEN 'delivered' WHEN w.wait IS NULL THEN 'dead' ELSE 'waiting' END,
    due_at = CASE WHEN w.accepted OR w.wait IS NULL THEN due_at ELSE now() + w.wait * interval '1 second' END,
    done_at = CASE WHEN w.accepted OR w.wait IS NULL THEN now() END,
    answer = w.answer
FROM unnest(%(ids)b::uuid[], %(tries)b::int2[], %(answers)b::text[], %(accepted)b::bool[], %(waits)b::float8[])
     AS w (id, tries, answer, accepted, wait)
WHERE d.id = w.id AND d.tries = w.tries AND d.{_OPEN}
RETURNING d.concurrency_key, d.message_id, d.state
), counted AS ({counting(Counter.WEBHOOKS, "state", "(SELECT state FROM noted WHERE state <> 'waiting') AS ended")})
SELECT concurrency_key, message_id, state <> 'waiting' FROM noted
"""
#: a concurrent claim holds the row locks: this waits for it and then makes them due again
_WAKE = f"""
UPDATE webhook_deliveries AS d SET due_at = now()
FROM unnest(%(keys)b::uuid[], %(messages)b::uuid[]) AS w (key, message_id)
WHERE d.message_id = w.message_id AND d.concurrency_key = w.key AND d.{_OPEN} AND d.tries = 0
"""


def record(conn: Connection, notification: Sequence[DeliveryResult]) -> int:
    """Record results of deliveries still claimed; make later events of their messages due. Return how many were."""
    if not notification:
        return 0
    rows = conn.exec_driver_sql(
        _RECORD,
        {
            "ids": [each.id for each in notification],
            "tries": [each.tries for each in notification],
            "answers": [each.answer for each in notification],
            "accepted": [each.accepted for each in notification],
            "waits": [each.wait for each in notification],
        },
    ).all()
    done = [(key, message) for key, message, is_done in rows if is_done]
    if done:
        keys, messages = map(list, zip(*done, strict=True))
        conn.exec_driver_sql(_WAKE, {"keys": keys, "messages": messages})
    return len(rows)


_GIVE_BACK = f"""
UPDATE webhook_deliveries AS d SET tries = d.tries - 1, due_at = now()
FROM unnest(%(ids)b::uuid[], %(tries)b::int2[]) AS w (id, tries)
WHERE d.id = w.id AND d.tries = w.tries AND d.{_OPEN}
"""


def give_back(conn: Connection, calls: Sequence[tuple[UUID, int]]) -> None:
    """Make claimed deliveries (id, tries) due again at once: they were not tried."""
    if calls:
        params = {"ids": [id_ for id_, _ in calls], "tries": [tries for _, tries in calls]}
        conn.exec_driver_sql(_GIVE_BACK, params)


_ABANDON = f"""
WITH abandoned AS (
    UPDATE webhook_deliveries SET state = 'dead', answer = 'removed', done_at = now()
    WHERE id = ANY(%(ids)b) AND {_OPEN} RETURNING state
)
{counting(Counter.WEBHOOKS, "state", "abandoned")}
"""


def abandon(conn: Connection, ids: Sequence[UUID]) -> None:
    """Give up deliveries whose endpoint or callback was removed."""
    if ids:
        conn.exec_driver_sql(_ABANDON, {"ids": list(ids)})


# For operators -------------------------------------------------------------------------------------------------

_REPLAY = """
UPDATE webhook_deliveries AS d SET state = 'waiting', tries = 0, due_at = now(), done_at = NULL
WHERE state <> 'waiting' AND {} RETURNING d.id
"""
#: the account of a row: by its message, or by the endpoint of another event
_OWN = """
(%(account)s::int4 IS NULL
 OR d.person_id IS NULL
    AND EXISTS (SELECT FROM messages AS m WHERE m.id = d.message_id AND m.account_id = %(account)s::int4)
 OR (d.person_id IS NOT NULL OR d.status = 'inbound_received' OR starts_with(d.status, 'campaign_'))
    AND EXISTS (SELECT FROM webhook_endpoints AS e WHERE e.id = d.endpoint_id AND e.account_id = %(account)s::int4))
"""


def replay(conn: Connection, account: int | None, ids: Sequence[UUID]) -> int:
    """Deliver finished deliveries again, named by their own ids or their messages'; return how many."""
    where = f"(d.id = ANY(%(ids)b) OR d.message_id = ANY(%(ids)b)) AND {_OWN}"
    return conn.exec_driver_sql(_REPLAY.format(where), {"ids": list(ids), "account": account}).rowcount


def replay_since(conn: Connection, endpoint: UUID, since: datetime, *, only_dead: bool) -> int:
    """Deliver again what an endpoint finished since then (only dead ones when so asked); return how many."""
    # a delivery is done after it is made: the index on done_at finds them
    dead = " AND d.state = 'dead'" if only_dead else ""
    where = f"d.concurrency_key = %(endpoint)s AND d.done_at >= %(since)s{dead}"
    return conn.exec_driver_sql(_REPLAY.format(where), {"endpoint": endpoint, "since": since}).rowcount


_LISTING = """
SELECT d.id, d.endpoint_id, d.message_id, d.status, d.at, d.state, d.tries, d.due_at, d.answer, d.done_at
FROM webhook_deliveries AS d
WHERE (d.concurrency_key = %(endpoint)s OR %(endpoint)s::uuid IS NULL)
  AND (d.message_id = %(message)s OR %(message)s::uuid IS NULL)
  AND (d.state = %(state)s OR %(state)s::text IS NULL)
ORDER BY d.at DESC LIMIT %(most)s
"""


def listing(
    conn: Connection, *, endpoint: UUID | None, message: UUID | None, state: str | None, most: int
) -> list[Row]:
    """Return deliveries, the latest event first, filtered by endpoint, message and state."""
    params = {"endpoint": endpoint, "message": message, "state": state, "most": most}
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, params).mappings()]


_PRUNE = """
DELETE FROM webhook_deliveries WHERE state <> 'waiting' AND done_at < now() - %(days)s * interval '1 day'
   OR state = 'waiting' AND at < now() - %(days)s * interval '1 day'
      AND concurrency_key IN (SELECT id FROM webhook_endpoints WHERE state = 'suspended')
"""


def prune(conn: Connection, days: int) -> int:
    """Delete deliveries done more than `days` days ago, and older ones of suspended endpoints; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"days": days}).rowcount
