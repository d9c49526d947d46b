"""Hourly maintenance: create partitions ahead; prune old keys, challenges, deliveries, events, MO, dead letters."""

import logging
from collections.abc import Iterable
from datetime import timedelta

from pipeline.errors import DatabaseFault
from pipeline.rules.identity import ids
from pipeline.runtime import Runtime, Work
from pipeline.store import (
    advisory_locks,
    audit_log,
    campaigns,
    carrier_binds,
    dead_letters,
    events,
    idempotency_keys,
    login_links,
    message_jobs,
    message_parts,
    partitions,
    requests,
    status_counts,
    user_sessions,
)
from pipeline.store.api import campaign_events, challenges, webhook_deliveries, webhook_endpoints
from pipeline.store.consent import inbound

log = logging.getLogger(__name__)

#: days for which partitions are created ahead
AHEAD = 7
#: retention of challenges in days: longer than a message may be unknown, as they have its callback URL
CHALLENGE_DAYS = 7

#: retention in days of the parts of long messages, to which receipts are matched
PART_DAYS = 14
#: retention in days of message jobs with their results
JOB_DAYS = 30
#: sessions of users deleted in one run
SESSIONS = 10_000
#: partitions of campaigns' rows looked at in one run
ROW_DAYS = 400
#: retention in days of the bind reports of hosts whose process is gone
BIND_DAYS = 7


def maintain(rt: Runtime) -> list[str]:
    """Run the hourly maintenance; return the names of the partitions that were created."""
    with rt.begin(Work.MAINTENANCE) as conn:
        if not advisory_locks.is_mine(conn, "maintain"):
            return []
        idempotency_keys.prune(conn, rt.settings.idempotency_days)
        requests.forget_redeliveries(conn, rt.settings.idempotency_days)
        challenges.prune(conn, CHALLENGE_DAYS)
        message_parts.prune(conn, PART_DAYS)
        carrier_binds.prune(conn, BIND_DAYS)
        webhook_endpoints.update_subscriptions(conn)
        webhook_deliveries.prune(conn, rt.settings.webhook_days)
        events.prune(conn, rt.now() - timedelta(days=rt.settings.webhook_days))
        campaign_events.prune(conn, rt.now() - timedelta(days=rt.settings.webhook_days))
        dead_letters.prune(conn, rt.now() - timedelta(days=rt.settings.dead_letter_days))
        user_sessions.prune(conn, rt.now(), SESSIONS)
        login_links.prune(conn, rt.now())
        message_jobs.prune(conn, rt.now() - timedelta(days=JOB_DAYS))
        audit_log.prune(conn, rt.now() - timedelta(days=rt.settings.audit_log_days))
        status_counts.prune(conn, rt.now() - timedelta(days=rt.settings.count_minutes_days))
        inbound.prune(conn, rt.now() - timedelta(days=rt.settings.inbound_days))
        today = rt.now().date()
        return partitions.prepare(conn, (today + timedelta(days=ahead) for ahead in range(-1, AHEAD + 1)))


def drop_campaign_rows(rt: Runtime) -> list[str]:
    """Drop the partitions of recipients whose campaigns all ended `campaign_rows_days` days ago; return their names.

    Their counts stay in `campaign_progress`. A partition that is in use is left to the next run.
    """
    cutoff = rt.now() - timedelta(days=rt.settings.campaign_rows_days)
    with rt.read_only() as conn:
        days = partitions.before(conn, "campaign_rows", cutoff.date(), ROW_DAYS)
        over = [name for name, day in days.items() if not campaigns.are_kept(conn, *ids.day_bounds(day), cutoff)]
    return _drop(rt, over)


def drop_message_index(rt: Runtime) -> list[str]:
    """Drop the partitions of the message index of past months without any message left; return their names.

    A partition that is in use is left to the next run.
    """
    with rt.read_only() as conn:
        over = partitions.outlived(conn, rt.now().date())
    return _drop(rt, over)


def _drop(rt: Runtime, over: Iterable[str]) -> list[str]:
    dropped = []
    for name in over:
        try:
            with rt.begin() as conn:
                partitions.drop(conn, name)
        except DatabaseFault as fault:
            log.warning("the partition %s is not dropped yet: %s", name, fault)
            break
        dropped.append(name)
    return dropped
