"""Checks at claim: whether messages may still be sent now, by countries, approved senders, opt-outs and quiet hours."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pipeline.rules.consent.quiet_hours import QuietHours
from pipeline.rules.consent.send_permission import SendPermission
from schema.carriage import Parcel
from schema.vocabulary import Code

#: the code to reject a message with, or until when it is deferred
ClaimVerdict = Code | datetime


@dataclass(frozen=True, slots=True)
class CurrentPermission:
    """What an account may send when its batches are claimed."""

    #: those of the senders of its messages that are approved, with their countries; empty: all
    senders: Mapping[str, Sequence[str]]
    permission: SendPermission


def restricted(current: CurrentPermission, parcels: Sequence[Parcel], now: datetime) -> dict[UUID, ClaimVerdict]:
    """Return message → verdict, for the messages of one account that may not be sent now, opt-outs apart.

    Without rules for the account the messages are not looked at one by one.
    """
    if not current.permission.quiet and not _is_limited(current, {parcel.sender for parcel in parcels}):
        return {}
    return dict(_verdicts(current, parcels, QuietHours(current.permission.quiet, now)))


def with_opt_outs(
    verdicts: Mapping[UUID, ClaimVerdict], opted_out: Collection[UUID], replies: Collection[UUID]
) -> dict[UUID, ClaimVerdict]:
    """Return the verdicts with those of opt-outs, which outweigh quiet hours; replies are exempt from quiet hours."""
    found = {ref: each for ref, each in verdicts.items() if ref not in replies or not _is_of_quiet_hours(each)}
    for ref in opted_out:
        if _is_of_quiet_hours(found.get(ref, Code.QUIET_HOURS)):
            found[ref] = Code.OPTED_OUT
    return found


def later(one: ClaimVerdict | None, other: ClaimVerdict) -> ClaimVerdict:
    """Return the stricter of two verdicts on a message: a rejection, else the later time."""
    if one is None or isinstance(other, Code):
        return one if isinstance(one, Code) else other
    return one if isinstance(one, Code) else max(one, other)


def _is_limited(current: CurrentPermission, senders: Collection[str]) -> bool:
    """Return whether the account or one of these senders is limited to some countries, or a sender is not approved."""
    return bool(current.permission.countries) or any(current.senders.get(sender, [""]) for sender in senders)


def _verdicts(
    current: CurrentPermission, parcels: Sequence[Parcel], quiet: QuietHours
) -> Iterator[tuple[UUID, ClaimVerdict]]:
    for each in parcels:
        countries = current.senders.get(each.sender)
        if countries is None or (countries and each.country not in countries):
            yield each.ref, Code.SENDER_INVALID
        elif current.permission.countries and each.country not in current.permission.countries:
            yield each.ref, Code.COUNTRY_FORBIDDEN
        elif verdict := quiet(each.to, each.country, each.message_class):
            yield each.ref, verdict.verdict(each.valid_until)


def _is_of_quiet_hours(verdict: ClaimVerdict) -> bool:
    return verdict is Code.QUIET_HOURS or isinstance(verdict, datetime)
