"""Checks at claim: consent, countries, sender approval and quiet hours are checked again before sending.

An account without rules costs one small query per claim: its messages are not read. Test messages always pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.consent.quiet_hours import QuietHours
from pipeline.rules.consent.send_permission import REPLIES, SendPermission
from pipeline.store.batch_claims import Claim
from pipeline.store.consent import opt_outs, send_permission
from pipeline.store.consent.opt_outs import PendingSend
from schema.carriage import Parcel
from schema.vocabulary import Code

#: the code of a refusal, or until when the message is held
Verdict = Code | datetime
#: batch → its messages still to be sent
Loads = Mapping[UUID, Sequence[Parcel]]


@dataclass(frozen=True, slots=True)
class _State:
    """What an account may send now."""

    #: the database's time
    at: datetime
    #: those of the given senders that are approved, with their countries; empty: all
    senders: Mapping[str, Sequence[str]]
    permission: SendPermission


_STANDS = f"""
SELECT a.id, clock_timestamp(),
       (SELECT coalesce(json_object_agg(s.sender, s.countries), '{{}}') FROM sender_ids AS s
        WHERE s.account_id = a.id AND s.state = 'approved' AND s.sender = ANY(%(senders)b::text[])),
       {send_permission.COLUMNS}
FROM accounts AS a WHERE a.id = ANY(%(accounts)b::int4[])
"""


def blocked(conn: Connection, claims: Sequence[Claim], loads: Loads) -> dict[UUID, Verdict]:
    """Return message → refusal code, or until when it is held, for those of `loads` that may not be sent now."""
    asked = [claim for claim in claims if _is_checked(claim) and loads.get(claim.span.batch)]
    if not asked:
        return {}
    senders = {claim.span.batch: _senders(loads[claim.span.batch]) for claim in asked}
    stands = _stands(conn, {claim.account for claim in asked}, set().union(*senders.values()))
    found: dict[UUID, Verdict] = {}
    wishes: list[tuple[UUID, PendingSend]] = []
    for claim in asked:
        state, load = stands[claim.account], loads[claim.span.batch]
        held = state.permission
        if _is_any_limited(state, senders[claim.span.batch]):
            found.update(_forbidden(state, load))
        if held.has_opt_outs:
            wishes += _pending(claim, load)
        if held.quiet:
            found = dict(_asleep(claim, state, load)) | found
    hits = [wishes[place] for place in opt_outs.refused(conn, [wish for _, wish in wishes])]
    return _without_exempt(conn, found, hits) if found or hits else {}


def _is_checked(claim: Claim) -> bool:
    return not claim.test and claim.kind is not None


def _senders(load: Sequence[Parcel]) -> set[str]:
    return {parcel.sender for parcel in load}


def _is_any_limited(state: _State, senders: set[str]) -> bool:
    """Return whether the account or one of these senders is limited to some countries, or a sender is not approved."""
    return bool(state.permission.countries) or any(state.senders.get(sender, [""]) for sender in senders)


def _pending(claim: Claim, load: Sequence[Parcel]) -> list[tuple[UUID, PendingSend]]:
    """Return (message id, message as opt-outs are matched) pairs."""
    return [(each.ref, PendingSend(claim.account, each.to, each.sender, str(claim.message_class))) for each in load]


def _stands(conn: Connection, accounts: set[int], senders: set[str]) -> dict[int, _State]:
    rows = conn.exec_driver_sql(_STANDS, {"accounts": list(accounts), "senders": list(senders)})
    return {account: _State(at, approved, send_permission.read(held)) for account, at, approved, *held in rows}


def _forbidden(state: _State, load: Sequence[Parcel]) -> Iterator[tuple[UUID, Verdict]]:
    for each in load:
        served = state.senders.get(each.sender)
        if served is None or (served and each.country not in served):
            yield each.ref, Code.SENDER_INVALID
        elif state.permission.countries and each.country not in state.permission.countries:
            yield each.ref, Code.COUNTRY_FORBIDDEN


def _asleep(claim: Claim, state: _State, load: Sequence[Parcel]) -> Iterator[tuple[UUID, Verdict]]:
    quiet = QuietHours(state.permission.quiet, state.at)
    for each in load:
        hush = quiet(each.to, each.country, claim.message_class)
        if hush:
            yield each.ref, hush.verdict(claim.valid_until)


_EXEMPT = f"""
SELECT m.id, r.skips_opt_outs, r.dialect IS NULL AND coalesce(r.operation = '{REPLIES}', false)
FROM messages AS m JOIN requests AS r ON r.id = m.request_id
WHERE m.id = ANY(%(ids)b) AND m.id BETWEEN %(first)s AND %(last)s
  AND (r.skips_opt_outs OR r.dialect IS NULL AND r.operation = '{REPLIES}')
"""


def _without_exempt(
    conn: Connection, found: Mapping[UUID, Verdict], hits: Sequence[tuple[UUID, PendingSend]]
) -> dict[UUID, Verdict]:
    """Return the verdicts, with those of opt-outs, without those that the messages' requests are exempt from."""
    suspects = [*found, *(ref for ref, _ in hits)]
    params = {"ids": suspects, "first": min(suspects), "last": max(suspects)}
    rows = conn.exec_driver_sql(_EXEMPT, params).all()
    skipping, replies = {row[0] for row in rows if row[1]}, {row[0] for row in rows if row[2]}
    verdicts = {ref: verdict for ref, verdict in found.items() if ref not in replies or not _is_of_night(verdict)}
    for ref in _refused(conn, hits, skipping):
        if _is_of_night(verdicts.get(ref, Code.QUIET_HOURS)):
            verdicts[ref] = Code.OPTED_OUT
    return verdicts


def _refused(conn: Connection, hits: Sequence[tuple[UUID, PendingSend]], skipping: set[UUID]) -> list[UUID]:
    """Return the messages refused by an opt-out; for those in `skipping` the account's own opt-outs do not count."""
    again = [
        (ref, PendingSend(w.account, w.phone, w.sender, w.message_class, True)) for ref, w in hits if ref in skipping
    ]
    refused = [ref for ref, _ in hits if ref not in skipping]
    return refused + [again[place][0] for place in opt_outs.refused(conn, [wish for _, wish in again])]


def _is_of_night(verdict: Verdict) -> bool:
    return verdict is Code.QUIET_HOURS or isinstance(verdict, datetime)
