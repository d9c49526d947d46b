"""The campaigns table: read, locked, and moved from state to state; its counts are in `campaign_progress`."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.rules.campaign_lifecycle import SENDABLE
from pipeline.rules.campaigns.local_hours import LocalHours
from schema.campaign import Campaign
from schema.message_class import MessageClass
from schema.vocabulary import CampaignState, DuplicatePolicy

#: columns of `Campaign` that are named otherwise in the table, or come from the account
_ELSEWHERE = {
    "account": "a.name AS account",
    "currency": "a.currency",
    "message_class": "c.class AS message_class",
}
#: SQL: campaigns `c` as `as_campaign` takes them
SELECT = (
    "SELECT "
    + ", ".join(_ELSEWHERE.get(each.name, f"c.{each.name}") for each in fields(Campaign))
    + " FROM campaigns AS c JOIN accounts AS a ON a.id = c.account_id"
)


def as_campaign(row: Row[Any]) -> Campaign:
    """Return the campaign of a row of `SELECT`."""
    given = dict(row._mapping)
    given["state"] = CampaignState(row.state)
    given["message_class"] = MessageClass(row.message_class)
    given["duplicates"] = DuplicatePolicy(row.duplicates)
    return Campaign(**given)


_OF = f"{SELECT} WHERE c.id = %(id)s"
_ALL_OF = f"{SELECT} WHERE c.id = ANY(%(ids)b)"
_NAMED = f"{SELECT} WHERE a.name = %(account)s AND c.name = %(name)s"


def of(conn: Connection, campaign: UUID) -> Campaign | None:
    """Return a campaign; None: there is none."""
    row = conn.exec_driver_sql(_OF, {"id": campaign}).first()
    return as_campaign(row) if row else None


def all_of(conn: Connection, campaigns: Collection[UUID]) -> dict[UUID, Campaign]:
    """Return campaigns by id."""
    return {row.id: as_campaign(row) for row in conn.exec_driver_sql(_ALL_OF, {"ids": list(campaigns)})}


def named(conn: Connection, account: str, name: str) -> Campaign | None:
    """Return an account's campaign of this name; None: it has none."""
    row = conn.exec_driver_sql(_NAMED, {"account": account, "name": name}).first()
    return as_campaign(row) if row else None


#: SQL list of the states in which messages may be submitted
SENDABLE_STATES = ", ".join(f"'{state}'" for state in sorted(SENDABLE))
#: SQL: whether nothing of batch `b` may be submitted, as its campaign is paused or was ended
STOPPED = (
    "(b.campaign_id IS NOT NULL"
    f" AND coalesce((SELECT state FROM campaigns WHERE id = b.campaign_id) NOT IN ({SENDABLE_STATES}), false))"
)
_STOPPED = f"SELECT id FROM campaigns WHERE id = ANY(%(ids)b) AND state NOT IN ({SENDABLE_STATES})"


def stopped(conn: Connection, campaigns: Collection[UUID]) -> set[UUID]:
    """Return those of the campaigns of which nothing may be submitted."""
    return {id_ for (id_,) in conn.exec_driver_sql(_STOPPED, {"ids": list(campaigns)})}


_HOURS = """
SELECT id, hours_from, hours_until FROM campaigns
WHERE id = ANY(%(ids)b) AND hours_from IS NOT NULL AND hours_until IS NOT NULL
"""


def local_hours(conn: Connection, campaigns: Collection[UUID]) -> dict[UUID, LocalHours]:
    """Return the local hours of those of the campaigns that have any."""
    if not campaigns:
        return {}
    rows = conn.exec_driver_sql(_HOURS, {"ids": list(campaigns)})
    return {row.id: LocalHours(row.hours_from, row.hours_until) for row in rows}


def lock(conn: Connection, campaign: UUID) -> Campaign | None:
    """Return a campaign, locked for a change of its state; None: there is none.

    Lock order: campaigns, campaign_progress, batches, messages, wallets.
    """
    row = conn.exec_driver_sql(f"{_OF} FOR NO KEY UPDATE OF c", {"id": campaign}).first()
    return as_campaign(row) if row else None


def share(conn: Connection, campaign: UUID) -> Campaign | None:
    """Return a campaign, whose state cannot change until the transaction ends; None: there is none."""
    row = conn.exec_driver_sql(f"{_OF} FOR SHARE OF c", {"id": campaign}).first()
    return as_campaign(row) if row else None


_LATEST = f"{SELECT} WHERE c.id < %(before)s{{condition}} ORDER BY c.id DESC LIMIT %(most)s"
_LATEST_OF_ALL = _LATEST.format(condition="")
_LATEST_OF = _LATEST.format(condition=" AND c.account_id = %(account)s")


def listing(conn: Connection, account: int | None, before: UUID, most: int) -> list[Campaign]:
    """Return campaigns of an account (None: of all) that were created before an id, the latest first."""
    params = {"account": account, "before": before, "most": most}
    rows = conn.exec_driver_sql(_LATEST_OF_ALL if account is None else _LATEST_OF, params)
    return [as_campaign(row) for row in rows]


#: campaigns that one call examines for a state
EXAMINED = 1000
_IN_STATE = f"""
{SELECT} WHERE c.id = ANY(ARRAY(
    SELECT id FROM campaigns WHERE id < %(before)s{{condition}} ORDER BY id DESC LIMIT {EXAMINED}
)) AND c.state = %(state)s ORDER BY c.id DESC LIMIT %(most)s
"""
_IN_STATE_OF_ALL = _IN_STATE.format(condition="")
_IN_STATE_OF = _IN_STATE.format(condition=" AND account_id = %(account)s")


