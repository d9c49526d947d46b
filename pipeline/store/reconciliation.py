"""Reconciliation of carriers' records of accepted messages with our provider_attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

_COMPARE = """
WITH taken AS MATERIALIZED (
    SELECT * FROM unnest(%(refs)b::uuid[], %(carriers)b::text[], %(carrier_refs)b::text[])
        AS t (ref, carrier, carrier_ref)
)
SELECT
    (SELECT count(*) FROM taken AS t WHERE NOT EXISTS (
        SELECT FROM provider_attempts AS a WHERE a.message_id = t.ref AND a.carrier = t.carrier
               AND (a.carrier_ref = t.carrier_ref OR a.outcome = 'unknown'))),
    (SELECT count(*) FROM provider_attempts AS a
     WHERE a.message_id >= %(since)s AND a.outcome = 'accepted' AND a.carrier = ANY(%(spoken)b::text[])
       AND NOT EXISTS (SELECT FROM taken AS t WHERE t.ref = a.message_id AND t.carrier_ref = a.carrier_ref)),
    (SELECT count(*) FROM (SELECT ref FROM taken GROUP BY ref HAVING count(*) > 1) AS d),
    (SELECT count(*) FROM (SELECT ref FROM taken GROUP BY ref HAVING count(*) > 1) AS d WHERE NOT EXISTS (
        SELECT FROM provider_attempts AS a JOIN batches AS b ON b.id = a.batch_id
        WHERE a.message_id = d.ref AND (a.outcome = 'unknown' OR b.resend_reason IS NOT NULL)))
"""


@dataclass(frozen=True, slots=True)
class CarrierRecord:
    """A message that a carrier says it accepted."""

    ref: UUID
    carrier: str
    #: the carrier's own reference
    carrier_ref: str


def compare(
    conn: Connection, taken: Sequence[CarrierRecord], spoken: Sequence[str], since: UUID
) -> tuple[int, int, int, int]:
    """Return four counts: records without an attempt of ours; our accepted attempts (at carriers in `spoken`, with ids
    from `since` on) without a record; messages recorded twice; those of them without an unknown attempt or a
    resend.
    """
    params = {
        "refs": [each.ref for each in taken],
        "carriers": [each.carrier for each in taken],
        "carrier_refs": [each.carrier_ref for each in taken],
        "spoken": list(spoken),
        "since": since,
    }
    unrecorded, unreported, duplicates, unflagged = conn.exec_driver_sql(_COMPARE, params).one()
    return unrecorded, unreported, duplicates, unflagged
