"""The text output of `show` and `status`: a message's history, a request's result, the overview."""

from datetime import datetime
from itertools import islice
from typing import Any

from pipeline.stages.admin.operator_reports import MessageReport, Overview, RequestResult
from schema.vocabulary import HoldReason
from workers.cli.terminal.carrier_view import open_breakers
from workers.cli.terminal.table_layout import moment, pairs, table

Row = dict[str, Any]

#: most messages or refusals listed of a request
_LISTED = 20


def message_lines(found: MessageReport | RequestResult) -> str:
    """Return a message's history, or a request's result, as lines."""
    return _history(found) if isinstance(found, MessageReport) else _result(found)


def _history(found: MessageReport) -> str:
    message = found.message
    parts = [
        pairs(
            {
                "message": message["id"],
                "status": _because(message["status"], message["error_code"]),
                "account": message["account"] + (", test" if message["test"] else ""),
                "from": message["sender"],
                "to": f"{message['phone']} ({message['country'] or 'no one country'})",
                "text": message["body"],
                "encoding": _encoding(message),
                "money": _money(message),
                "class": message["class"],
                "correlation": message["correlation_id"],
                "request": message["request_id"],
            }
        ),
        table(["when (UTC)", "what"], [(moment(at), what) for at, what in _events(found)]),
    ]
    for title, headers, rows in (
        ("attempts", _ATTEMPT, found.attempts),
        ("receipts", _RECEIPT, found.receipts),
        ("batches", _BATCH, found.batches),
    ):
        if rows:
            parts.append(f"{title}\n" + table(list(headers), [[row[key] for key in headers.values()] for row in rows]))
    return "\n\n".join(parts)


_ATTEMPT = {
    "n": "n",
    "carrier": "carrier",
    "outcome": "outcome",
    "code": "code",
    "detail": "detail",
    "carrier's reference": "carrier_ref",
    "marked": "marked_at",
    "recorded": "recorded_at",
    "late outcome": "late_outcome",
    "at": "late_at",
    "resent": "again",
    "may be a duplicate": "possible_duplicate",
}
_RECEIPT = {
    "carrier": "carrier",
    "verdict": "verdict",
    "code": "code",
    "happened": "at",
    "received": "received_at",
    "state": "state",
}
_BATCH = {
    "batch": "id",
    "carrier": "carrier",
    "status": "status",
    "held": "held",
    "attempt": "attempt",
    "round": "round",
    "tried": "tried",
    "size": "size",
    "due": "due_at",
    "claims": "fence",
}


def _events(found: MessageReport) -> list[tuple[datetime, str]]:
    """Return the events of a message in order."""
    message = found.message
    events: list[tuple[datetime | None, str]] = []
    for batch in found.batches:
        first = batch["attempt"] == 1 and batch["round"] == 0
        begun = "accepted" if first else f"passed to {batch['carrier']}, round {batch['round'] + 1}"
        events.append((batch["created_at"], begun))
        events.append((batch["queued_at"], f"queued for {batch['carrier']}"))
    for each in found.attempts:
        events.append((each["marked_at"], f"attempt {each['n']}: to {each['carrier']}{_resent(each)}"))
        events.append((each["recorded_at"], f"attempt {each['n']}: {_because(each['outcome'], each['code'])}"))
        events.append((each["late_at"], f"attempt {each['n']}: {each['late_outcome']}, late response"))
    for each in found.receipts:
        words = f"receipt: {_because(each['verdict'], each['code'])}, {each['state']}"
        events.append((each["received_at"], words))
    if message["final_at"]:
        events.append((message["final_at"], _because(message["status"], message["error_code"])))
    if message["status"] == "scheduled":
        events.append((message["send_at"], "due"))
    return sorted((at, what) for at, what in events if at)


def _resent(attempt: Row) -> str:
    """Return why a message was resent, and whether it may be a duplicate."""
    why = f", resent ({attempt['again']})" if attempt["again"] else ""
    return why + (", possible duplicate" if attempt["possible_duplicate"] else "")


def _because(word: str, code: str | None) -> str:
    return f"{word} ({code})" if code else word


def _encoding(message: Row) -> str:
    if not message["encoding"]:
        return "not measured yet"
    parts = message["segments"]
    return f"{message['encoding']}, {parts} part{'' if parts == 1 else 's'}"


def _money(message: Row) -> str:
    if not message["money"]:
        return "not charged"
    paid = (
        f"{message['quota']} of the quota" if message["quota"] else f"{message['amount']} {message['currency']} minor"
    )
    return f"{paid}, {message['money']}"


def _result(found: RequestResult) -> str:
    request = found.request
    parts = [
        pairs(
            {
                "request": request["id"],
                "received": request["created_at"],
                "repeats": request.get("repeats"),
                "recipients": request["recipients"],
                "accepted": request["accepted"],
                "class": request["class"],
                "test": "yes" if request["test"] else None,
                "send at": request["send_at"],
                "valid until": request["valid_until"],
            }
        )
    ]
    if request["refusals"]:
        rows = [(each["field"], each["code"], each["message"]) for each in request["refusals"]]
        parts.append("refused\n" + _listed(["field", "code", "why"], rows))
    if found.messages:
        rows = [(each["id"], _because(each["status"], each["error_code"]), each["segments"]) for each in found.messages]
        parts.append(_counts(found.messages))
        parts.append("messages\n" + _listed(["message", "status", "parts"], rows))
    return "\n\n".join(parts)


def _counts(messages: list[Row]) -> str:
    counts: dict[str, int] = {}
    for each in messages:
        word = _because(each["status"], each["error_code"])
        counts[word] = counts.get(word, 0) + 1
    return table(["status", "messages"], sorted(counts.items()))


def _listed(headers: list[str], rows: list[tuple[Any, ...]]) -> str:
    more = len(rows) - _LISTED
    return table(headers, islice(rows, _LISTED)) + (f"\n… and {more:,} more; --json shows all" if more > 0 else "")


#: why batches are held
_HOLDS = {
    HoldReason.ACCOUNT: "suspended account",
    HoldReason.CARRIER: "no active carrier",
    HoldReason.CAMPAIGN: "paused campaign",
}


def overview_of(found: Overview) -> str:
    """Return the overview as tables."""
    statuses = [
        (_because(row["status"], row["error_code"]), row["messages"], row["segments"]) for row in found.statuses
    ]
    carriers = [(row["carrier"], row["outcome"], row["attempts"], row["failovers"]) for row in found.carriers]
    waiting = [(row["status"], row["batches"], row["messages"], row["oldest"]) for row in found.waiting]
    held = [(_HOLDS[HoldReason(row["held"])], row["name"], row["batches"], row["messages"]) for row in found.held]
    sums = ("reserved", "held", "captured", "released", "balance")
    money = [(row["account"], row["unit"], *(int(row[word]) for word in sums)) for row in found.money]
    parts = [
        "messages\n" + table(["status", "messages", "parts"], statuses) if statuses else "no messages",
        "carriers\n" + table(["carrier", "outcome", "attempts", "as failover"], carriers) if carriers else "",
        f"open breakers: {open_breakers(found.ill)}; postroad carrier status" if found.ill else "",
        "waiting\n" + table(["batches that are", "batches", "messages", "oldest due"], waiting) if waiting else "",
        "of these are held\n" + table(["because", "of", "batches", "messages"], held) if held else "",
        "money (minor units; SEG: parts of quota)\n"
        + table(["account", "unit", "reserved", "held", "captured", "released", "left"], money)
        if money
        else "",
    ]
    return "\n\n".join(part for part in parts if part)
