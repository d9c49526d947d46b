"""Counters of metrics: increments appended in the commits that they count, folded into totals that never fall.

An increment is a row for each commit and set of labels, never one for each message; it locks nothing that others need.
Labels are limited as increments are folded: of a carrier's codes the first that occur have a label each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from schema.value_class import value_class
from schema.vocabulary import Counter

#: label of the codes that have none of their own
OTHER = "other"
#: most codes of a carrier that have a label of their own, for each outcome or verdict
CODES = 20
#: upper bounds of the histograms' buckets, in seconds
BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0)

#: separates labels where they are passed as one text
_BETWEEN = "\x1f"


@value_class
class Increment:
    """Events of one counter with the same labels, and the sum of what was measured with them."""

    counter: Counter
    labels: tuple[str, ...]
    events: int
    total: float = 0.0


_APPEND = """
INSERT INTO counter_increments (counter, labels, events, total)
SELECT counter, string_to_array(labels, E'\\x1f'), events, total
FROM unnest(%(counters)b::text[], %(labels)b::text[], %(events)b::int8[], %(totals)b::float8[])
     AS i (counter, labels, events, total)
"""


def append(conn: Connection, increments: Sequence[Increment]) -> None:
    """Count events."""
    if not increments:
        return
    params = {
        "counters": [str(each.counter) for each in increments],
        "labels": [_BETWEEN.join(label.replace(_BETWEEN, "") for label in each.labels) for each in increments],
        "events": [each.events for each in increments],
        "totals": [each.total for each in increments],
    }
    conn.exec_driver_sql(_APPEND, params)


def counting(counter: Counter, labels: str, moved: str) -> str:
    """Return the INSERT that counts the rows of a CTE; `labels`: SQL expressions over it, separated by commas."""
    return f"""
    INSERT INTO counter_increments (counter, labels, events, total)
    SELECT '{counter}', ARRAY[{labels}], count(*), 0 FROM {moved} GROUP BY 2
    """


#: their names: the label `le` of Prometheus
BUCKET_NAMES = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")


#: the SQL expression of the place of a duration's bucket in BUCKET_NAMES
BUCKET = f"width_bucket({{seconds}}, ARRAY{list(BUCKETS)}::float8[])"
#: the name of the bucket at that place
BUCKET_NAME = f"(ARRAY{list(BUCKET_NAMES)})[{{place}} + 1]"

#: counters whose third label is a carrier's code
_CODED = (Counter.ATTEMPTS, Counter.RECEIPTS)
#: codes are chosen by others: what may be a number, or a text, is no label
_HARMLESS = "labels[3] ~ '^[A-Za-z0-9_.:-]{0,32}$' AND labels[3] !~ '[0-9]{7}'"
_FOLD = f"""
WITH taken AS MATERIALIZED (
    DELETE FROM counter_increments WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM counter_increments LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )) RETURNING *
), summed AS (
    SELECT counter, labels, sum(events) AS events, sum(total) AS total, counter = ANY(%(coded)s) AS is_coded
    FROM taken GROUP BY counter, labels
), known AS (
    SELECT s.*, EXISTS (SELECT FROM counter_totals AS t WHERE (t.counter, t.labels) = (s.counter, s.labels)) AS is_known
    FROM summed AS s
), placed AS (
    SELECT counter, events, total,
           CASE WHEN NOT is_coded OR is_known
                  OR {_HARMLESS} AND (
                      labels[3] = '' OR %(codes)s >= (
                          SELECT count(*) FROM counter_totals AS t
                          WHERE t.counter = known.counter AND t.labels[1:2] = known.labels[1:2]
                      ) + row_number() OVER (PARTITION BY counter, labels[1:2], is_known ORDER BY events DESC, labels)
                  )
                THEN labels ELSE labels[1:2] || ARRAY['{OTHER}'] END AS labels
    FROM known
), added AS (
    INSERT INTO counter_totals AS t (counter, labels, events, total)
    SELECT counter, labels, sum(events), sum(total) FROM placed GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (counter, labels) DO UPDATE SET events = t.events + excluded.events, total = t.total + excluded.total
)
SELECT count(*) FROM taken
"""


def fold(conn: Connection, limit: int) -> int:
    """Add up to `limit` increments to the totals; return how many."""
    params = {"limit": limit, "coded": [str(each) for each in _CODED], "codes": CODES}
    return int(conn.exec_driver_sql(_FOLD, params).scalar_one())


@dataclass(frozen=True, slots=True)
class CounterTotal:
    """What a counter has counted with one set of labels, since it exists."""

    counter: Counter
    labels: tuple[str, ...]
    events: int
    total: float


_TOTALS = "SELECT counter, labels, events, total FROM counter_totals ORDER BY counter, labels"


def totals(conn: Connection) -> list[CounterTotal]:
    """Return all totals; the last seconds may be missing."""
    rows = conn.exec_driver_sql(_TOTALS)
    return [CounterTotal(Counter(row.counter), tuple(row.labels), row.events, row.total) for row in rows]
