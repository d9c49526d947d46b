"""The hot statements use an index, whatever the tables hold, by their custom and their generic plans.

psycopg prepares what runs often, and PostgreSQL may then plan it once for all parameters: both plans must do.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.rules.identity import ids
from pipeline.rules.routing.pacing import HELD, IN_HAND
from pipeline.runtime import Connection, Runtime
from pipeline.settings import Settings
from pipeline.store import (
    attempts,
    batch_claims,
    batches,
    campaign_backlog,
    campaign_batches,
    campaign_outcomes,
    campaign_replies,
    campaign_results,
    campaign_zones,
    carrier_activity,
    carrier_outcomes,
    claim_checks,
    due_messages,
    events,
    held_batch_pages,
    held_batches,
    idempotency_keys,
    idempotent_replays,
    inbound_pages,
    lost_batches,
    message_index,
    message_moves,
    message_parts,
    messages,
    missing_receipts,
    operator_reports,
    receipt_id_matching,
    receipts,
    request_progress,
    requests,
    resendable,
    webhook_backlog,
)
from pipeline.store import unknown_outcomes as store_unknown
from pipeline.store.api import (
    account_messages,
    campaign_events,
    challenges,
    delivery_pages,
    list_inbound,
    list_messages,
    recipient_requests,
    scheduled_requests,
    webhook_deliveries,
)
from pipeline.store.consent import inbound, opt_out_pages, opt_outs
from schema.vocabulary import BatchStatus
from tests.databases import NewDatabase
from tests.world import World

#: every day that has a partition: an empty one is rightly read whole
DAYS = range(-1, 8)
#: a day's batches, and what one holds
BATCHES, SIZE = 250, 8
#: where a plan that reads everything is a bad one
HOT = re.compile(
    r"(messages|provider_attempts)(_\d+)?|batches|receipts|parts|requests|idempotency_keys|webhook_deliveries|challenges"
    r"|inbound_messages|opt_outs|message_(numbers|correlations)(_\d+)?"
)


#: one account's; of its calls one in twenty still waits
_ENDPOINTS = """
INSERT INTO webhook_endpoints (id, account_id, dialect, url)
SELECT gen_random_uuid(), a.id, 'robase', 'https://example.org' FROM accounts AS a, generate_series(1, 2)
"""
_DELIVERIES = """
INSERT INTO webhook_deliveries (endpoint_id, concurrency_key, event_id, message_id, status, at, state, tries, done_at,
                                due_at)
SELECT e.id, e.id, gen_random_uuid(), m.id, 'sent', now(), CASE WHEN waits THEN 'waiting' ELSE 'delivered' END, 1,
       CASE WHEN NOT waits THEN now() END, CASE WHEN waits THEN now() + interval '1 minute' ELSE now() END
FROM webhook_endpoints AS e, messages AS m, LATERAL (SELECT mod(abs(hashtext(m.id::text)), 20) = 0 AS waits) AS w
"""
_CHALLENGES = """
INSERT INTO challenges (id, account_id, code_hash, max_attempts, expires_at) SELECT id, 1, '', 3, now() FROM requests
"""

#: of what handsets sent one in a hundred still waits, in parts
_INBOUND = """
INSERT INTO inbound_messages (id, carrier, key, phone, sender, body, part_ref, part, of, action, handled_at)
SELECT id, 'alpha', id::text, '+23480' || (10000000 + row_number() OVER (ORDER BY id) / 3), '8080', 'hello',
       CASE WHEN waits THEN 7 END, CASE WHEN waits THEN 1 END, CASE WHEN waits THEN 2 END,
       CASE WHEN NOT waits THEN 'keep' END, CASE WHEN NOT waits THEN now() END
