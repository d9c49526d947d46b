"""The rule of quiet hours: whether it is night where a recipient is, and when that ends.

Where a number may be in several zones it is night as long as it is in any of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipeline.rules.numbers.time_zones import Zones, zones_of
from pipeline.rules.routing.destinations import EVERYWHERE
from schema.message_class import MessageClass
from schema.vocabulary import Code, QuietAction

#: how far ahead an hour is looked for in which it is day everywhere a number may be
_HORIZON = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class QuietRule:
    """One line of the table: from when until when a country is not written to."""

    #: an ISO country, or `*`
    country: str
    message_class: MessageClass
    #: minutes after midnight; from after until: over midnight; both the same: never
    from_minute: int
    until_minute: int
    action: QuietAction
    #: it is the account's own, and wins over those for every account
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class QuietVerdict:
    """It is night where the recipient is."""

    action: QuietAction
    #: when it is over; None: it is never day in all zones the number may be in
    until: datetime | None

    def verdict(self, valid_until: datetime | None) -> Code | datetime:
        """Return until when a message waits that may go until that moment, or that it is refused."""
        if self.action is QuietAction.REJECT or self.until is None or (valid_until and self.until >= valid_until):
            return Code.QUIET_HOURS
        return self.until


class QuietHours:
    """Lines of the table, compiled for one moment; asked for each recipient."""

    def __init__(self, rules: Iterable[QuietRule], at: datetime) -> None:
        """Take the lines in force for one account, and when its messages would go."""
        self._rules: dict[tuple[str, MessageClass], QuietRule] = {}
        # a country before everywhere, and of the same place the account's own line
        for rule in sorted(rules, key=lambda each: each.is_own):
            self._rules[rule.country, rule.message_class] = rule
        self._at = at
        self._known: dict[tuple[Zones, QuietRule], QuietVerdict | None] = {}

    def __call__(self, phone: str, country: str, message_class: MessageClass) -> QuietVerdict | None:
        """Return when the night ends where a number (E.164) is and what is done until then; None: it is day."""
        rule = self._rules.get((country, message_class)) or self._rules.get((EVERYWHERE, message_class))
        if rule is None:
            return None
        key = (zones_of(phone, country), rule)
        if key not in self._known:
            self._known[key] = _hush(*key, self._at)
        return self._known[key]


def _hush(zones: Zones, rule: QuietRule, at: datetime) -> QuietVerdict | None:
    until, moved = at, True
    while moved and until - at <= _HORIZON:
        moved = False
        for zone in zones:
            end = _end(zone, rule, until)
            if end is not None:
                until, moved = end, True
    if moved:
        return QuietVerdict(rule.action, None)
    return QuietVerdict(rule.action, until) if until > at else None


def _end(zone: ZoneInfo, rule: QuietRule, at: datetime) -> datetime | None:
    """Return when the night that it is in a zone ends; None: it is day there."""
    there = at.astimezone(zone)
    minute = there.hour * 60 + there.minute
    begins, ends = rule.from_minute, rule.until_minute
    is_night = begins <= minute < ends if begins <= ends else (minute >= begins or minute < ends)
    if not is_night:
        return None
    clock = time(ends // 60, ends % 60)
    for day in (there.date(), there.date() + timedelta(days=1)):
        for fold in (0, 1):  # the hour that comes twice when the clocks go back
            end = datetime.combine(day, clock, zone).replace(fold=fold).astimezone(at.tzinfo)
            if end > at:
                return end
    raise AssertionError("a night is longer than a day")
