"""The invariants of `postroad audit` as SQL: each query counts violations. In a sound system every count is 0.

Valid states of a message are derived from the lifecycle's moves: a new move needs no change here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from pipeline.rules.lifecycle import FINAL, STATES
from schema.vocabulary import Code, Outcome, Status

#: outcomes of a message's attempts → how many were accepted, and how many are unknown
_TAKEN_AND_UNKNOWN = {None: (0, 0), Outcome.ACCEPTED: (1, 0), Outcome.UNKNOWN: (0, 1)}


def _sql(value: object) -> str:
    return str(value) if isinstance(value, int) else f"'{value or ''}'"


def _listed(rows: Iterable[Sequence[object]]) -> str:
    return "(" + ", ".join(sorted("(" + ", ".join(map(_sql, row)) + ")" for row in rows)) + ")"


def _may_be_sent(status: Status | None, code: Code | None) -> set[bool]:
    """Return whether messages with that status and error code were ever sent: true, false or both."""
    return {each.carrier is not None for each in STATES if (each.status, each.code) == (status, code)}


_WITH_CODES = {(each.status, each.code) for each in STATES}
_SENT = [pair for pair in _WITH_CODES if _may_be_sent(*pair) == {True}]
_NEVER_SENT = [pair for pair in _WITH_CODES if _may_be_sent(*pair) == {False}]
#: as SQL lists
_STATUS_AND_CODE = "coalesce(status, ''), coalesce(error_code, '')"


@dataclass(frozen=True, slots=True)
class Invariant:
    """An invariant, and the query that counts its violations."""

    name: str
    holds: str
    broken: str


INVARIANTS = (
    Invariant(
        "I1",
        "each accepted recipient has exactly one message, each message belongs to a request",
        """
        SELECT count(*) FROM requests AS r
        FULL JOIN (SELECT request_id, count(*) AS n FROM messages GROUP BY request_id) AS m ON m.request_id = r.id
        WHERE coalesce(r.accepted, 0) <> coalesce(m.n, 0)
        """,
    ),
    Invariant(
        "I2",
        "no overdue batch is without lease, recent hint or hold; no message is undecided in a finished batch",
        """
        SELECT (SELECT count(*) FROM batches
                WHERE held IS NULL AND status IN ('admitted', 'queued') AND hinted_at < now() - interval '30 minutes'
                   OR status = 'sending' AND lease_until < now() - interval '2 minutes'
                   OR held IS NULL AND status IN ('scheduled', 'waiting') AND due_at < now() - interval '2 minutes'
                   OR held IS NOT NULL AND valid_until < now() - interval '2 minutes')
             + (SELECT count(*) FROM messages AS m LEFT JOIN batches AS b ON b.id = m.batch_id
                WHERE m.status IS NULL AND (b.id IS NULL OR b.status = 'done'))
        """,
    ),
    Invariant(
        "I3 wallets",
        "each balance and each quota equals its ledger entries",
        """
        WITH books AS (
            SELECT account_id, unit = 'SEG' AS is_quota,
                   sum(amount) FILTER (WHERE to_book = 'wallet') AS came,
                   sum(amount) FILTER (WHERE from_book = 'wallet') AS went
            FROM ledger GROUP BY account_id, unit = 'SEG'
        )
        SELECT (SELECT count(*) FROM wallets AS w LEFT JOIN books AS b ON b.account_id = w.account_id AND NOT is_quota
                WHERE w.balance <> coalesce(came, 0) - coalesce(went, 0))
             + (SELECT count(*)
                FROM (SELECT account_id, sum(granted - used) AS left_over FROM quotas GROUP BY account_id) AS q
                FULL JOIN (SELECT * FROM books WHERE is_quota) AS b ON b.account_id = q.account_id
                WHERE coalesce(left_over, 0) <> coalesce(came, 0) - coalesce(went, 0))
        """,
    ),
    Invariant(
        "I3 reserved",
        "what each campaign has reserved and not drawn equals its ledger entries; none that has ended holds any",
        """
        WITH books AS (
            SELECT account_id, campaign_id, unit = 'SEG' AS is_quota,
                   coalesce(sum(amount) FILTER (WHERE to_book = 'reserved'), 0)
                   - coalesce(sum(amount) FILTER (WHERE from_book = 'reserved'), 0) AS rest
            FROM ledger WHERE 'reserved' IN (from_book, to_book) GROUP BY account_id, campaign_id, unit = 'SEG'
        ), reserved AS (
            SELECT account_id, campaign_id, false AS is_quota, amount AS rest FROM campaign_reservations
            UNION ALL SELECT account_id, campaign_id, true, quota FROM campaign_reservations
        )
        SELECT (SELECT count(*) FROM books FULL JOIN reserved USING (account_id, campaign_id, is_quota)
                WHERE coalesce(books.rest, 0) <> coalesce(reserved.rest, 0))
             + (SELECT count(*) FROM campaign_reservations AS r JOIN campaigns AS c ON c.id = r.campaign_id
                WHERE c.ended_at IS NOT NULL OR NOT c.reserve)
        """,
    ),
    Invariant(
        "I3 messages",
        "held and captured amounts equal the costs of the messages, each counted once",
        """
        WITH books AS (
            SELECT account_id, unit = 'SEG' AS is_quota,
                   coalesce(sum(amount) FILTER (WHERE to_book = 'held'), 0)
                   - coalesce(sum(amount) FILTER (WHERE from_book = 'held'), 0) AS held,
                   coalesce(sum(amount) FILTER (WHERE to_book = 'earned'), 0) AS earned
            FROM ledger GROUP BY account_id, unit = 'SEG'
        ), costs AS (
            SELECT account_id, is_quota,
                   coalesce(sum(cost) FILTER (WHERE money = 'held'), 0) AS held,
                   coalesce(sum(cost) FILTER (WHERE money = 'captured'), 0) AS earned
            FROM (SELECT account_id, money, false AS is_quota, amount AS cost FROM messages
                  UNION ALL SELECT account_id, money, true, quota FROM messages) AS each
            GROUP BY account_id, is_quota
        )
        SELECT count(*) FROM books FULL JOIN costs USING (account_id, is_quota)
        WHERE coalesce(books.held, 0) <> coalesce(costs.held, 0)
           OR coalesce(books.earned, 0) <> coalesce(costs.earned, 0)
        """,
    ),
    Invariant(
        "I3 states",
        "status, error code and money agree: held until known, captured if a carrier accepted it, else released",
        f"""
        SELECT count(*) FROM messages
        WHERE ({_STATUS_AND_CODE}, coalesce(money, ''))
              NOT IN {_listed({(each.status, each.code, each.money) for each in STATES})}
           OR money IS NULL AND coalesce(amount, 0) + coalesce(quota, 0) <> 0
        """,
    ),
    Invariant(
        "I3 counts",
        "the counted status changes of each account add up to its messages by status, and to what it was charged",
        """
        WITH counted AS (
            SELECT account_id, before, status, messages, revenue FROM status_counts_by_day
            UNION ALL SELECT account_id, before, status, messages, revenue FROM status_changes
        ), sums AS (
            SELECT account_id, status, sum(messages) AS messages FROM (
                SELECT account_id, status, messages FROM counted
                UNION ALL SELECT account_id, before, -messages FROM counted WHERE before <> ''
            ) AS moves GROUP BY account_id, status
        ), found AS (
            SELECT account_id, coalesce(status, 'queued') AS status, count(*) AS messages FROM messages
            WHERE status IS NOT NULL OR encoding IS NOT NULL GROUP BY 1, 2
        )
        SELECT (SELECT count(*) FROM sums FULL JOIN found USING (account_id, status)
                WHERE coalesce(sums.messages, 0) <> coalesce(found.messages, 0))
             + (SELECT count(*)
                FROM (SELECT account_id, sum(revenue) AS revenue FROM counted GROUP BY account_id) AS c
                FULL JOIN (SELECT account_id, sum(amount) AS amount FROM messages WHERE money = 'captured'
                           GROUP BY account_id) AS m USING (account_id)
                WHERE coalesce(revenue, 0) <> coalesce(amount, 0))
        """,
    ),
    Invariant(
        "I4",
        "a sent message has one accepted or unknown attempt; every later one is a deliberate resend",
        f"""
        SELECT count(*) FROM messages AS m
        LEFT JOIN LATERAL (
            SELECT count(*) FILTER (WHERE outcome = 'accepted') AS taken,
                   count(*) FILTER (WHERE outcome = 'unknown') AS doubt,
                   max(n) FILTER (WHERE outcome IN ('accepted', 'unknown')) AS decisive,
                   count(*) AS tries
            FROM provider_attempts AS a JOIN batches AS b ON b.id = a.batch_id
            WHERE a.message_id = m.id AND b.resend_reason IS NULL
        ) AS a ON true
        WHERE ({_STATUS_AND_CODE}, taken, doubt)
              NOT IN {_listed({(each.status, each.code, *_TAKEN_AND_UNKNOWN[each.carrier]) for each in STATES})}
           OR decisive < tries
        """,
    ),
    Invariant(
        "I4 again",
        "resent messages were sent before, and resends follow those attempts",
        """
        SELECT count(*) FROM provider_attempts AS a
        JOIN batches AS b ON b.id = a.batch_id AND b.resend_reason IS NOT NULL
        WHERE NOT EXISTS (SELECT FROM provider_attempts AS e JOIN batches AS f ON f.id = e.batch_id
                          WHERE e.message_id = a.message_id AND e.n < a.n AND f.resend_reason IS NULL
                            AND e.outcome IN ('accepted', 'unknown'))
        """,
    ),
    Invariant(
        "I4 elsewhere",
        "resends went to a carrier that did not have the message, or to one that deduplicates our references",
        """
        SELECT count(*) FROM provider_attempts AS a
        JOIN batches AS b ON b.id = a.batch_id AND b.resend_reason IS NOT NULL AND b.resend_reason <> 'repeat'
        WHERE EXISTS (SELECT FROM provider_attempts AS e
                      WHERE e.message_id = a.message_id AND e.n < a.n AND e.carrier = a.carrier
                        AND e.outcome IN ('accepted', 'unknown'))
        """,
    ),
    Invariant(
        "I5",
        "every attempt belongs to a message",
        """
        SELECT count(*) FROM provider_attempts AS a LEFT JOIN messages AS m ON m.id = a.message_id WHERE m.id IS NULL
        """,
    ),
    Invariant(
        "I6",
        "the attempts of a message are numbered from 1 without gaps",
        """
        SELECT count(*) FROM (SELECT FROM provider_attempts GROUP BY message_id
                              HAVING max(n) <> count(*) OR min(n) <> 1) AS broken
        """,
    ),
    Invariant(
        "I7",
        "each message has the timestamps that its status requires",
        f"""
        SELECT count(*) FROM messages
        WHERE (coalesce(status, '') IN {_listed([status] for status in FINAL)}) <> (final_at IS NOT NULL)
           OR ({_STATUS_AND_CODE}) IN {_listed(_SENT)} AND sent_at IS NULL
           OR ({_STATUS_AND_CODE}) IN {_listed(_NEVER_SENT)} AND sent_at IS NOT NULL
        """,
    ),
    Invariant(
        "I8",
        "no message was submitted before its send_at or after its valid_until",
        """
        SELECT count(*) FROM provider_attempts AS a JOIN batches AS b ON b.id = a.batch_id
        WHERE a.marked_at < b.send_at OR a.marked_at > b.valid_until
        """,
    ),
    Invariant(
        "I9",
        "no message was submitted a minute after its campaign was aborted",
        """
        SELECT count(*) FROM campaigns AS c JOIN batches AS b ON b.campaign_id = c.id
        JOIN provider_attempts AS a ON a.batch_id = b.id
        WHERE c.state = 'aborted' AND a.marked_at > c.ended_at + interval '1 minute'
        """,
    ),
)


def count_broken(conn: Connection, invariant: Invariant) -> int:
    """Return the number of violations of an invariant."""
    return int(conn.exec_driver_sql(invariant.broken).scalar_one())