FROM messages, LATERAL (SELECT mod(abs(hashtext(id::text)), 100) = 0 AS waits) AS w
"""
_NUMBERS = "INSERT INTO message_numbers SELECT hashtextextended(id::text, 1), id FROM messages"
_CORRELATIONS = "INSERT INTO message_correlations SELECT hashtextextended(id::text, 1), id FROM messages"
_OPT_OUTS = "INSERT INTO opt_outs SELECT DISTINCT 1, phone, sender, '', 'STOP' FROM inbound_messages"


@dataclass(frozen=True)
class Crowd:
    """A runtime whose tables are full, and ids of a few rows in there."""

    rt: Runtime
    batches: list[UUID]
    firsts: list[UUID]
    lasts: list[UUID]


@pytest.fixture(scope="module")
def crowd(new_database: NewDatabase) -> Iterator[Crowd]:
    with closing(Runtime(Settings(database_url=new_database()))) as rt:
        yield _crowded(rt)


def _crowded(rt: Runtime) -> Crowd:
    with rt.engine.begin() as conn:
        firsts = [_first(day, number) for day in DAYS for number in range(BATCHES)]
        _fill(conn, firsts)
    with rt.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE")
    some = firsts[BATCHES : BATCHES + 20]
    return Crowd(rt, some, some, [ids.after(first, SIZE - 1) for first in some])


def _first(day: int, number: int) -> UUID:
    noon = datetime.now(UTC).replace(hour=12) + timedelta(days=day, seconds=number)
    return ids.new_ids(noon, number << 32)


def _fill(conn: Connection, firsts: list[UUID]) -> None:
    """Write batches (named by their first message), nearly all done, with their messages, attempts and receipts."""
    all_ids = [(batch, ids.after(batch, place)) for batch in firsts for place in range(SIZE)]
    messages.write(
        conn, ((id_, batch, batch, 1, "+2348012345678", "NG", "ACME", "x" * 80, None) for batch, id_ in all_ids)
    )
    conn.exec_driver_sql("UPDATE messages SET encoding = 'GSM7', segments = 1, amount = 400, money = 'held', quota = 0")
    conn.exec_driver_sql("UPDATE messages SET status = 'sent' WHERE batch_id <> ALL(%(open)s)", {"open": firsts[-50:]})
    lasts = [ids.after(first, SIZE - 1) for first in firsts]
    statuses = [str(status) for status in BatchStatus] * 6 + ["done"] * (len(firsts) - 6 * len(BatchStatus))
    conn.exec_driver_sql(_BATCHES, {"batches": firsts, "lasts": lasts, "statuses": statuses})
    conn.exec_driver_sql(_ATTEMPTS)
    conn.exec_driver_sql(_RECEIPTS)
    conn.exec_driver_sql(_PARTS)
    conn.exec_driver_sql(_REQUESTS)
    conn.exec_driver_sql("INSERT INTO idempotency_keys SELECT 1, 'order', id::text, id, created_at FROM requests")
    conn.exec_driver_sql("INSERT INTO accounts (name, currency) VALUES ('acme', 'NGN')")
    conn.exec_driver_sql(_ENDPOINTS)
    conn.exec_driver_sql(_DELIVERIES)
    conn.exec_driver_sql(_CHALLENGES)
    conn.exec_driver_sql(_INBOUND)
    conn.exec_driver_sql(_OPT_OUTS)
    conn.exec_driver_sql(_NUMBERS)
    conn.exec_driver_sql(_CORRELATIONS)


_BATCHES = """
INSERT INTO batches (id, account_id, class, carrier, test, status, due_at, valid_until, size, first_id, last_id,
                     hinted_at, lease_until, watch_at)
SELECT id, 1, 'bulk', 'alpha', false, status, now(), now(), 8, id, last_id, now(), now(),
       CASE WHEN mod(row_number() OVER (), 500) = 0 THEN now() END
FROM unnest(%(batches)b::uuid[], %(lasts)b::uuid[], %(statuses)b::text[]) AS b (id, last_id, status)
"""
_ATTEMPTS = """
INSERT INTO provider_attempts (message_id, n, carrier, batch_id, fence, outcome, carrier_ref, marked_at)
SELECT id, 1, 'alpha', batch_id, 1, CASE WHEN mod(row_number() OVER (), 500) = 0 THEN 'unknown' ELSE 'accepted' END,
       'ref-' || id, now() - interval '80 hours' FROM messages
"""
_RECEIPTS = """
INSERT INTO receipts (id, carrier, key, carrier_ref, ref, verdict, raw, state)
SELECT id, 'alpha', id::text, 'ref-' || id, id, 'delivered', '{}',
       CASE WHEN mod(row_number() OVER (), 100) = 0 THEN 'waiting' ELSE 'applied' END FROM messages
