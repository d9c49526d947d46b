"""Series: the clock creates the campaign that follows in a series, ahead of its time; an operator ends the series."""

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from uuid import UUID

from pipeline.errors import Conflict, DatabaseFault, InvalidInput, NotFound
from pipeline.rules.campaigns.definitions import columns_of, defined
from pipeline.rules.campaigns.operations import operator_reason
from pipeline.rules.campaigns.repetition import ROWS_GONE, Occurrence, repetition_of
from pipeline.rules.consent.send_window import VALIDITY
from pipeline.runtime import Connection, Runtime, acting
from pipeline.store import accounts, batches, campaign_rows, campaign_series, campaigns
from pipeline.transitions import campaign_texts
from schema.actor import actor_name
from schema.campaign import Campaign
from schema.order_reader import read_definition
from schema.vocabulary import CampaignState

log = logging.getLogger(__name__)

#: campaigns that one tick creates
PORTION = 20
#: most characters of a campaign's name
_LONGEST = 64


def create_next(rt: Runtime) -> int:
    """Create the next campaigns of series, `Settings.campaign_repeat_hours` before their time; return how many.

    They have no recipients yet. Missed ones are passed over: those whose messages would have expired, or whose next
    one has come. A second call at the same time finds nothing more to do.
    """
    with rt.read_only() as conn:
        now = rt.common_time(batches.clock(conn))
        found = campaign_series.due(conn, now + timedelta(hours=rt.settings.campaign_repeat_hours), PORTION)
    return sum(_try_to_follow(rt, series) for series in found)


def _try_to_follow(rt: Runtime, series: UUID) -> bool:
    """Do as `_follow`; False: it failed, for instance as this host does not know the time zone of the series."""
    try:
        return _follow(rt, series)
    except DatabaseFault:
        raise
    except Exception as error:  # noqa: BLE001 - one series must hinder neither others nor campaigns that run
        words = "series of campaign %(campaign)s: the next campaign cannot be created: %(fault)s"
        log.error(words, {"campaign": series, "fault": type(error).__name__})
        return False


def _follow(rt: Runtime, series: UUID) -> bool:
    """Create the campaign that follows in a series, or end it; return whether it was created."""
    with rt.begin() as conn:
        first = campaigns.lock(conn, series)
        now = rt.common_time(batches.clock(conn))
        ahead = now + timedelta(hours=rt.settings.campaign_repeat_hours)
        if first is None or first.repeat_next_at is None or first.repeat_next_at > ahead:
            return False
        latest = campaign_series.latest(conn, series)
        if latest.state in (CampaignState.DRAFT, CampaignState.CHECKING, CampaignState.PAUSED) or not latest.occurs_on:
            return False
        repetition = repetition_of(first)
        found = repetition.next_due(latest.occurs_on, _lateness(first), now)
        if found is None or found.at > ahead:
            said = {"campaign": first.id, "next": found.at if found else now}
            log.warning("series of campaign %(campaign)s: times before %(next)s were missed", said)
            campaign_series.set_next(conn, series, found.at if found else None)
            return False
        try:
            _create(rt, conn, first, latest, found)
        except (NotFound, InvalidInput) as error:
            campaign_series.set_next(conn, series, None, ended=str(error))
            return False
        following = next(repetition.after(found.day), None)
        campaign_series.set_next(conn, series, following.at if following else None)
    return True


def _lateness(first: Campaign) -> timedelta:
    """Return how late a campaign of a series may be created: as long as its messages would be valid."""
    assert first.send_at
    return first.valid_until - first.send_at if first.valid_until else VALIDITY[first.message_class]


def _create(rt: Runtime, conn: Connection, first: Campaign, latest: Campaign, occurrence: Occurrence) -> None:
    """Create a campaign as the first is defined, for the latest one's recipients; NotFound; InvalidInput."""
    source = latest.copies_from or latest.id
    if not campaign_rows.are_stored(conn, source):
        raise NotFound(ROWS_GONE)
    valid_until = repetition_of(first).shifted(first.valid_until, occurrence) if first.valid_until else None
    given = defined(first, {}) | {"send_at": occurrence.at, "valid_until": valid_until}
    definition = read_definition(given)
    if isinstance(definition, list):
        raise InvalidInput("; ".join(f"{each.field}: {each.message}" for each in definition))
    id_ = rt.new_ids()
    text = campaign_texts.text_of(conn, accounts.named(conn, first.account), definition)
    columns = columns_of(definition, *text)
    columns |= {
        "id": id_,
        "account_id": first.account_id,
        "created_by": first.created_by,
        "series_id": first.id,
        "occurs_on": occurrence.day,
        "copies_from": source,
    }
    name = _name(first.name, occurrence.day)
    if not campaigns.write(conn, columns | {"name": name}):
        campaigns.write(conn, columns | {"name": f"{name[: _LONGEST - 13]}-{id_.hex[-12:]}"})


def _name(series: str, day: date) -> str:
    return f"{series[: _LONGEST - 11]}-{day}"


# Operators -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CampaignSeries:
    """A series of campaigns."""

    first: Campaign
    latest: Campaign
    #: the next times, by the clock of its zone
    times: list[datetime]

    @property
    def held_by(self) -> str | None:
        """Return the name of the paused campaign for which no further one is created; None: there is none."""
        is_held = self.times and self.latest.state is CampaignState.PAUSED
        return self.latest.name if is_held else None


def read_series(rt: Runtime, campaign: Campaign, most: int = 5) -> CampaignSeries | None:
    """Return the series that a campaign is of, with its next times; None: it does not repeat."""
    if campaign.series_id is None:
        return None
    with rt.read_only() as conn:
        first = campaigns.of(conn, campaign.series_id)
        latest = campaign_series.latest(conn, campaign.series_id)
    assert first
    assert latest.occurs_on
    begins = not (first.started_at or first.ended_at)
    if first.repeat_ended or not (begins or first.repeat_next_at):
        return CampaignSeries(first, latest, [])
    found = islice(repetition_of(first).after(latest.occurs_on), most)
    zone = repetition_of(first).zone
    return CampaignSeries(first, latest, [each.at.astimezone(zone) for each in found])


def end_repeat(rt: Runtime, campaign: UUID, reason: str | None = None) -> list[Campaign]:
    """End the series that a campaign is of: none follows; return its campaigns that have not ended, the latest first.

    Those that are scheduled or run go on, others wait for a person. NotFound; InvalidInput; Conflict: the campaign does
    not repeat, or the series has ended.
    """
    words = operator_reason(reason) or f"ended by {actor_name(acting.get())}"
    with rt.begin() as conn:
        found = campaigns.of(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {campaign}")
        first = campaigns.lock(conn, found.series_id) if found.series_id else None
        if first is None:
            raise Conflict(f"campaign {found.name!r} does not repeat")
        if first.repeat_ended is not None:
            raise Conflict(f"the series of campaign {first.name!r} has ended already: {first.repeat_ended}")
        campaign_series.set_next(conn, first.id, None, ended=words)
        return campaign_series.unended(conn, first.id, PORTION)
