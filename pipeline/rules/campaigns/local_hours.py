"""Local hours: the time of day at their recipients, between which the messages of a campaign are sent."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.rules.consent.quiet_hours import QuietHours, QuietRule
from pipeline.rules.routing.destinations import EVERYWHERE
from schema.campaign import Campaign
from schema.message import Admission, Draft, Refusal
from schema.message_class import MessageClass
from schema.vocabulary import Code, QuietAction

_WRITTEN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class LocalHours:
    """A daily window, in minutes after midnight; from after until: it spans midnight."""

    from_minute: int
    until_minute: int

    @classmethod
    def parse(cls, written: str) -> "LocalHours":
        """Return the hours of `09:00-18:00`, a valid one."""
        found = _WRITTEN.fullmatch(written)
        assert found
        hour, minute, until_hour, until_minute = map(int, found.groups())
        return cls(60 * hour + minute, 60 * until_hour + until_minute)

    def __str__(self) -> str:
        """Return the hours as `parse` reads them."""
        minutes = (self.from_minute, self.until_minute)
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in minutes)

    def quiet_at(self, moment: datetime, message_class: MessageClass) -> QuietHours:
        """Return the rest of the day as quiet hours, for messages that would be sent at that time."""
        rule = QuietRule(EVERYWHERE, message_class, self.until_minute, self.from_minute, QuietAction.DEFER)
        return QuietHours([rule], moment)


def hours_of(campaign: Campaign) -> LocalHours | None:
    """Return the hours of a campaign; None: it is sent at any time."""
    if campaign.hours_from is None or campaign.hours_until is None:
        return None
    return LocalHours(campaign.hours_from, campaign.hours_until)


def within(admission: Admission, hours: LocalHours, now: datetime, zones: Sequence[str | None]) -> Admission:
    """Return the admission with the recipients deferred at whom it is too early or too late; now, or when they are due.

    `zones`: the time zones of its recipients, in order; None: those of the number. One who cannot be sent to within the
    hours before the messages expire is refused. Test messages go at any time.
    """
    if admission.test:
        return admission
    judged = list(_judged(admission, hours, max(admission.send_at or now, now), zones))
    drafts = [each for each in judged if isinstance(each, Draft)]
    refused = [each for each in judged if isinstance(each, Refusal)]
    return replace(admission, drafts=drafts, refusals=[*admission.refusals, *refused])


def _judged(
    admission: Admission, hours: LocalHours, goes_at: datetime, zones: Sequence[str | None]
) -> Iterator[Draft | Refusal]:
    quiet: dict[datetime, QuietHours] = {}
    for draft in admission.drafts:
        at = draft.due_at or goes_at
        if at not in quiet:
            quiet[at] = hours.quiet_at(at, admission.message_class)
        found = quiet[at](draft.phone, draft.country, admission.message_class, zones[draft.index])
        verdict = found.verdict(admission.valid_until) if found else None
        if isinstance(verdict, Code):
            words = f"it cannot be sent between {hours} at its recipient before it expires"
            yield Refusal(verdict, words, f"recipients[{draft.index}].to", draft.index)
        else:
            yield replace(draft, due_at=verdict) if verdict else draft
