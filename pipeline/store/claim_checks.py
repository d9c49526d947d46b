"""Checks at claim: what accounts may send now, which recipients opted out, and which messages are exempt."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.consent.claim_checks import CurrentPermission
from pipeline.rules.consent.send_permission import REPLIES
from pipeline.store.consent import opt_outs, send_permission
from pipeline.store.consent.opt_outs import PendingSend
from schema.carriage import Parcel

_PERMISSIONS = f"""
SELECT a.id,
       (SELECT coalesce(json_object_agg(s.sender, s.countries), '{{}}') FROM sender_ids AS s
        WHERE s.account_id = a.id AND s.state = 'approved' AND s.sender = ANY(%(senders)b::text[])),
       {send_permission.COLUMNS}
FROM accounts AS a WHERE a.id = ANY(%(accounts)b::int4[])
"""


def permissions(conn: Connection, accounts: Collection[int], senders: Collection[str]) -> dict[int, CurrentPermission]:
    """Return account → what it may send, with those of these senders that are approved for it."""
    rows = conn.exec_driver_sql(_PERMISSIONS, {"accounts": list(accounts), "senders": list(senders)})
    return {account: CurrentPermission(approved, send_permission.read(held)) for account, approved, *held in rows}


#: an account and one of its messages
AccountParcel = tuple[int, Parcel]


def opted_out(conn: Connection, wanted: Sequence[AccountParcel], *, skips_own: bool = False) -> list[AccountParcel]:
    """Return the messages whose recipients opted out; `skips_own`: those that opted out from all accounts only."""
    sends = [PendingSend(account, each.to, each.sender, str(each.message_class), skips_own) for account, each in wanted]
    return [wanted[place] for place in opt_outs.refused(conn, sends)]


@dataclass(frozen=True, slots=True)
class Exemptions:
    """Messages whose requests are exempt from checks."""

    #: the account's own opt-outs do not count
    skip_opt_outs: set[UUID]
    #: automatic replies to inbound messages
    replies: set[UUID]


_EXEMPT = f"""
SELECT m.id, r.skips_opt_outs, r.dialect IS NULL AND coalesce(r.operation = '{REPLIES}', false)
FROM messages AS m JOIN requests AS r ON r.id = m.request_id
WHERE m.id = ANY(%(ids)b) AND m.id BETWEEN %(first)s AND %(last)s
  AND (r.skips_opt_outs OR r.dialect IS NULL AND r.operation = '{REPLIES}')
"""


def exemptions(conn: Connection, ids: Collection[UUID]) -> Exemptions:
    """Return those of these messages that are exempt from checks."""
    if not ids:
        return Exemptions(set(), set())
    rows = conn.exec_driver_sql(_EXEMPT, {"ids": list(ids), "first": min(ids), "last": max(ids)}).all()
    return Exemptions({id_ for id_, skips, _ in rows if skips}, {id_ for id_, _, is_reply in rows if is_reply})
