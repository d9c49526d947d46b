"""The dialects table: vendors' APIs of this version, which API keys and webhook endpoints refer to."""

from collections.abc import Mapping

from sqlalchemy import Connection

from schema.api import DialectEvents

_WRITE = """
INSERT INTO dialects (name, has_persons, has_inbound, has_campaigns)
SELECT * FROM unnest(%(names)s::text[], %(have_persons)s::bool[], %(have_inbound)s::bool[],
                     %(have_campaigns)s::bool[])
ON CONFLICT (name) DO UPDATE SET has_persons = excluded.has_persons, has_inbound = excluded.has_inbound,
                                 has_campaigns = excluded.has_campaigns
"""


def write(conn: Connection, dialects: Mapping[str, DialectEvents]) -> None:
    """Insert dialects, name → which events it has; existing others stay."""
    params = {
        "names": list(dialects),
        "have_persons": [each.has_persons for each in dialects.values()],
        "have_inbound": [each.has_inbound for each in dialects.values()],
        "have_campaigns": [each.has_campaigns for each in dialects.values()],
    }
    conn.exec_driver_sql(_WRITE, params)
