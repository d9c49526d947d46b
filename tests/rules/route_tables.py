"""Hypothesis strategies for route tables and messages."""

from datetime import UTC

from hypothesis import strategies as st

from pipeline.rules.numbers.networks import Numbering
from pipeline.rules.routing.routes import RouteQuery
from pipeline.rules.routing.routing_snapshot import CarrierSnapshot, Route, RoutingSnapshot
from schema.routing import Capability
from schema.vocabulary import CarrierState, Encoding

DESTINATIONS = ["*", "NG", "GB", "IN", "2", "234", "234801", "621-20", "621-30"]
PHONES = ["+2348012345678", "+2348032345678", "+447400123456", "+919812345678"]
CARRIERS = "abcd"

routes = st.builds(
    Route,
    destination=st.sampled_from(DESTINATIONS),
    carrier=st.sampled_from(CARRIERS),
    rank=st.integers(0, 2),
    weight=st.integers(0, 3),
    own=st.booleans(),
    cost=st.none() | st.integers(0, 3),
    currency=st.sampled_from([None, "EUR"]),
    from_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)
snapshots = st.builds(
    RoutingSnapshot,
    routes=st.lists(routes, max_size=12, unique_by=lambda line: (line.own, line.destination, line.carrier)),
    carriers=st.dictionaries(
        st.sampled_from(CARRIERS),
        st.builds(CarrierSnapshot, st.sampled_from(CarrierState), st.frozensets(st.sampled_from(Capability))),
    ),
    unhealthy=st.frozensets(st.sampled_from([*CARRIERS, "a/NG", "b/NG", "c/GB"])),
    numbering=st.sampled_from([Numbering({}), Numbering({"234801": "621-20", "23480": "621-30"})]),
)
asks = st.builds(
    RouteQuery,
    phone=st.sampled_from(PHONES),
    country=st.sampled_from(["NG", "GB", "IN", ""]),
    sender=st.sampled_from(["ACME", "+4915112345678", "12345"]),
    encoding=st.sampled_from(Encoding),
)
