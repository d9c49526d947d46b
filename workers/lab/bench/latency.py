"""Latencies of messages from `submit` to their carrier."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

_MARKED = """
SELECT m.request_id, extract(epoch FROM a.marked_at)::float8, count(*)
FROM provider_attempts AS a JOIN messages AS m ON m.id = a.message_id
WHERE m.request_id = ANY(%s) GROUP BY 1, 2
"""
_REQUESTS = "SELECT id, request_id FROM messages WHERE request_id = ANY(%s)"


def by_marks(conn: "psycopg.Connection[Any]", submitted: Mapping[UUID, float]) -> list[float]:
    """Return each message's seconds to its mark: the database clock at the commit right before it is sent."""
    return [
        marked - submitted[request]
        for request, marked, count in conn.execute(_MARKED, [list(submitted)])
        for _ in range(count)
    ]


def by_carrier(conn: "psycopg.Connection[Any]", submitted: Mapping[UUID, float], log: Path) -> list[float]:
    """Return each message's seconds until its carrier logged it."""
    request_of = dict(conn.execute(_REQUESTS, [list(submitted)]).fetchall())
    lines = (json.loads(line) for line in log.read_text().splitlines())
    had = {UUID(line["ref"]): line["at"] for line in lines}
    return [at - submitted[request_of[message]] for message, at in had.items() if message in request_of]


def spread(seconds: Iterable[float]) -> dict[str, float]:
    """Return count, p50, p95, p99 and the longest, in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return {"count": 0}
    places = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {"count": len(ordered)} | {
        name: round(ordered[math.ceil(share * len(ordered)) - 1] * 1000, 2) for name, share in places.items()
    }
