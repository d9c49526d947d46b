"""Exclude: leave audiences out of a campaign: numbers of a list, recipients of another campaign, those it reached."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from pipeline.errors import Conflict, NotFound, require
from pipeline.rules.campaign_lifecycle import EDITABLE
from pipeline.rules.numbers import phones
from pipeline.runtime import Connection, Runtime, Work
from pipeline.store import audit_log, campaign_progress, campaign_rows, campaigns, excluded_rows
from pipeline.store.excluded_rows import ExcludedRows
from pipeline.transitions import campaign_moves
from schema.campaign import Campaign
from schema.vocabulary import CampaignState

#: numbers that are looked up at once: each time all rows of the campaign are read
MOST_NUMBERS = 100_000


def exclude_numbers(rt: Runtime, campaign: UUID, numbers: Sequence[str]) -> tuple[int, int]:
    """Leave out the rows with these numbers; return how many rows, and how many of the numbers are invalid.

    Numbers without a plus are dialled in the campaign's country. What is left out stays so at each check; a quote is
    void. At most `MOST_NUMBERS`. NotFound; Conflict: the campaign's state does not allow it.
    """
    require(len(numbers) <= MOST_NUMBERS, f"at most {MOST_NUMBERS:,} numbers are left out at once")
    invalid = 0

    def apply(conn: Connection, found: Campaign) -> ExcludedRows:
        nonlocal invalid
        read = phones.normalise(numbers, found.country)
        invalid = read.count(None)
        wanted = sorted({phone.e164 for phone in read if phone})
        return excluded_rows.by_numbers(conn, found.id, wanted, "its number is in a list that is left out")

    return _exclude(rt, campaign, apply), invalid


def exclude_recipients(rt: Runtime, campaign: UUID, other: UUID) -> int:
    """Leave out the rows whose number got a message of another campaign of the account; return how many rows.

    Errors as of `exclude_numbers`.
    """

    def apply(conn: Connection, found: Campaign) -> ExcludedRows:
        name = _other(conn, found, other).name
        return excluded_rows.recipients_of(conn, found.id, other, f"campaign {name!r} went to its number")

    return _exclude(rt, campaign, apply)


def exclude_reached(rt: Runtime, campaign: UUID, other: UUID) -> int:
    """Leave out all rows but those that another campaign of the account has and did not reach; return how many rows.

    Reached are those whose message is delivered. Errors as of `exclude_numbers`.
    """

    def apply(conn: Connection, found: Campaign) -> ExcludedRows:
        name = _other(conn, found, other).name
        words = f"campaign {name!r} reached its number, or did not have it"
        return excluded_rows.all_but_not_reached(conn, found.id, other, words)

    return _exclude(rt, campaign, apply)


def _exclude(rt: Runtime, campaign: UUID, apply: Callable[[Connection, Campaign], ExcludedRows]) -> int:
    with _editable(rt, campaign) as (conn, found):
        excluded = apply(conn, found)
        campaign_progress.skip(conn, campaign, excluded.sendable)
        noted = {"excluded": excluded.rows}
        audit_log.note(conn, "campaigns", found.audit_subject, "exclude", noted, found.account_id)
        if excluded.rows and found.state is CampaignState.QUOTED:
            campaign_moves.move(conn, rt.now(), found, CampaignState.STALE, "recipients were left out after its quote")
    return excluded.rows


@contextmanager
def _editable(rt: Runtime, campaign: UUID) -> Iterator[tuple[Connection, Campaign]]:
    """Yield a transaction with campaign and progress locked; NotFound; Conflict: its rows cannot be changed."""
    with rt.begin(Work.COMMAND) as conn:
        found = campaigns.lock(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {campaign}")
        if found.state not in EDITABLE:
            raise Conflict(f"campaign {found.name!r} is {found.state}: no recipients can be left out")
        campaign_moves.require_copied(found)
        campaign_progress.lock(conn, campaign)
        yield conn, found


def _other(conn: Connection, campaign: Campaign, other: UUID) -> Campaign:
    found = campaigns.of(conn, other)
    if found is None or found.account_id != campaign.account_id:
        raise NotFound(f"account {campaign.account!r} has no campaign {other}")
    require(found.id != campaign.id, "a campaign cannot leave out its own recipients")
    if campaign_progress.of(conn, other).rows and not campaign_rows.are_stored(conn, other):
        raise Conflict(f"the recipients of campaign {found.name!r} are not kept any more: give their numbers as a list")
    return found
