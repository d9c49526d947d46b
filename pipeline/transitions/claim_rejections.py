"""Rejections at claim: messages that are not permitted any more are rejected, or deferred to their send window."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pipeline.rules.consent.claim_checks import ClaimVerdict, later, restricted, with_opt_outs
from pipeline.rules.routing.failover import NextCarrier
from pipeline.runtime import Connection
from pipeline.store import batches, campaign_zones, campaigns, claim_checks, unknown_outcomes, wallet_ledger
from pipeline.store.batch_claims import Claim
from pipeline.store.claim_checks import AccountParcel
from pipeline.transitions import final_statuses, successor_batches
from pipeline.transitions.final_statuses import End
from pipeline.transitions.successor_batches import successor
from schema.carriage import Parcel
from schema.vocabulary import Code

#: batch → its messages still to be sent
Loads = Mapping[UUID, Sequence[Parcel]]


def check_permission(
    conn: Connection, now: datetime, at: datetime, first: UUID, claims: Sequence[Claim], loads: Loads
) -> dict[UUID, list[Parcel]]:
    """Check claimed batches; reject or defer messages that may not be sent now; return batch → the other parcels.

    Test messages always pass. Deferred messages go into batches whose ids begin at `first`. Wallets are locked to
    release money: call it late in a transaction.

    `at`: the time at which quiet hours are looked up, which is the same for all hosts (`Runtime.common_time`); `now`:
    that of statuses, events and money.
    """
    verdicts = _verdicts(conn, at, claims, loads)
    if verdicts:
        waiting: defaultdict[tuple[int, datetime], list[UUID]] = defaultdict(list)
        refused: defaultdict[tuple[int, Code], list[UUID]] = defaultdict(list)
        for place, claim in enumerate(claims):
            for parcel in loads.get(claim.span.batch, ()):
                verdict = verdicts.get(parcel.ref)
                if isinstance(verdict, Code):
                    refused[place, verdict].append(parcel.ref)
                elif verdict:
                    waiting[place, verdict].append(parcel.ref)
        _defer(conn, at, first, claims, waiting)
        _reject(conn, now, claims, refused)
    return {batch: [each for each in load if each.ref not in verdicts] for batch, load in loads.items()}


def _verdicts(conn: Connection, at: datetime, claims: Sequence[Claim], loads: Loads) -> dict[UUID, ClaimVerdict]:
    """Return message → verdict, for those that may not be sent now.

    An account without rules costs one small query: its messages are not read.
    """
    parcels = _checked(claims, loads)
    if not parcels:
        return {}
    senders = {each.sender for load in parcels.values() for each in load}
    current = claim_checks.permissions(conn, parcels, senders)
    found: dict[UUID, ClaimVerdict] = {}
    pending: list[AccountParcel] = []
    for account, load in parcels.items():
        found |= restricted(current[account], load, at)
        if current[account].permission.has_opt_outs:
            pending += [(account, each) for each in load]
    _add_local_hours(conn, at, claims, loads, found)
    hits = claim_checks.opted_out(conn, pending)
    return _without_exempt(conn, found, hits) if found or hits else {}


def _add_local_hours(
    conn: Connection, at: datetime, claims: Sequence[Claim], loads: Loads, found: dict[UUID, ClaimVerdict]
) -> None:
    """Add the verdicts of messages at whose recipients it is too early or too late for their campaign."""
    hours = campaigns.local_hours(conn, {claim.campaign for claim in claims if claim.campaign and not claim.test})
    bound = [each for each in claims if each.kind is not None and each.campaign in hours and not each.resend_reason]
    messages = [parcel.ref for claim in bound for parcel in loads.get(claim.span.batch, ())]
    zones = campaign_zones.of_messages(conn, hours, messages)
    for claim in bound:
        assert claim.campaign is not None
        quiet = hours[claim.campaign].quiet_at(at, claim.message_class)
        for parcel in loads.get(claim.span.batch, ()):
            if verdict := quiet(parcel.to, parcel.country, claim.message_class, zones.get(parcel.ref)):
                found[parcel.ref] = later(found.get(parcel.ref), verdict.verdict(claim.valid_until))


def _checked(claims: Sequence[Claim], loads: Loads) -> dict[int, list[Parcel]]:
    """Return account → its messages that are checked: test messages always pass, others if a carrier would get them."""
    found: defaultdict[int, list[Parcel]] = defaultdict(list)
    for claim in claims:
        if not claim.test and claim.kind is not None and (load := loads.get(claim.span.batch)):
            found[claim.account] += load
    return found


def _without_exempt(
    conn: Connection, found: Mapping[UUID, ClaimVerdict], hits: Sequence[AccountParcel]
) -> dict[UUID, ClaimVerdict]:
    """Return the verdicts, with those of opt-outs, without those that the messages' requests are exempt from."""
    exempt = claim_checks.exemptions(conn, {*found, *(each.ref for _, each in hits)})
    counted = [hit for hit in hits if hit[1].ref not in exempt.skip_opt_outs]
    skipping = [hit for hit in hits if hit[1].ref in exempt.skip_opt_outs]
    counted += claim_checks.opted_out(conn, skipping, skips_own=True)
    return with_opt_outs(found, {each.ref for _, each in counted}, exempt.replies)


def _defer(
    conn: Connection,
    at: datetime,
    first: UUID,
    claims: Sequence[Claim],
    waiting: Mapping[tuple[int, datetime], Sequence[UUID]],
) -> None:
    if not waiting:
        return
    chosen_by = batches.snapshots(conn, {claims[place].span.batch for place, _ in waiting})
    successors = []
    for (place, moment), members in waiting.items():
        claim = claims[place]
        same = NextCarrier(claim.carrier, claim.attempt, claim.round, claim.tried, moment)
        successors.append(successor(claim, same, members, at, chosen_by[claim.span.batch]))
    successor_batches.write(conn, at, first, successors)


def _reject(
    conn: Connection, now: datetime, claims: Sequence[Claim], refused: Mapping[tuple[int, Code], Sequence[UUID]]
) -> None:
    ends: list[End] = []
    sent_before: list[UUID] = []
    for (place, code), ids in refused.items():
        claim = claims[place]
        ends.append(End(ids, code, claim.resend_reason, claim.subscribes, is_rejected=claim.attempt == 1))
        sent_before += ids if claim.resend_reason else []
    unknown_outcomes.give_up(conn, sent_before)
    wallet_ledger.release(conn, final_statuses.end(conn, now, ends), now)
