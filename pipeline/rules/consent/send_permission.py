"""The rule of who is not written to, or not now: what an account may do where, who wants nothing, whose night it is."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.rules.consent.quiet_hours import QuietHours, QuietRule
from schema.message import Admission, Draft, Refusal
from schema.vocabulary import Code

#: the door of what answers a text from a handset: its writer is awake, and wants this one answer
REPLIES = "reply"


@dataclass(frozen=True, slots=True)
class SendPermission:
    """What holds one account back."""

    #: ISO countries it may send to; empty: everywhere
    countries: frozenset[str] = frozenset()
    #: somebody wants nothing from it, or from anybody
    has_opt_outs: bool = False
    #: the lines of quiet hours in force for it
    quiet: tuple[QuietRule, ...] = ()


_WORDS = {
    Code.COUNTRY_FORBIDDEN: "the account may not send to {country}",
    Code.OPTED_OUT: "the recipient opted out",
    Code.QUIET_HOURS: "it is night where the recipient is, and the message may not wait until morning",
}


def restrain(admission: Admission, permission: SendPermission, opted_out: Collection[int], now: datetime) -> Admission:
    """Return an admission without the drafts that may not go (they are refused), and with those that wait for morning.

    `opted_out`: the indexes of recipients who want none of it.
    """
    may_wake = admission.test or admission.door == REPLIES
    goes_at = max(admission.send_at or now, now)
    quiet = QuietHours(() if may_wake else permission.quiet, goes_at)
    drafts: list[Draft] = []
    refused: list[Refusal] = []
    for draft in admission.drafts:
        verdict = _verdict(admission, draft, permission, opted_out, quiet)
        if isinstance(verdict, Code):
            words = _WORDS[verdict].format(country=draft.country or "numbers of no one country")
            refused.append(Refusal(verdict, words, f"recipients[{draft.index}].to", draft.index))
        else:
            drafts.append(replace(draft, due_at=verdict) if verdict else draft)
    if refused:
        reported = sorted([*admission.refusals, *refused], key=lambda each: -1 if each.index is None else each.index)
        return replace(admission, drafts=drafts, refusals=reported)
    return replace(admission, drafts=drafts)


def _verdict(
    admission: Admission, draft: Draft, permission: SendPermission, opted_out: Collection[int], quiet: QuietHours
) -> Code | datetime | None:
    if permission.countries and draft.country not in permission.countries:
        return Code.COUNTRY_FORBIDDEN
    if draft.index in opted_out:
        return Code.OPTED_OUT
    hush = quiet(draft.phone, draft.country, admission.message_class)
    return hush.verdict(admission.valid_until) if hush else None
