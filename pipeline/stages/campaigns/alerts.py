"""Alerts: e-mails to operators about campaigns that need a person, claimed, sent by the caller, and recorded."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.rules.campaigns import alerts
from pipeline.runtime import Runtime
from pipeline.store import campaign_progress, campaigns
from pipeline.store.api import campaign_events
from schema.campaign import Campaign
from schema.vocabulary import CampaignState, PauseCause

#: seconds for which an alert is claimed: longer than sending it takes; if its process dies, it is sent again
LEASE = 180.0
#: age at which an alert is given up
OLDEST = timedelta(days=1)
#: seconds before the second try, four times as long before each further one, and at most
_FIRST_WAIT, _LONGEST_WAIT = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class CampaignAlert:
    """A state change of a campaign that operators get an e-mail about."""

    #: the same at each try
    event: UUID
    #: number of the try, from 1
    attempt: int
    at: datetime
    #: with the state and reason of the event
    campaign: Campaign
    subject: str
    text: str


def claim_alert(rt: Runtime) -> CampaignAlert | None:
    """Claim the oldest alert that is due; None: none is."""
    with rt.begin() as conn:
        row = campaign_events.claim_alert(conn, rt.now() - OLDEST, LEASE)
        if row is None:
            return None
        found = campaigns.of(conn, row["campaign_id"])
        assert found is not None  # campaigns are not deleted
        progress = campaign_progress.of(conn, found.id)
    then = replace(found, state=CampaignState(row["state"]), reason=row["reason"])
    cause = PauseCause(row["cause"]) if row["cause"] else None
    return CampaignAlert(
        event=row["id"],
        attempt=row["alert_tries"],
        at=row["at"],
        campaign=then,
        subject=alerts.subject(then),
        text=alerts.text(then, progress, cause, row["at"]),
    )


def record_alert(rt: Runtime, alert: CampaignAlert, *, is_sent: bool) -> None:
    """Record that an alert is sent, or let it be due again later."""
    wait = min(_FIRST_WAIT * 4 ** (alert.attempt - 1), _LONGEST_WAIT)
    with rt.begin() as conn:
        campaign_events.record_alert(conn, alert.event, alert.attempt, None if is_sent else wait)
