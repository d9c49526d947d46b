"""The canary of a campaign: drawn across the countries of its recipients and the carriers that serve them."""

from collections.abc import Sequence

from pipeline.rules.campaigns.canary import take_turns
from pipeline.rules.numbers import phones
from pipeline.rules.numbers.calling_codes import TWO_DIGITS
from pipeline.rules.routing.routes import TEST_CARRIER, RouteQuery, RouteTable
from pipeline.rules.text import segments
from pipeline.runtime import Connection
from pipeline.store import campaign_expansion
from pipeline.store.campaign_expansion import CanaryCandidate
from schema.campaign import Campaign

#: candidates whose carriers are looked up, at least; and per row of the canary
_CANDIDATES, _EACH = 10_000, 4


def draw(conn: Connection, campaign: Campaign, count: int, routes: RouteTable) -> None:
    """Draw `count` pending rows for the canary of a campaign: always the same, as long as rows and routes stay."""
    rows = campaign_expansion.candidates(conn, campaign.id, max(_CANDIDATES, _EACH * count), TWO_DIGITS)
    groups = _groups(campaign, routes, rows)
    lines = take_turns(((row.line, group) for row, group in zip(rows, groups, strict=True)), count)
    campaign_expansion.draw(conn, campaign.id, lines)


def _groups(campaign: Campaign, routes: RouteTable, rows: Sequence[CanaryCandidate]) -> list[tuple[str, str | None]]:
    """Return the country of each row's number, and the carrier that is tried first."""
    encoding = segments.encoding(campaign.body) if routes.depends_on_encoding else None
    found: list[tuple[str, str | None]] = []
    for row, known in zip(rows, phones.countries(row.phone for row in rows), strict=True):
        country = row.country or known
        ask = RouteQuery(row.phone, country, campaign.sender, encoding)
        found.append((country, TEST_CARRIER if campaign.test else routes.first(ask)))
    return found
