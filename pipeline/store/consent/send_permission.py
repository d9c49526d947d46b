"""An account's sending restrictions, selected with its row: countries, existence of opt-outs, quiet hours."""

from collections.abc import Sequence
from typing import Any

from pipeline.rules.consent.quiet_hours import QuietRule
from pipeline.rules.consent.send_permission import SendPermission
from schema.message_class import MessageClass
from schema.vocabulary import QuietAction

#: for a SELECT from accounts AS a
COLUMNS = """
a.countries,
EXISTS (SELECT FROM opt_outs AS o WHERE o.account_id IN (0, a.id)),
(SELECT json_agg(json_build_array(q.country, q.class, from_minute, until_minute, action, q.account_id IS NOT NULL))
 FROM quiet_hours AS q WHERE q.account_id = a.id OR q.account_id IS NULL)
"""


def read(row: Sequence[Any]) -> SendPermission:
    """Return the values of these columns as a `SendPermission`."""
    countries, has_opt_outs, quiet = row
    return SendPermission(frozenset(countries), has_opt_outs, tuple(_rule(*line) for line in quiet or ()))


def _rule(country: str, word: str, begins: int, ends: int, action: str, is_own: bool) -> QuietRule:
    return QuietRule(country, MessageClass(word), begins, ends, QuietAction(action), is_own)