def in_state(conn: Connection, account: int | None, state: CampaignState, before: UUID, most: int) -> list[Campaign]:
    """Return those in a state of the `EXAMINED` campaigns before an id that `listing` would begin with."""
    params = {"account": account, "state": str(state), "before": before, "most": most}
    rows = conn.exec_driver_sql(_IN_STATE_OF_ALL if account is None else _IN_STATE_OF, params)
    return [as_campaign(row) for row in rows]


_LAST_EXAMINED = f"""
SELECT id FROM campaigns WHERE id < %(before)s{{condition}} ORDER BY id DESC OFFSET {EXAMINED - 1} LIMIT 1
"""
_LAST_EXAMINED_OF_ALL = _LAST_EXAMINED.format(condition="")
_LAST_EXAMINED_OF = _LAST_EXAMINED.format(condition=" AND account_id = %(account)s")


def last_examined(conn: Connection, account: int | None, before: UUID) -> UUID | None:
    """Return the last campaign that `in_state` examines before an id; None: it examines all."""
    params = {"account": account, "before": before}
    row = conn.exec_driver_sql(_LAST_EXAMINED_OF_ALL if account is None else _LAST_EXAMINED_OF, params).first()
    return row.id if row else None


_INSERT = """
WITH made AS (
    INSERT INTO campaigns ({columns}) VALUES ({values}) ON CONFLICT (account_id, name) DO NOTHING RETURNING id
)
INSERT INTO campaign_progress (campaign_id) SELECT id FROM made RETURNING campaign_id
"""


def write(conn: Connection, columns: Mapping[str, Any]) -> bool:
    """Insert a campaign (column → value; mappings become JSON) with empty counts; False: its name is taken."""
    given = {name: _stored(value) for name, value in columns.items()}
    statement = _INSERT.format(columns=", ".join(given), values=", ".join(f"%({name})s" for name in given))
    return conn.exec_driver_sql(statement, given).first() is not None


_UPDATE = "UPDATE campaigns SET {changes} WHERE id = %(id)s AND state = ANY(%(states)b)"


def update(conn: Connection, campaign: UUID, states: Collection[CampaignState], columns: Mapping[str, Any]) -> bool:
    """Change columns of a campaign that is in one of these states; False: it is not."""
    given = {name: _stored(value) for name, value in columns.items()}
    statement = _UPDATE.format(changes=", ".join(f"{name} = %({name})s" for name in given))
    return bool(conn.exec_driver_sql(statement, {**given, "id": campaign, "states": list(map(str, states))}).rowcount)


_MOVE = """
UPDATE campaigns
SET state = %(to)s, reason = %(reason)s,
    started_at = CASE WHEN %(to)s IN ('scheduled', 'running') THEN coalesce(started_at, %(now)s) ELSE started_at END,
    ended_at = CASE WHEN %(ends)s THEN %(now)s END
WHERE id = %(id)s AND state = %(before)s
"""


def move(
    conn: Connection,
    campaign: UUID,
    before: CampaignState,
    to: CampaignState,
    now: datetime,
    *,
    reason: str | None,
    ends: bool,
) -> bool:
    """Change the state of a campaign; False: it was not in the state `before`."""
    params = {
        "id": campaign,
        "before": str(before),
        "to": str(to),
        "reason": reason,
        "now": now,
        "ends": ends,
    }
    return bool(conn.exec_driver_sql(_MOVE, params).rowcount)


_DUE = """
SELECT c.id, c.state, c.valid_until <= %(now)s AS is_over, c.state = 'scheduled' AND c.send_at <= %(now)s AS is_due,
       p.rows = p.skipped + p.sent + p.left_out AS has_outcomes
FROM campaigns AS c JOIN campaign_progress AS p ON p.campaign_id = c.id
WHERE c.state IN ('checking', 'scheduled', 'running', 'paused')
  AND (c.state <> 'checking' AND c.valid_until <= %(now)s OR c.state = 'scheduled' AND c.send_at <= %(now)s
       OR c.state IN ('checking', 'running') AND p.worked_at < %(before)s)
ORDER BY p.worked_at LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class DueCampaign:
    """A campaign that the clock has something to do with."""

    id: UUID
    state: CampaignState
    #: its validity has ended
    is_over: bool
    #: its send time has come
    is_due: bool
    #: each of its rows is sent or skipped
    has_outcomes: bool


def due(conn: Connection, now: datetime, before: datetime, limit: int) -> list[DueCampaign]:
    """Return campaigns that begin or expire, or are to be worked on and were not since `before`, up to a limit."""
    rows = conn.exec_driver_sql(_DUE, {"now": now, "before": before, "limit": limit})
    return [
        DueCampaign(row.id, CampaignState(row.state), bool(row.is_over), bool(row.is_due), row.has_outcomes)
        for row in rows
    ]


_ARE_KEPT = """
SELECT EXISTS (
    SELECT FROM campaigns WHERE id >= %(low)s AND id < %(high)s AND (ended_at IS NULL OR ended_at >= %(since)s)
)
"""


def are_kept(conn: Connection, low: UUID, high: UUID, since: datetime) -> bool:
    """Tell whether a campaign from id `low` to before `high` has not ended, or not before `since`."""
    return bool(conn.exec_driver_sql(_ARE_KEPT, {"low": low, "high": high, "since": since}).scalar())


def _stored(value: object) -> object:
    return json.dumps(value) if isinstance(value, Mapping) else value
