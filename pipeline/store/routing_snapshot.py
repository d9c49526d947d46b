"""The routing_snapshots table: routing snapshots, each stored once by its digest; and the routes in force.

A process caches compiled route tables by the rows they are made of, and snapshot ids by digest.
"""

import json
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from pipeline.rules.numbers.networks import UNKNOWN, Numbering
from pipeline.rules.routing import dlt, routing_snapshot
from pipeline.rules.routing.destinations import is_network
from pipeline.rules.routing.routes import RouteTable
from pipeline.rules.routing.routing_snapshot import CarrierSnapshot, Route, RoutingSnapshot, StoredSnapshot
from pipeline.store import networks
from schema.vocabulary import CarrierState


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """The route table of an account, and its snapshot."""

    table: RouteTable
    #: the snapshot in its stored form
    kept: StoredSnapshot


#: (destination, carrier, rank, weight, cost, currency, from_at, state, capabilities, sends_dlt); without the
#: account id, so that accounts with equal routes share a snapshot
_Row = tuple[Any, ...]
_destination, _carrier = itemgetter(0), itemgetter(1)
_Key = tuple[tuple[_Row, ...], tuple[_Row, ...], frozenset[str], Numbering]


class KnownSnapshot:
    """A process's cache of route tables and snapshot ids."""

    #: most cached tables, and most cached ids
    MOST = 1000
    #: seconds after which the numbering plan is read again
    FRESH = 60.0

    def __init__(self) -> None:
        """Start with an empty cache."""
        self.choices: dict[_Key, RouteChoice] = {}
        self.ids: dict[bytes, int] = {}
        self._numbering = UNKNOWN
        self._read_at: float | None = None

    def numbering(self, conn: Connection) -> Numbering:
        """Return the numbering plan, at most a minute old."""
        now = time.monotonic()
        if self._read_at is None or now - self._read_at > self.FRESH:
            prefixes = networks.all_of(conn)
            if prefixes != self._numbering.prefixes:
                self._numbering = Numbering(prefixes)
            self._read_at = now
        return self._numbering


_LINES = """
SELECT r.account_id, r.destination, r.carrier, r.rank, r.weight, r.cost, r.currency, r.from_at::text,
       c.state, c.capabilities::text, c.sends_dlt
FROM routes AS r JOIN carriers AS c ON c.name = r.carrier
WHERE (r.account_id IS NULL OR r.account_id = ANY(%(accounts)s))
  AND r.from_at <= now() AND coalesce(r.until_at, 'infinity') > now()
ORDER BY r.id
"""


def choices(
    conn: Connection, known: KnownSnapshot, accounts: Collection[int], unhealthy: Collection[str] = ()
) -> dict[int, RouteChoice]:
    """Return account → its current route table; `unhealthy`: open breakers, see `RoutingSnapshot`."""
    rows: defaultdict[int | None, list[_Row]] = defaultdict(list)
    for account, *row in conn.exec_driver_sql(_LINES, {"accounts": list(accounts)}).all():
        rows[account].append(tuple(row))
    common = tuple(rows[None])
    return {account: _choice(conn, known, tuple(rows[account]), common, unhealthy) for account in accounts}


def _choice(
    conn: Connection, known: KnownSnapshot, own: tuple[_Row, ...], common: tuple[_Row, ...], unhealthy: Collection[str]
) -> RouteChoice:
    carriers = set(map(_carrier, chain(own, common))) if unhealthy else ()
    bad = frozenset(word for word in unhealthy if word.partition("/")[0] in carriers)
    meets_networks = any(map(is_network, map(_destination, chain(own, common))))
    numbering = known.numbering(conn) if meets_networks else UNKNOWN
    key = (own, common, bad, numbering)
    choice = known.choices.get(key)
    if choice is None:
        snapshot = _snapshot(key)
        choice = RouteChoice(RouteTable(snapshot), routing_snapshot.write(snapshot))
        if len(known.choices) >= known.MOST:
            known.choices.clear()
        known.choices[key] = choice
    return choice


def _snapshot(key: _Key) -> RoutingSnapshot:
    own, common, unhealthy, numbering = key
    return RoutingSnapshot(
        routes=[*(_route(row, is_own=True) for row in own), *(_route(row, is_own=False) for row in common)],
        carriers={_carrier(row): _standing(row) for row in (*own, *common)},
        unhealthy=unhealthy,
        numbering=numbering,
    )


def _standing(row: _Row) -> CarrierSnapshot:
    *_, state, capabilities, sends_dlt = row
    return CarrierSnapshot(CarrierState(state), dlt.lacks(sends_dlt, json.loads(capabilities)))


def _route(row: _Row, *, is_own: bool) -> Route:
    destination, carrier, rank, weight, cost, currency, from_at, *_ = row
    # read as text: parsing a datetime costs more than the rest of a row, and most rows are cached
    since = datetime.fromisoformat(from_at)
    return Route(destination, carrier, rank, weight, is_own, cost, currency, since)


_KEEP = """
WITH there AS (
    SELECT id, xmin IS DISTINCT FROM pg_current_xact_id_if_assigned()::xid AS is_lasting
    FROM routing_snapshots WHERE digest = %(digest)b
), made AS (
    INSERT INTO routing_snapshots (digest, content)
    SELECT digest, content::jsonb FROM unnest(%(digests)b::bytea[], %(contents)b::text[]) AS s (digest, content)
    WHERE NOT EXISTS (SELECT FROM there)
    ORDER BY digest
    ON CONFLICT (digest) DO NOTHING
    RETURNING id, digest
)
SELECT id, is_lasting FROM there UNION ALL SELECT id, false FROM made WHERE digest = %(digest)b
"""


def keep(conn: Connection, known: KnownSnapshot, choice: RouteChoice) -> int:
    """Return the id of the choice's snapshot; insert it if it is not stored yet."""
    digest = choice.kept.digest
    if (id_ := known.ids.get(digest)) is not None:
        return id_
    pieces = choice.kept.pieces
    params = {"digest": digest, "digests": list(pieces), "contents": list(pieces.values())}
    row = None
    while row is None:  # a concurrent transaction inserted it: the next query sees it
        row = conn.exec_driver_sql(_KEEP, params).first()
    id_, is_lasting = row
    if is_lasting:  # our own insert may still be rolled back
        if len(known.ids) >= known.MOST:
            known.ids.clear()
        known.ids[digest] = id_
    return int(id_)


_READ = "SELECT id, content FROM routing_snapshots WHERE id = ANY(%(ids)b)"
_PIECES = "SELECT digest, content FROM routing_snapshots WHERE digest = ANY(%(digests)b)"


def read(conn: Connection, wanted: Collection[int]) -> dict[int, RoutingSnapshot]:
    """Return id → stored snapshot."""
    roots: Mapping[int, Any] = dict(conn.exec_driver_sql(_READ, {"ids": list(wanted)}).all())
    digests = list({digest for root in roots.values() for digest in routing_snapshot.named(root)})
    pieces = {bytes(digest): content for digest, content in conn.exec_driver_sql(_PIECES, {"digests": digests})}
    return {id_: routing_snapshot.read(root, pieces.__getitem__) for id_, root in roots.items()}
