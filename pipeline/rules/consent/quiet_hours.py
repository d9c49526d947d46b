"""Quiet hours: whether a message may be delivered now at the recipient's local time, and when it may again.

Where a number may be in several time zones, quiet hours last as long as they do in any of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipeline.rules.numbers.time_zones import Zones, zone_named, zones_of
from pipeline.rules.routing.destinations import EVERYWHERE
from schema.message_class import MessageClass
from schema.vocabulary import Code, QuietAction

#: how far ahead a time is searched that is outside quiet hours in all zones of a number
_HORIZON = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class QuietRule:
    """One quiet-hours rule: a country's daily window without messages."""

    #: an ISO country, or `*`
    country: str
    message_class: MessageClass
    #: minutes after midnight; from after until: the window spans midnight; equal: never
    from_minute: int
    until_minute: int
    action: QuietAction
    #: it is the account's own, which overrides those for every account
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class QuietVerdict:
    """It is within the recipient's quiet hours: what to do and until when."""

    action: QuietAction
    #: their end; None: no time is outside them in all zones of the number
    until: datetime | None

    def verdict(self, valid_until: datetime | None) -> Code | datetime:
        """Return the time until which a message valid until then is deferred, or the code to reject it with."""
        if self.action is QuietAction.REJECT or self.until is None or (valid_until and self.until >= valid_until):
            return Code.QUIET_HOURS
        return self.until


class QuietHours:
    """An account's quiet hours at one time, indexed by country; called for each recipient."""

    def __init__(self, rules: Iterable[QuietRule], at: datetime) -> None:
        """Index the rules in force for one account, for the time when its messages would be sent."""
        self._rules: dict[tuple[str, MessageClass], QuietRule] = {}
        # a country overrides `*`, and the account's own rule the common one for the same country
        for rule in sorted(rules, key=lambda each: each.is_own):
            self._rules[rule.country, rule.message_class] = rule
        self._at = at
        self._known: dict[tuple[Zones, QuietRule], QuietVerdict | None] = {}

    def __call__(
        self, phone: str, country: str, message_class: MessageClass, zone: str | None = None
    ) -> QuietVerdict | None:
        """Return the verdict for a number (E.164) within quiet hours; None: it may be sent to now.

        `zone`: the IANA name of its recipient's time zone; None: those of the number.
        """
        rule = self._rules.get((country, message_class)) or self._rules.get((EVERYWHERE, message_class))
        if rule is None:
            return None
        own = zone_named(zone) if zone else None
        key = ((own,) if own else zones_of(phone, country), rule)
        if key not in self._known:
            self._known[key] = _verdict(*key, self._at)
        return self._known[key]


def _verdict(zones: Zones, rule: QuietRule, at: datetime) -> QuietVerdict | None:
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
    """Return when quiet hours end in a zone; None: it is outside them now."""
    there = at.astimezone(zone)
    minute = there.hour * 60 + there.minute
    begins, ends = rule.from_minute, rule.until_minute
    is_night = begins <= minute < ends if begins <= ends else (minute >= begins or minute < ends)
    if not is_night:
        return None
    clock = time(ends // 60, ends % 60)
    for day in (there.date(), there.date() + timedelta(days=1)):
        for fold in (0, 1):  # the hour that occurs twice when daylight saving ends
            end = datetime.combine(day, clock, zone).replace(fold=fold).astimezone(at.tzinfo)
            if end > at:
                return end
    raise AssertionError("quiet hours are longer than a day")
