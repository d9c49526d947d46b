"""Find messages by number or correlation id, of one account or of all, for operators."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.errors import require
from pipeline.rules.identity import ids
from pipeline.rules.identity.search_hashes import SearchHashes, as_integer
from pipeline.rules.numbers import phones
from pipeline.rules.numbers.number_masking import masked_number
from pipeline.runtime import Runtime
from pipeline.store import accounts, message_index, operator_reports

Row = dict[str, Any]

#: greater than any message id
_END = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class FoundMessages:
    """Messages by number or correlation id, the latest first, and which of them may be missing."""

    messages: list[Row]
    #: there are earlier ones
    is_more: bool
    #: those accepted from this time on are there; None: from the first on
    complete_from: datetime | None
    #: those stored before this time are there; None: none yet, for no tick has run
    complete_until: datetime | None


def find_messages(
    rt: Runtime,
    *,
    to: str | None = None,
    country: str | None = None,
    correlation_id: str | None = None,
    account: str | None = None,
    since: datetime | None = None,
    before: UUID | None = None,
    limit: int,
    is_masked: bool = True,
) -> FoundMessages:
    """Return up to `limit` messages of a number (E.164, or national in `country`), a correlation id, or both.

    `before`: only those with a lower id, for the next page. Numbers are masked unless `is_masked` is false.

    InvalidInput: the number is invalid. NotFound: there is no such account. ConfigurationError: there is no secret
    key, or the search key cannot be opened with it.
    """
    phone = e164(to, country) if to else None
    vault = rt.vault
    with rt.read_only() as conn:
        whose = [accounts.named(conn, account).id] if account else accounts.all_ids(conn)
        key = message_index.key(conn)  # before the search: what is complete then is found
        if key is None:
            return FoundMessages([], False, rt.now(), None)
        hashes = SearchHashes(vault.open(message_index.PURPOSE, key.sealed))
        lowest, edge = ids.lowest(since) if since else UUID(int=0), before or _END
        if correlation_id:
            sought = [as_integer(own) for each in whose for own in hashes.correlations(each, [correlation_id])]
            wanted = message_index.by_correlation(conn, sought, lowest, edge, limit + 1)
        else:
            sought = [as_integer(own) for each in whose for own in hashes.numbers(each, [phone or ""])]
            wanted = message_index.by_number(conn, sought, lowest, edge, limit + 1)
        found = operator_reports.found(conn, wanted[:limit], phone, correlation_id)
    shown = masked_number if is_masked else str
    rows = [{"at": ids.moment(row["id"]), **row, "phone": shown(row["phone"])} for row in found]
    return FoundMessages(rows, len(wanted) > limit, message_index.complete_from(key, rt.now()), key.complete_until)


def e164(to: str, country: str | None) -> str:
    """Return a number (E.164, or national in `country`) as E.164; InvalidInput."""
    [found] = phones.normalise([to], country)
    require(found, f"{to!r}: {phones.phone_fault(to, country)}")
    assert found is not None
    return found.e164
