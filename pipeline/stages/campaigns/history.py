"""History of a campaign: who did what with it and when, from the audit log; and entries for what changes no row."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.rules.numbers.number_masking import masked_number
from pipeline.runtime import Runtime
from pipeline.store import audit_log
from schema.campaign import Campaign
from schema.vocabulary import ActorKind

Row = dict[str, Any]

#: entries that are read
_MOST = 500
#: what the audit log says about a campaign, and about its recipients: who looks at these has not written it
_CAMPAIGNS, _ROWS = "campaigns", "campaign_rows"
#: columns that change with its state
_BESIDES = {
    *("state", "reason", "started_at", "ended_at", "quote", "quoted_at", "quote_until", "quote_hash"),
    *("approved_by", "approved_at", "approved_with", "max_cost", "repeat_next_at", "copies_from", "template_version"),
}
#: entries that are no change of its row, by their first value
_NOTES = {
    "rows": "loaded {rows:,} rows",
    "excluded": "left out {excluded:,} rows",
    "file": "downloaded {file} with full numbers",
    "line": "sent the text of line {line:,} to {number}",
}


@dataclass(frozen=True, slots=True)
class CampaignChange:
    """Something that was done with a campaign."""

    at: datetime
    #: a user, an API key; "" for the product itself
    who: str
    what: str
    #: why, where a reason was given
    reason: str = ""


def campaign_history(rt: Runtime, campaign: Campaign) -> list[CampaignChange]:
    """Return what was done with a campaign, the latest first, as far as the audit log is kept.

    Portions of one file are one load.
    """
    of = campaign.account_id, (_CAMPAIGNS, _ROWS), campaign.audit_subject, campaign.created_at
    with rt.read_only() as conn:
        found = audit_log.of_subject(conn, *of, _MOST)
    joined: list[Row] = []
    for each in found:
        if joined and _is_load(each) and _is_load(joined[-1]) and _who(each) == _who(joined[-1]):
            joined[-1] = joined[-1] | {"after": {"rows": joined[-1]["after"]["rows"] + each["after"]["rows"]}}
        else:
            joined.append(each)
    return [CampaignChange(each["at"], _who(each), what, _reason(each)) for each in joined if (what := _what(each))]


def note_download(rt: Runtime, campaign: Campaign, file: str) -> None:
    """Enter in the audit log that a file with the full numbers of a campaign's recipients was downloaded."""
    _note(rt, campaign, "download", {"file": file})


def note_test_send(rt: Runtime, campaign: Campaign, line: int, number: str) -> None:
    """Enter in the audit log that the text of a row was sent to a number of one's own."""
    _note(rt, campaign, "test send", {"line": line, "number": masked_number(number)})


def _note(rt: Runtime, campaign: Campaign, action: str, after: Row) -> None:
    with rt.begin() as conn:
        audit_log.note(conn, _ROWS, campaign.audit_subject, action, after, campaign.account_id)


def _is_load(entry: Row) -> bool:
    return entry["before"] is None and set(entry["after"]) == {"rows"}


def _who(entry: Row) -> str:
    if entry["actor_kind"] == ActorKind.SYSTEM:
        return ""
    claimed = f" (as {entry['claimed']})" if entry["claimed"] else ""
    return f"{entry['actor']}{claimed}"


def _what(entry: Row) -> str:
    """Return what an entry says, in words; "": nothing that matters to people."""
    before, after = entry["before"], entry["after"]
    if before is None:
        words = next((words for key, words in _NOTES.items() if key in after and "state" not in after), "created it")
        return words.format(**after)
    if "state" in after:
        return f"{before['state']} → {after['state']}"
    changed = sorted(after.keys() - _BESIDES)
    return f"changed {', '.join(each.replace('_', ' ') for each in changed)}" if changed else ""


def _reason(entry: Row) -> str:
    return str(entry["after"].get("reason") or "") if "state" in entry["after"] else ""
