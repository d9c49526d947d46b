"""The text and JSON output of `postroad explain`: the candidate routes and why each other one lost."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pipeline.stages.admin.explain_route import CarrierSnapshot, Explained, ExplainedChoice, ForeseenRoute
from schema.routing import RouteLoss
from workers.cli.terminal.table_layout import moment, pairs, table

Row = dict[str, Any]

WHY: dict[RouteLoss, str] = {
    RouteLoss.DRAINED: "its carrier is drained",
    RouteLoss.TRIED: "its carrier was tried before",
    RouteLoss.NO_ALPHANUMERIC: "its carrier supports no alphanumeric senders",
    RouteLoss.NO_UCS2: "its carrier supports GSM 03.38 only, and the text needs UCS-2",
    RouteLoss.NO_DLT: "its carrier is not registered for India (DLT)",
    RouteLoss.REPEATED: "its carrier is listed above",
    RouteLoss.UNHEALTHY: "its carrier's breaker is open: tried last",
    RouteLoss.COMMON: "the account's own routes go first",
    RouteLoss.LESS_SPECIFIC: "another destination is more specific",
    RouteLoss.HIGHER_RANK: "another rank is lower",
    RouteLoss.SHARE: "by weight this recipient goes to another",
    RouteLoss.SPARE: "weight 0: after routes with a weight",
    RouteLoss.MORE_EXPENSIVE: "another with weight 0 is cheaper",
}


def explained(found: Explained) -> str:
    """Return the routing choices of a message as lines."""
    message = found.message
    head = pairs(
        {
            "message": message["id"],
            "status": _because(message["status"], message["error_code"]),
            "account": message["account"] + (", test" if message["test"] else ""),
            "from": message["sender"],
            "to": f"{message['phone']} ({message['country'] or 'no one country'})",
            "network": next((choice.decision.network for choice in found.choices if choice.decision), None),
            "encoding": message["encoding"] or "not measured yet",
            "class": message["class"],
        }
    )
    reports = [f"receipt of {each['carrier']}: {_because(each['verdict'], each['code'])}" for each in found.receipts]
    return "\n\n".join(
        [head, *(_choice_lines(number, choice) for number, choice in enumerate(found.choices, 1)), *reports]
    )


def in_brief(found: Explained) -> str:
    """Return the routing choices in one line per carrier."""
    lines = []
    for number, choice in enumerate(found.choices, 1):
        decided = choice.decision.candidates if choice.decision else []
        why = {each.route.carrier: WHY[each.loss] for each in reversed(decided) if each.loss}
        losers = "; ".join(f"{carrier}: {words}" for carrier, words in why.items() if carrier != choice.carrier)
        became = ", ".join(_because(each["outcome"], each["code"]) for each in choice.attempts)
        lines.append(f"{number}. {choice.carrier}: {became or 'not tried yet'}" + (f"   ({losers})" if losers else ""))
    return "\n".join(lines)


def foreseen(found: ForeseenRoute) -> str:
    """Return the route that a message would take now, as lines."""
    decision, ask = found.decision, found.ask
    head = pairs(
        {
            "account": found.account,
            "from": ask.sender,
            "to": f"{ask.phone} ({ask.country or 'no one country'})",
            "network": decision.network,
            "encoding": ask.encoding,
            "would go to": decision.carrier or "no carrier",
        }
    )
    return "\n\n".join([head, _candidates(found)])


def _choice_lines(number: int, choice: ExplainedChoice) -> str:
    resent = f", resent ({choice.resend_reason})" if choice.resend_reason else ""
    lines = [
        f"{number}. {moment(choice.at)}: {choice.carrier}, attempt {choice.attempt}, round {choice.round + 1}{resent}"
    ]
    if choice.is_same is False:
        lines.append("repeated now, the choice differs: please report this")
    lines.append(_candidates(choice))
    lines += [
        f"attempt {each['n']} at {each['carrier']}, {moment(each['marked_at'])}: "
        + _because(each["outcome"], each["code"])
        for each in choice.attempts
    ]
    return "\n".join(lines)


def _candidates(found: ExplainedChoice | ForeseenRoute) -> str:
    decision, snapshot = found.decision, found.snapshot
    if decision is None or snapshot is None:
        return "no choice is recorded: a test, a resend to the same carrier, or older than the record of choices"
    rows = [
        (
            each["place"],
            "own" if each["own"] else "every",
            each["destination"],
            each["rank"],
            each["weight"],
            cost(each["cost"], each["currency"]),
            each["carrier"],
            each["state"],
            each["from_at"],
            WHY[each["loss"]] if each["loss"] else "chosen",
        )
        for each in _listed(found)
    ]
    headers = ["turn", "account", "destination", "rank", "weight", "cost", "carrier", "was", "in force since", "why"]
    shown = [table(headers, rows)] if rows else ["no route matches this number"]
    return "\n".join([*shown, *_around(decision.elsewhere, snapshot.unhealthy)])


def _listed(found: ExplainedChoice | ForeseenRoute) -> list[Row]:
    decision, snapshot = found.decision, found.snapshot
    if decision is None or snapshot is None:
        return []
    return [
        asdict(each.route)
        | {
            "place": each.place,
            "state": snapshot.carriers.get(each.route.carrier, CarrierSnapshot()).state,
            "loss": each.loss,
        }
        for each in decision.candidates
    ]


def data(found: Explained | ForeseenRoute) -> Row:
    """Return the same as values for JSON."""
    if isinstance(found, ForeseenRoute):
        return {"account": found.account, **found.ask._asdict(), **_choice(found)}
    choices = [
        {
            "at": choice.at,
            "carrier": choice.carrier,
            "attempt": choice.attempt,
            "again": choice.resend_reason,
            "round": choice.round,
            "tried": choice.tried,
            "is_same": choice.is_same,
            "attempts": choice.attempts,
            "choice": _choice(choice) if choice.decision else None,
        }
        for choice in found.choices
    ]
    return {"message": found.message, "turns": choices, "receipts": found.receipts}


def _choice(found: ExplainedChoice | ForeseenRoute) -> Row:
    decision, snapshot = found.decision, found.snapshot
    assert decision is not None
    assert snapshot is not None
    return {
        "carrier": decision.carrier,
        "network": decision.network,
        "chain": decision.chain,
        "candidates": _listed(found),
        "elsewhere": decision.elsewhere,
        "unwell": snapshot.unhealthy,
    }


def _around(elsewhere: int, unhealthy: Iterable[str]) -> Iterable[str]:
    if elsewhere:
        yield f"({elsewhere:,} more for other numbers)"
    if words := sorted(unhealthy):
        yield f"breakers open: {', '.join(words)}"


def cost(millionths: int | None, currency: str | None) -> str:
    """Return the cost of a segment: `0.0042 EUR`."""
    if millionths is None:
        return "–"
    whole, rest = divmod(millionths, 1_000_000)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".") + f" {currency}"


def _because(word: str, code: str | None) -> str:
    return f"{word} ({code})" if code else word
