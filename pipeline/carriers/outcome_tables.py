"""Generates docs/outcomes.md, all carriers' codes side by side, by `python -m` this module."""

import sys
from collections.abc import Iterator

from pipeline.carriers import registry
from pipeline.rules.routing.retryable import OUTCOMES, may_another_help
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome

#: exceptions to the tables, each with its reason
EXCEPTIONS = """
- A code in no table is `refused_transient` in an answer: nothing was sent, and number, text or consent are not said to
  be at fault. In a receipt it says what became of a message that was sent: no other carrier is tried. Twilio's status
  `failed` is a receipt of what never left Twilio: there it counts as in an answer.
- Africa's Talking, Infobip: a statusCode or status.id in no table is `unknown`: both mix refusals with states.
- Infobip: after an error of the group 3 (operators) that is `permanent` no other carrier is tried: the operator would
  be the same.
- Twilio's 20429 with HTTP 429, Vonage's status 1, SMPP's ESME_RTHROTTLED and ESME_RMSGQFUL, and HTTP 429 everywhere:
  the same carrier may have the message after a pause, before another is tried.
- An HTTP answer that no table knows, 5xx among them, is `unknown`: the request was read.
- SMPP: `refusals` says what a command_status means where it is not what is said here, and `retryable_codes` which codes
  of receipts another carrier may help with: SMSCs share no list.
- `generic` and `simulated` have no codes of their own: an operator says what theirs mean.
"""
_HEAD = """# What each code of each carrier means

Written by `python -m pipeline.carriers.outcome_tables` (`make outcomes`) from the tables in `pipeline/carriers`; a test
holds it to them. Change a table, not this page.

A carrier's file translates its codes into reasons, and a reason means the same for all of them: permanent is only what
number, text or consent are at fault for.
"""


def markdown() -> str:
    """Return the page as Markdown."""
    reasons = _table(
        ("reason", "outcome of an answer", "another carrier may help"),
        ((reason, OUTCOMES[reason], _help(reason)) for reason in RefusalReason),
    )
    listed = (
        (kind.name, where, code, OUTCOMES[reason], reason, _help(reason))
        for kind in registry.KINDS.values()
        for where, table in kind.codes.items()
        for code, reason in table.items()
    )
    by_code = _table(("carrier", "where", "code", "outcome", "reason", "another carrier may help"), listed)
    return f"{_HEAD}\n## Reasons\n\n{reasons}\n## What the tables do not show\n{EXCEPTIONS}\n## Codes\n\n{by_code}"


def _help(reason: RefusalReason) -> str:
    if OUTCOMES[reason] is Outcome.UNKNOWN:
        return "not known"
    return "yes" if may_another_help(reason) else "no"


def _table(headers: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> str:
    lines = [headers, ("---",) * len(headers), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(markdown())