"""

_PARTS = """
INSERT INTO parts (carrier, carrier_ref, message_id, n, part, of)
SELECT 'alpha', 'ref-' || id || '-' || part, id, 1, part, 2 FROM messages, generate_series(1, 2) AS part
"""
_REQUESTS = """
INSERT INTO requests (id, account_id, dialect, operation, class, first_message, recipients, accepted, refusals)
SELECT id, 1, 'robase', 'send', 'bulk', first_id, size, size, '[]' FROM batches
"""

Params = Callable[[Crowd], dict[str, Any]]


def spans(crowd: Crowd) -> dict[str, Any]:
    return {"batches": crowd.batches, "firsts": crowd.firsts, "lasts": crowd.lasts}


def some(crowd: Crowd, **more: Any) -> dict[str, Any]:
    """Return the ids of 160 messages of one day, and their bounds."""
    wanted = [ids.after(first, place) for first in crowd.firsts for place in range(SIZE)]
    return {"ids": wanted, "first": wanted[0], "last": wanted[-1], **more}


def charges(crowd: Crowd) -> dict[str, Any]:
    bounds = some(crowd, at=datetime.now(UTC))
    count = len(bounds["ids"])
    columns = {"encoding": "GSM7", "segments": 1, "amount": 400, "quota": 0, "money": "held"}
    columns |= dict.fromkeys(("status", "error_code", "final_at"))
    return bounds | {name: [value] * count for name, value in columns.items()}


def unknown(crowd: Crowd) -> dict[str, Any]:
    count = len(crowd.batches)
    columns = {"n": 1, "carriers": "alpha", "fences": 1, "marked_at": datetime.now(UTC), "resent": True}
    return {"batches": crowd.batches, "after": crowd.firsts, "upto": crowd.lasts} | {
        name: [value] * count for name, value in columns.items()
    }


def places(crowd: Crowd, **columns: Any) -> dict[str, Any]:
    count = len(crowd.firsts)
    return {"messages": crowd.firsts, "n": [1] * count} | {name: [value] * count for name, value in columns.items()}


def late(crowd: Crowd) -> dict[str, Any]:
    wanted = crowd.firsts
    columns = {"outcomes": "accepted", "refs": "x", "n": 1, "fences": 1}
    return {"messages": wanted} | {name: [value] * len(wanted) for name, value in columns.items()}


def reports(crowd: Crowd, **more: Any) -> dict[str, Any]:
    wanted = some(crowd)["ids"]
    return {"carriers": ["alpha"] * len(wanted), "carrier_refs": [f"ref-{id_}" for id_ in wanted], **more}


def claimed(crowd: Crowd) -> dict[str, Any]:
    sizes = {
        "company": batch_claims.SAME_ACCOUNT,
        "small": batch_claims.SMALL,
        "turns": batch_claims.TURNS,
        "held": HELD,
        "in_hand": IN_HAND,
    }
    return {"ids": crowd.batches, "lease": 60.0, "holder": None, **sizes}


def steps(crowd: Crowd) -> dict[str, Any]:
    count = len(crowd.batches)
    return {"ids": crowd.batches, "fences": [1] * count, "recorded": crowd.firsts, "marked": crowd.lasts, "lease": 60.0}


def view(_crowd: Crowd, **more: Any) -> dict[str, Any]:
    return {"account": 1, "dialect": "robase", "operations": ["send"], "test": False, **more}


def listed(crowd: Crowd, **more: Any) -> dict[str, Any]:
    return {"account": 1, "test": False, "lowest": crowd.firsts[0], "before": crowd.firsts[5], **more}


def hashed(crowd: Crowd) -> dict[str, Any]:
    return {"hashes": [1, 2], "lowest": crowd.firsts[0], "before": crowd.lasts[-1], "limit": 1000}


def page(crowd: Crowd) -> dict[str, Any]:
    return {"requests": crowd.batches, "firsts": crowd.firsts, "lasts": crowd.lasts, "limit": 50}


def sought(crowd: Crowd) -> dict[str, Any]:
    dates = dict.fromkeys(["id", "created_from", "created_to", "due_from", "due_to"])
    return view(crowd, earliest=crowd.firsts[0], latest=crowd.firsts[5], limit=1000, **dates)


def key(crowd: Crowd) -> dict[str, Any]:
    return {"accounts": [1], "scopes": ["order"], "keys": ["k"], "requests": crowd.batches[:1]}


def spelt(crowd: Crowd, name: str = "", **more: Any) -> dict[str, Any]:
    """Return spellings of references beside the ids of their messages, under that name."""
    wanted = some(crowd)["ids"]
    return ({name: wanted} if name else {}) | {"spellings": [f"ref-{id_}" for id_ in wanted], **more}


def reported(crowd: Crowd) -> dict[str, Any]:
    wanted = some(crowd)["ids"]
    bounds = {"lowest": wanted[0], "highest": wanted[-1], "at": datetime.now(UTC)}
    return {"ids": wanted, "messages": wanted, "statuses": ["sent"] * len(wanted), **bounds}


def recorded(crowd: Crowd) -> dict[str, Any]:
    count = len(crowd.batches)
    columns = {"tries": 1, "answers": "200", "accepted": True, "waits": None}
    return {"ids": crowd.batches} | {name: [value] * count for name, value in columns.items()}


#: twenty of what handsets send, column by column
RECEIVED: Mapping[str, Sequence[Any]] = {
    "ids": [ids.new_ids(datetime.now(UTC), number) for number in range(20)],
    "carriers": ["alpha"] * 20,
    "keys": [f"new/{number}" for number in range(20)],
    "phones": [f"+234801000{number:04}" for number in range(20)],
    "senders": ["8080"] * 20,
    "bodies": ["hello"] * 20,
    "refs": [7] * 20,
    "parts": [1] * 20,
    "ofs": [2] * 20,
    "octets": [None] * 20,
    "codings": [None] * 20,
    "ats": [None] * 20,
    "places": list(range(20)),
    "doubtful": [True] * 20,
    "accounts": [1] * 20,
    "actions": ["keep"] * 20,
    "replies": [None] * 20,
    "wholes": [None] * 20,
    "campaigns": [None] * 20,
    "lines": [None] * 20,
    "classes": ["bulk"] * 20,
    "skips": [False] * 20,
}


def received(names: str, **more: Any) -> dict[str, Any]:
    return {name: RECEIVED[name] for name in names.split()} | more


STATEMENTS: Mapping[str, tuple[str, Params]] = {
    "claim": (batch_claims._CLAIM, claimed),
    "parcels": (
        batch_claims._PARCELS,
        lambda c: {"batches": c.batches, "after": c.firsts, "last": c.lasts, "resent": [True] * len(c.batches)},
    ),
    "advance": (batch_claims._ADVANCE, steps),
    "advance campaigns": (batch_claims._ADVANCE_CAMPAIGNS, steps),
    "hold stopped": (batch_claims._HOLD_STOPPED, lambda crowd: {"ids": crowd.batches}),
    "finish": (batch_claims._FINISH, lambda crowd: {"ids": crowd.batches}),
    "requeue": (batch_claims._REQUEUE, lambda crowd: {"ids": crowd.batches, "resting": UUID(int=0)}),
    "lost": (batch_claims._LOST, lambda _: {"limit": 500}),
    "held": (lost_batches._HELD, lambda _: {"holder": UUID(int=1), "limit": 100}),
    "rest": (
        lost_batches._REST,
        lambda c: {"ids": c.batches, "recorded": c.firsts, "resting": UUID(int=0), "lease": 60.0},
    ),
    "note late": (
        lost_batches._LATE,
        lambda c: {
            "batches": c.batches,
            "fences": [1] * len(c.batches),
            "messages": c.firsts,
            "outcomes": ["accepted"] * len(c.batches),
            "refs": ["x"] * len(c.batches),
        },
    ),
    "reopen": (
        lost_batches._REOPEN,
        lambda c: {"ids": c.batches, "recorded": c.firsts, "moved": [True] * len(c.batches)},
    ),
    "unpaid": (batches._UNPAID, lambda crowd: {"batch": crowd.batches[0]}),
    "paid": (batches._PAID, lambda crowd: {"batch": crowd.batches[0]}),
    "promote": (batches._PROMOTE, lambda _: {"limit": 2000}),
    "release": (held_batches._RELEASE, lambda _: {"limit": 2000}),
    "an account's open batches": (held_batches._OPEN, lambda _: {"account": 1}),
    "hold": (held_batches._HOLD, lambda crowd: {"ids": crowd.batches, "why": "account"}),
    "hold a campaign": (held_batches._HOLD_CAMPAIGN, lambda _: {"campaign": UUID(int=1), "limit": 2000}),
    "aborted campaigns": (campaign_batches._ABORTED, lambda _: {"limit": 50}),
    "an aborted campaign's batches": (campaign_batches._LOCK, lambda _: {"campaign": UUID(int=1), "limit": 20}),
    "a campaign's backlog": (campaign_backlog._OF, lambda _: {"campaign": UUID(int=1)}),
    "a campaign's backlog by status": (campaign_backlog._BY_STATUS, lambda _: {"campaign": UUID(int=1)}),
    "requests of a canary": (campaign_outcomes._OF_CANARY, lambda _: {"campaign": UUID(int=1)}),
    "latest requests of a campaign": (
        campaign_outcomes._LATEST,
        lambda _: {"campaign": UUID(int=1), "after": 10_000, "upto": 35_000},
    ),
    "what gates look at": (
        campaign_outcomes._SAMPLE,
        lambda crowd: page(crowd) | {"opted": True, "since": datetime.now(UTC)},
    ),
    "handover of a canary": (campaign_outcomes._HANDOVER, page),
    "results of a campaign": (campaign_results._MESSAGES, some),
    "own time zones": (campaign_zones._OF, lambda crowd: some(crowd, campaigns=crowd.batches[:1])),
    "end batches": (campaign_batches._END, lambda crowd: {"ids": crowd.batches}),
    "keep": (held_batches._KEEP, lambda crowd: {"ids": crowd.batches}),
    "what is held": (held_batches._HELD, lambda _: {}),
    "what carriers' batches are held": (carrier_activity._HELD, lambda _: {}),
    "stale admitted": (batches._STALE.format(status="admitted"), lambda _: {"stale": 15.0, "limit": 500}),
    "stale queued": (batches._STALE.format(status="queued"), lambda _: {"stale": 15.0, "limit": 500}),
    "park admitted": (batches._PARK_ADMITTED, lambda _: {"claims": 3, "limit": 500, "at": datetime.now(UTC)}),
    "backlog": (due_messages._DUE, lambda _: {"now": datetime.now(UTC)}),
    "backlog that is held": (due_messages._HELD, lambda _: {}),
    "attempts in doubt": (
        due_messages._IN_DOUBT,
        lambda _: {"since": ids.lowest(datetime.now(UTC) - timedelta(days=35))},
    ),
    "webhooks that wait": (webhook_backlog._WAITING, lambda _: {"most": webhook_backlog.MOST}),
    "lock scheduled": (batches._LOCK_SCHEDULED, lambda crowd: {"ids": crowd.batches}),
    "bodies": (messages._BODIES, lambda c: {"batch": c.batches[0], "first": c.firsts[0], "last": c.lasts[0]}),
    "undecided": (messages._UNDECIDED, spans),
    "charge": (message_moves._CHARGE, charges),
    "move": (
        message_moves._MOVE,
        lambda crowd: some(crowd, status="sent", money="captured", code=None, at=datetime.now(UTC), is_accepted=True),
    ),
    "move money": (
        message_moves._MOVE_MONEY,
        lambda crowd: {"ids": some(crowd)["ids"], "money": "captured", "at": datetime.now(UTC)},
    ),
    "end": (
        message_moves._END,
        lambda crowd: {"ids": some(crowd)["ids"], "status": "delivered", "code": None, "at": datetime.now(UTC)},
    ),
    "reassign": (
        message_moves._REASSIGN,
        lambda crowd: some(crowd, batches=crowd.batches * SIZE, sent=[True] * SIZE * len(crowd.batches)),
    ),
    "reassign sent": (
        message_moves._REASSIGN_SENT,
        lambda crowd: some(
            crowd, batches=crowd.batches * SIZE, sent=[True] * SIZE * len(crowd.batches), at=datetime.now(UTC)
        ),
    ),
    "batches of": (messages._BATCHES_OF, lambda crowd: {"ids": some(crowd)["ids"], "account": 1}),
    "standing": (messages._STANDING, lambda crowd: {"ids": some(crowd)["ids"], "batches": crowd.batches}),
    "doubt": (attempts._WRITE_UNKNOWN, unknown),
    "late": (attempts._LATE, late),
    "unresolved": (attempts._UNRESOLVED, lambda _: {"hours": 72.0, "limit": 500}),
    "receipts due": (receipts._DUE, lambda _: {"limit": 1000, "retryable": False}),
    "undelivered due": (receipts._DUE, lambda _: {"limit": 500, "retryable": True}),
    "receipts by reference": (
        receipts._BY_REF,
        lambda crowd: reports(crowd, since=_first(-1, 0), until=_first(1, 0)),
    ),
    "receipts by our reference": (receipts._BY_OURS, lambda crowd: reports(crowd, refs=some(crowd)["ids"])),
    "what failed": (receipts._STANDING, lambda crowd: {"ids": some(crowd)["ids"]}),
    "lock parts": (message_parts._LOCK, lambda crowd: {"messages": some(crowd)["ids"]}),
    "note parts": (
        message_parts._NOTE,
        lambda crowd: (
            {"refs": reports(crowd)["carrier_refs"]} | reports(crowd, verdicts=["delivered"] * 160, codes=["0"] * 160)
        ),
    ),
    "sent": (resendable._SENT, lambda crowd: {"ids": some(crowd)["ids"]}),
    "untaken": (messages._UNTAKEN, spans),
    "doubts due": (store_unknown._DUE, lambda _: {"limit": 500}),
    "put off doubts": (store_unknown._PUT_OFF, lambda crowd: places(crowd, seconds=5.0)),
    "resolve doubts": (store_unknown._RESOLVE, places),
    "give doubts up": (store_unknown._GIVE_UP, lambda crowd: {"ids": crowd.firsts}),
    "asked": (store_unknown._ASKED, lambda crowd: {"ids": crowd.firsts, "carrier": "alpha"}),
    "answer": (
        store_unknown._ANSWER,
        lambda crowd: (
            {"carrier": "alpha", "messages": crowd.firsts}
            | {"outcomes": ["accepted"] * len(crowd.firsts), "refs": ["x"] * len(crowd.firsts)}
        ),
    ),
    "silences due": (missing_receipts._DUE, lambda _: {"limit": 500}),
    "unheard": (
        missing_receipts._WITHOUT_RECEIPT,
        lambda crowd: {**spans(crowd), "sources": missing_receipts._SOURCES, "lately": 3600.0},
    ),
    "stray receipts": (
        receipt_id_matching._STRAY,
        lambda crowd: {"ids": some(crowd)["ids"], "late": 3600, "settled": 30},
    ),
    "respell": (receipt_id_matching._MATCH_SPELLINGS, lambda crowd: spelt(crowd, "ids", since=crowd.firsts[0])),
    "carriers of strays": (receipt_id_matching._DIFFERING, lambda _: {"carriers": ["alpha"]}),
    "spoken of": (
        receipt_id_matching._NAMED_BY_RECEIPTS,
        lambda crowd: spelt(crowd, "messages", carriers=["alpha"] * 160),
    ),
    "references given": (
        receipt_id_matching._ASSIGNED,
        lambda crowd: spelt(crowd, carriers=["alpha"] * 160, since=crowd.firsts[0], places=list(range(160))),
    ),
    "asked before": (idempotent_replays._ASKED, lambda crowd: {"ids": crowd.batches}),
    "written before": (
        idempotent_replays._MESSAGES,
        lambda crowd: {"requests": crowd.batches, "firsts": crowd.firsts, "lasts": crowd.lasts},
    ),
    "originals": (
        idempotent_replays._ORIGINALS,
        lambda crowd: {"requests": crowd.batches, "firsts": crowd.firsts, "lasts": crowd.lasts},
    ),
    "progress": (request_progress._REQUESTS, lambda crowd: {"ids": crowd.batches}),
    "progress of messages": (
        request_progress._STATUSES,
        lambda crowd: {"ids": crowd.batches, "firsts": crowd.firsts, "lasts": crowd.lasts},
    ),
    "vacant": (requests._VACANT, lambda crowd: {"ids": crowd.batches}),
    "lock keys": (idempotency_keys._LOCKED, key),
    "blot": (missing_receipts._REDACT, spans),
    "learn": (
        missing_receipts._MEASURE,
        lambda crowd: (
            {"since": _first(DAYS[-1], BATCHES - 20), "recent": crowd.firsts[0]}
            | {"least": 10.0, "fewest": 50, "sample": 1000, "strange": 10, "latest": 100}
        ),
    ),
    "inbound fresh": (inbound._FRESH, lambda _: {"limit": 500, "timeout": 600.0}),
    "inbound members": (inbound._MEMBERS, lambda _: received("carriers phones senders refs ofs", timeout=600.0)),
    "inbound starts": (inbound._STARTS, lambda _: received("phones", believed=timedelta(hours=72))),
    "rows that were answered": (
        campaign_replies._ROWS,
        lambda crowd: {"places": [0, 1], "campaigns": crowd.batches[:2], "phones": ["+2348012345678"] * 2},
    ),
    "when answered messages were sent": (
        campaign_replies._SENT_AT,
        lambda crowd: {"ids": crowd.firsts, "first": min(crowd.firsts), "last": max(crowd.firsts)},
    ),
    "replies by row": (
        campaign_replies._BY_LINE,
        lambda crowd: {"campaign": crowd.batches[0], "first": 1, "last": 5000},
    ),
    "inbound keep": (inbound._KEEP, lambda _: received(" ".join(RECEIVED), again=300)),
    "inbound handle": (
        inbound._HANDLE,
        lambda crowd: received("accounts actions replies bodies senders wholes campaigns lines", ids=crowd.firsts),
    ),
    "opt-outs of": (opt_outs._OF, lambda _: received("accounts phones")),
    "opt-outs refused": (opt_outs._REFUSED, lambda _: received("accounts phones senders classes skips")),
    "receipts anew": (
        receipts._KEEP_ANEW,
        lambda crowd: (
            reports(crowd, verdicts=["delivered"] * 160, codes=["0"] * 160)
            | {"keys": [str(n) for n in range(160)], "retryables": [False] * 160, "ats": [None] * 160}
            | {
                "raws": ["{}"] * 160,
                "waits": [0.0] * 160,
                "states": ["waiting"] * 160,
                "refs": [None] * 160,
                "hours": 72,
            }
        ),
    ),
    "receipts close": (receipts._CLOSE, lambda crowd: {"ids": some(crowd)["ids"], "state": "applied"}),
    "receipts postpone": (receipts._POSTPONE, lambda crowd: {"ids": some(crowd)["ids"], "hours": 72.0}),
    "request answers": (requests._READ, lambda crowd: {"ids": crowd.batches}),
    "keys reserved": (idempotency_keys._RESERVED, key),
    "keys taken over": (idempotency_keys._TAKE_OVER, lambda crowd: key(crowd) | {"holders": crowd.batches[:1]}),
    "requests unpaid": (
        requests._UNPAID,
        lambda crowd: {
            "requests": crowd.batches,
            "firsts": crowd.firsts,
            "lasts": crowd.lasts,
            "codes": ["no_price", "insufficient_funds"],
        },
    ),
    "queued at": (list_messages._QUEUED, lambda crowd: {"id": crowd.firsts[0]}),
    "tell": (events._RECORD, reported),
    "lock deliveries": (
        webhook_deliveries._LOCK,
        lambda crowd: {"keys": crowd.batches, "rooms": [8] * len(crowd.batches), "room": 8, "most": 400},
    ),
    "claim deliveries": (webhook_deliveries._CLAIM, lambda crowd: {"ids": crowd.batches, "lease": 60.0}),
    "load deliveries of campaigns": (campaign_events._LOAD, lambda crowd: {"ids": crowd.batches, "hours": 24.0}),
    "load deliveries": (webhook_deliveries._LOAD, lambda crowd: {"ids": crowd.batches, "hours": 24.0}),
    "record deliveries": (webhook_deliveries._RECORD, recorded),
    "standings": (
        recipient_requests._STANDINGS,
        lambda crowd: {
            "accounts": [1] * 20,
            "ids": crowd.batches,
            "tests": [False] * 20,
            "dialects": ["robase"] * 20,
        },
    ),
    "count a guess": (
        challenges._COUNT,
        lambda crowd: {"id": crowd.batches[0], "account": 1, "fits": False, "now": datetime.now(UTC)},
    ),
    "wake deliveries": (webhook_deliveries._WAKE, lambda crowd: {"keys": crowd.batches, "messages": crowd.batches}),
    "story": (operator_reports._MESSAGE, lambda crowd: {"id": crowd.firsts[0], "account": "acme"}),
    "story's attempts": (operator_reports._ATTEMPTS, lambda crowd: {"id": crowd.firsts[0]}),
    "messages of a request": (
        operator_reports._MESSAGES_OF,
        lambda c: {"request": c.batches[0], "first": c.firsts[0], "last": c.lasts[0]},
    ),
    "one for its owner": (list_messages._ONE, lambda crowd: view(crowd, id=crowd.firsts[0])),
    "latest requests": (list_messages._REQUESTS, lambda crowd: view(crowd, before=crowd.firsts[5], limit=51)),
    "a page of messages": (list_messages._PAGE, page),
    "a page's attempts": (list_messages._TRIES, some),
    "exempt from the checks at claim": (claim_checks._EXEMPT, some),
    "chosen by": (batches._SNAPSHOTS, lambda crowd: {"ids": crowd.batches}),
    "came through": (messages._SENT_THROUGH, lambda crowd: some(crowd, apis=["webex.sms"])),
    "scheduled requests": (scheduled_requests._REQUESTS, sought),
    "how they stand": (
        scheduled_requests._STANDING,
        lambda crowd: page(crowd) | {"send_ats": [datetime.now(UTC)] * len(crowd.batches)},
    ),
    "what carriers have to do": (carrier_activity._WAITING, lambda _: {}),
    "what carriers said lately": (carrier_activity._RECEIPTS, lambda _: {"edge": _first(DAYS[-1], BATCHES - 20)}),
    "how long receipts took": (
        carrier_outcomes._DELAYS,
        lambda crowd: {
            "carrier": "alpha",
            "edge": _first(DAYS[-1], BATCHES - 20),
            "oldest": crowd.firsts[0],
            "limit": 500,
        },
    ),
    "all of an account's latest requests": (account_messages._LATEST, lambda crowd: listed(crowd, most=500)),
    "one of an account's requests": (account_messages._REQUEST, lambda crowd: listed(crowd, request=crowd.batches[0])),
    "an account's request": (
        account_messages._OF,
        lambda crowd: {"id": crowd.batches[0], "account": 1, "tests": [False, True]},
    ),
    "one of all of an account's messages": (
        account_messages._ONE,
        lambda crowd: {"id": crowd.firsts[0], "account": 1, "tests": [False, True]},
    ),
    "a filtered page of all of an account's messages": (
        account_messages._PAGE,
        lambda crowd: page(crowd) | {"sender": "ACME", "status": "sent", "within": None, "campaign": None},
    ),
    "latest requests of a campaign's messages": (
        account_messages._OF_CAMPAIGN,
        lambda crowd: listed(crowd, campaign=UUID(int=1), most=500),
    ),
    "messages of a number": (message_index._BY_NUMBER, hashed),
    "messages of a correlation id": (message_index._BY_CORRELATION, hashed),
    "numbers that got a message lately": (
        message_index.RECIPIENTS_SINCE,
        lambda c: {"hashes": [1, 2], "phones": ["+1", "+2"], "account": 1, "campaign": None, "lowest": c.firsts[0]},
    ),
    "messages of the index that fit": (
        account_messages._AMONG,
        lambda crowd: {
            "ids": some(crowd)["ids"],
            "account": 1,
            "test": False,
            "limit": 51,
            **dict.fromkeys(("phone", "correlation_id", "sender", "request", "status", "campaign")),
        },
    ),
    "messages to be indexed": (message_index._OF_REQUESTS, page),
    "earlier messages to be indexed": (message_index._EARLIER, lambda crowd: {"before": crowd.firsts[5], "limit": 100}),
    "messages that support finds": (
        operator_reports._FOUND,
        lambda crowd: {"ids": some(crowd)["ids"], "phone": "+2348012345678", "correlation_id": None},
    ),
    "an account's inbound messages": (
        list_inbound._PAGE,
        lambda _: {
            "account": 1,
            "since": datetime.now(UTC) - timedelta(days=1),
            "before_at": datetime.now(UTC),
            "before_id": UUID(int=0),
            "limit": 51,
        },
    ),
    "a page of an account's inbound messages": (
        inbound_pages._OF_ACCOUNT,
        lambda _: {"account": 1, "at": datetime.now(UTC), "id": UUID(int=0), "limit": 51},
    ),
    "a page of inbound messages": (inbound_pages._OF_ALL, lambda crowd: {"id": crowd.firsts[5], "limit": 51}),
    "a page of an account's opt-outs": (
        opt_out_pages._OF_ACCOUNT,
        lambda _: {"account": 1, "phone": "+2348", "sender": "", "class": "", "limit": 51},
    ),
    "a page of opt-outs": (
        opt_out_pages._OF_ALL,
        lambda _: {"account": -1, "phone": "", "sender": "", "class": "", "limit": 51},
    ),
    "opt-outs of a number": (
        opt_out_pages._OF_NUMBER,
        lambda _: {"accounts": [0, 1, 2], "phone": "+2348012345678", "limit": 51},
    ),
    "a page of held batches": (
        held_batch_pages._PAGE,
        lambda _: {"at": datetime.now(UTC), "id": UUID(int=0), "limit": 51},
    ),
    "a page of deliveries that ended": (
        delivery_pages._ENDED,
        lambda crowd: {
            "endpoint": crowd.batches[0],
            "state": "dead",
            "at": datetime.now(UTC),
            "id": UUID(int=0),
            "limit": 51,
        },
    ),
    "a page of deliveries that wait": (
        delivery_pages._WAITING,
        lambda crowd: {"endpoint": crowd.batches[0], "at": datetime.now(UTC), "id": UUID(int=0), "limit": 51},
    ),
    "a request's span": (scheduled_requests._SPAN, lambda crowd: view(crowd, id=crowd.batches[0])),
}
each_statement = pytest.mark.parametrize("name", STATEMENTS)


def scans(plan: Any) -> Iterator[tuple[str, str]]:
    """Yield how each table of a plan is read."""
    if "Relation Name" in plan and "Scan" in plan["Node Type"]:
        yield plan["Node Type"], plan["Relation Name"]
    for inner in plan.get("Plans", []):
        yield from scans(inner)


def read_whole(plan: Any) -> list[tuple[str, str]]:
    """Return the hot tables that a plan reads from end to end."""
    found = list(scans(plan))
    assert any(HOT.fullmatch(table) for _, table in found)
    return [(node, table) for node, table in found if node == "Seq Scan" and HOT.fullmatch(table)]


@each_statement
def test_the_custom_plan_of_a_hot_statement_has_no_full_scan(crowd: Crowd, name: str) -> None:
    statement, params = STATEMENTS[name]

    with crowd.rt.engine.begin() as conn:
        [plan] = conn.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", params(crowd)).scalar_one()

    assert read_whole(plan["Plan"]) == []


@each_statement
def test_the_generic_plan_of_a_hot_statement_has_no_full_scan(crowd: Crowd, name: str) -> None:
    statement, params = STATEMENTS[name]
    places = {word: f"${place}" for place, word in enumerate(params(crowd), start=1)}
    prepared = re.sub(r"%\((\w+)\)[sb]", lambda found: places[found[1]], statement)

    with crowd.rt.engine.begin() as conn:
        [plan] = conn.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {prepared}".replace("%", "%%")).scalar_one()

    assert read_whole(plan["Plan"]) == []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("promote", "batches_due"),
        ("stale admitted", "batches_hinted"),
        ("stale queued", "batches_hinted"),
        ("lost", "batches_leased"),
        ("release", "batches_held_account"),
        ("release", "batches_held_carrier"),
        ("release", "batches_held_due"),
        ("release", "batches_held "),
        ("unresolved", "marked_at"),
        ("receipts due", "receipts_due"),
        ("undelivered due", "receipts_due"),
        ("receipts by reference", "carrier_ref_carrier"),
        ("receipts by our reference", "carrier_ref_carrier"),
        ("doubts due", "coalesce"),
        ("silences due", "batches_watched"),
        ("lock deliveries", "webhook_deliveries_due"),
        ("a page of deliveries that ended", "webhook_deliveries_ended"),
        ("latest requests", "requests_latest"),
        ("all of an account's latest requests", "requests_latest "),
        ("all of an account's latest requests", "requests_latest_orders"),
        ("an account's inbound messages", "account_id_received_at"),
        ("latest requests of a campaign's messages", "batches_listed_campaign"),
        ("messages of a number", "hash_message_id"),
        ("messages of a correlation id", "hash_message_id"),
    ],
)
def test_a_periodic_statement_uses_its_index(crowd: Crowd, name: str, index: str) -> None:
    statement, params = STATEMENTS[name]

    with crowd.rt.engine.begin() as conn:
        lines = conn.exec_driver_sql(f"EXPLAIN {statement}", params(crowd)).scalars()
        plan = "\n".join(lines)

    assert index in plan


def test_recent_outcomes_of_carriers_are_found_by_the_index_on_their_time(world: World) -> None:
    world.run(
        """
        INSERT INTO provider_attempts (message_id, n, carrier, batch_id, fence, outcome, marked_at, recorded_at)
        SELECT (to_char(now(), '"00000000-0000-7000-8000-"') || lpad(to_hex(n), 12, '0'))::uuid, 1, 'alpha',
               gen_random_uuid(), 1, 'accepted', now(), now() - (30000 - n) * interval '1 second'
        FROM generate_series(1, 30000) AS n
        """
    )
    with world.rt.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE provider_attempts")

    with world.rt.begin() as conn:
        params = {"since": datetime.now(UTC) - timedelta(minutes=15), "carrier": "alpha", "limit": 30}
        plans = [
            "\n".join(conn.exec_driver_sql(f"EXPLAIN {statement}", params).scalars())
            for statement in (carrier_activity._OUTCOMES, carrier_outcomes._CODES)
        ]

    assert all("recorded_at_idx" in plan for plan in plans)


def test_a_page_of_tests_of_an_account_with_many_live_requests_examines_a_limited_number(world: World) -> None:
    world.run(
        """
        INSERT INTO requests (id, account_id, dialect, operation, class, first_message, recipients, accepted, refusals)
        SELECT gen_random_uuid(), 1, CASE WHEN mod(n, 2) = 0 THEN 'robase' END, 'send', 'bulk',
               (to_char(now(), '"00000000-0000-7000-8000-"') || lpad(to_hex(n), 12, '0'))::uuid, 1, 1, '[]'
        FROM generate_series(1, 20000) AS n
        """
    )
    with world.rt.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE requests")
    params = {"account": 1, "test": True, "lowest": UUID(int=0), "before": UUID(int=(1 << 128) - 1), "most": 500}

    with world.rt.begin() as conn:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {account_messages._LATEST}"
        [plan] = conn.exec_driver_sql(explain, params).scalar_one()

    # the latest thousand fill tens of pages, all of them hundreds
    assert plan["Plan"]["Actual Rows"] == 500
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 100


#: batches that are held, half of them for each reason, long since due
_HELD = """
INSERT INTO batches (id, account_id, class, carrier, test, status, due_at, valid_until, size, first_id, last_id,
                     hinted_at, held)
