"""Load: store the recipients of a campaign, portion by portion; a repeated load goes on where the last one ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from uuid import UUID

from pipeline.errors import Conflict, NotFound, require
from pipeline.rules.campaign_lifecycle import EDITABLE
from pipeline.rules.numbers import phones
from pipeline.rules.numbers.sandbox_numbers import SANDBOX_NUMBERS
from pipeline.runtime import Connection, Runtime
from pipeline.store import audit_log, campaign_progress, campaign_rows, campaigns
from pipeline.store.campaign_rows import LoadedRow
from pipeline.transitions import campaign_moves
from schema.campaign import Campaign, CampaignDefinition, CampaignProgress, CampaignRecipient, GivenRow
from schema.order_reader import read_recipients
from schema.vocabulary import CampaignState, Code, RowVerdict

#: rows that are loaded in one transaction, and the most recipients of a page
PORTION = 10_000
#: the highest line number
_LAST_LINE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class LoadedPortion:
    """What became of a portion of rows."""

    #: rows that were stored now
    new: int
    #: rows that an earlier load had stored
    known: int
    #: (line, what is wrong) of those that cannot be sent: malformed, or their number is invalid
    faults: Sequence[tuple[int, str]] = field(default_factory=list)


def load(rt: Runtime, campaign: UUID, rows: Sequence[GivenRow]) -> LoadedPortion:
    """Store up to `PORTION` rows of a campaign, their lines ascending; those that are stored already are left as is.

    A line that is malformed, or whose number is invalid, becomes a row that is not sent. A quote is void then.
    Conflict: a line is stored with other content, or comes before a stored one, or the campaign's state allows no
    further rows; NotFound.
    """
    require(len(rows) <= PORTION, f"at most {PORTION:,} rows are loaded at once")
    if not rows:
        return LoadedPortion(0, 0)
    lines = [row.line for row in rows]
    ascending = all(before < after for before, after in pairwise(lines))
    require(ascending and lines[0] > 0 and lines[-1] <= _LAST_LINE, "line numbers must ascend, from 1")
    with rt.begin() as conn:
        found = campaigns.lock(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {campaign}")
        progress = campaign_progress.lock(conn, campaign)
        read = _read(found, rows)
        new = _unknown(conn, found, read)
        if new and found.state not in EDITABLE:
            words = f"no recipients can be loaded, and it has no line {new[0].line:,}"
            raise Conflict(f"campaign {found.name!r} is {found.state}: {words}")
        if new:
            campaign_moves.require_copied(found)
            _store(rt, conn, found, progress, new)
    faults = [(row.line, row.fault) for row in read if row.fault is not None]
    return LoadedPortion(len(new), len(read) - len(new), faults)


def faults_of(definition: CampaignDefinition, rows: Sequence[GivenRow]) -> list[tuple[int, str]]:
    """Return (line, what is wrong) of the rows that would not be sent; nothing is stored."""
    return [(row.line, row.fault) for row in _read(definition, rows) if row.fault is not None]


def load_page(rt: Runtime, campaign: UUID, page: int, recipients: Sequence[object]) -> LoadedPortion:
    """Store a page of recipients, in the form of an order's JSON; `page` counts from 1, in any order.

    The same page again changes nothing; errors as of `load`. Recipient number n (from 0) of a page is line
    `(page - 1) * PORTION + n + 1`.
    """
    require(1 <= page <= _LAST_LINE // PORTION, "pages are numbered from 1")
    before = (page - 1) * PORTION
    return load(rt, campaign, [GivenRow(before + place, each) for place, each in enumerate(recipients, 1)])


def end_load(rt: Runtime, campaign: UUID, rows: int) -> None:
    """Raise Conflict unless a file's rows are all that the campaign has: an earlier load was of a longer file."""
    with rt.read_only() as conn:
        stored = campaign_progress.of(conn, campaign).rows
    if stored != rows:
        raise Conflict(f"the campaign has {stored:,} rows, this file {rows:,}: an earlier one of more lines was loaded")


def _unknown(conn: Connection, campaign: Campaign, read: Sequence[LoadedRow]) -> Sequence[LoadedRow]:
    """Return the rows that are not stored yet; Conflict: stored ones differ."""
    stored = campaign_rows.stored(conn, campaign.id, read[0].line, read[-1].line)
    if not stored:
        return read
    for row, other in zip(read, stored, strict=False):
        if _content(row) != _content(other):
            words = f"line {min(row.line, other.line):,} differs from what was loaded before"
            raise Conflict(f"campaign {campaign.name!r}: {words}: load another file into a campaign of its own")
    return read[len(stored) :]


def _content(row: LoadedRow) -> tuple[object, ...]:
    is_malformed = row.verdict == RowVerdict.MALFORMED
    own_zone = () if row.time_zone is None else (row.time_zone,)
    return row.line, row.phone, row.country, row.correlation_id, row.merge or None, is_malformed, *own_zone


def _store(
    rt: Runtime, conn: Connection, campaign: Campaign, progress: CampaignProgress, new: Sequence[LoadedRow]
) -> None:
    campaign_rows.write(conn, campaign.id, new)
    content = json.dumps([[*_content(row)] for row in new], sort_keys=True).encode()
    digest = sha256((progress.digest or b"") + content).digest()
    skipped = sum(row.verdict is not None for row in new)
    campaign_progress.add_rows(conn, campaign.id, len(new), skipped, digest)
    audit_log.note(conn, "campaigns", campaign.audit_subject, "load", {"rows": len(new)}, campaign.account_id)
    if campaign.approved_at:  # stale since; nobody has approved these rows
        campaigns.update(conn, campaign.id, EDITABLE, dict.fromkeys(("approved_by", "approved_at", "approved_with")))
    if campaign.state is CampaignState.QUOTED:
        campaign_moves.move(conn, rt.now(), campaign, CampaignState.STALE, "recipients were loaded after its quote")


def _read(campaign: Campaign | CampaignDefinition, rows: Sequence[GivenRow]) -> list[LoadedRow]:
    """Return the rows as they are stored: recipients validated, numbers in E.164."""
    recipients = iter(read_recipients([row.recipient for row in rows if row.fault is None]))
    found: list[LoadedRow] = []
    for row in rows:
        recipient = next(recipients) if row.fault is None else row.fault
        if isinstance(recipient, CampaignRecipient) and "\x00" in recipient.to:
            recipient = "to: must not hold control characters"
        found.append(
            LoadedRow(row.line, "", None, None, None, RowVerdict.MALFORMED, recipient)
            if isinstance(recipient, str)
            else _normalised(campaign, row.line, recipient)
        )
    return found


def _normalised(campaign: Campaign | CampaignDefinition, line: int, recipient: CampaignRecipient) -> LoadedRow:
    region = recipient.country or campaign.country
    [phone] = phones.normalise([recipient.to], region)
    verdict, fault, number = None, None, recipient.to
    if phone is not None:
        number = phone.e164
    elif not (campaign.test and recipient.to in SANDBOX_NUMBERS):
        verdict, fault = str(Code.PHONE_INVALID), phones.phone_fault(recipient.to, region)
    return LoadedRow(
        line=line,
        phone=number,
        country=recipient.country,
        correlation_id=recipient.correlation_id,
        merge=recipient.merge or None,
        verdict=verdict,
        fault=fault,
        time_zone=recipient.time_zone,
    )