SELECT gen_random_uuid(), 1, 'bulk', 'alpha', false, CASE WHEN mod(n, 4) < 2 THEN 'queued' ELSE 'waiting' END,
       CASE WHEN mod(n, 2) = 0 THEN now() + interval '1 hour' ELSE now() - interval '1 hour' END,
       now() + interval '1 day', 1, gen_random_uuid(), gen_random_uuid(), now(),
       CASE WHEN mod(n, 2) = 0 THEN 'carrier' ELSE 'account' END
FROM generate_series(1, 20000) AS n
"""


@pytest.mark.parametrize("name", ["promote", "release", "stale queued", "claim", "an account's open batches"])
def test_statements_do_not_read_held_batches(world: World, name: str) -> None:
    world.run("UPDATE accounts SET state = 'suspended'")
    world.run(_HELD)
    with world.rt.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE batches")
    statement, params = STATEMENTS[name]
    few = Crowd(world.rt, world.rows("SELECT id FROM batches LIMIT 1"), [], [])

    with world.rt.begin() as conn:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        [plan] = conn.exec_driver_sql(explain, params(few)).scalar_one()

    # twenty thousand of them fill hundreds of pages
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 100


def test_a_full_scan_in_a_plan_is_detected(crowd: Crowd) -> None:
    with crowd.rt.engine.begin() as conn:
        [plan] = conn.exec_driver_sql("EXPLAIN (FORMAT JSON) SELECT FROM messages WHERE phone = '+1'").scalar_one()

    assert len(read_whole(plan["Plan"])) >= len(DAYS)
