"""Send permission: refuses drafts for forbidden countries and opt-outs, and defers or rejects those in quiet hours."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.rules.consent.quiet_hours import QuietHours, QuietRule
from schema.message import Admission, Draft, Refusal
from schema.vocabulary import Code

#: `door` of automatic replies to inbound messages: quiet hours and opt-outs do not apply
REPLIES = "reply"


@dataclass(frozen=True, slots=True)
class SendPermission:
    """The restrictions of one account."""

    #: ISO countries it may send to; empty: all
    countries: frozenset[str] = frozenset()
    #: there are opt-outs from it, or from all accounts
    has_opt_outs: bool = False
    #: the quiet-hours rules in force for it
    quiet: tuple[QuietRule, ...] = ()


_WORDS = {
    Code.COUNTRY_FORBIDDEN: "the account may not send to {country}",
    Code.OPTED_OUT: "the recipient opted out",
    Code.QUIET_HOURS: "it is within the recipient's quiet hours, and the message cannot wait until they end",
}


def apply_permission(
    admission: Admission, permission: SendPermission, opted_out: Collection[int], now: datetime
) -> Admission:
    """Return the admission without forbidden drafts (they become refusals), and with those in quiet hours deferred.

    `opted_out`: indexes of the recipients that opted out.
    """
    may_wake = admission.test or admission.door == REPLIES
    goes_at = max(admission.send_at or now, now)
    quiet = QuietHours(() if may_wake else permission.quiet, goes_at)
    drafts: list[Draft] = []
    refused: list[Refusal] = []
    for draft in admission.drafts:
        verdict = _verdict(admission, draft, permission, opted_out, quiet)
        if isinstance(verdict, Code):
            words = _WORDS[verdict].format(country=draft.country or "numbers without a country")
            refused.append(Refusal(verdict, words, f"recipients[{draft.index}].to", draft.index))
        else:
            drafts.append(replace(draft, due_at=verdict) if verdict else draft)
    if refused:
        refusals = sorted([*admission.refusals, *refused], key=lambda each: -1 if each.index is None else each.index)
        return replace(admission, drafts=drafts, refusals=refusals)
    return replace(admission, drafts=drafts)


def _verdict(
    admission: Admission, draft: Draft, permission: SendPermission, opted_out: Collection[int], quiet: QuietHours
) -> Code | datetime | None:
    if permission.countries and draft.country not in permission.countries:
        return Code.COUNTRY_FORBIDDEN
    if draft.index in opted_out:
        return Code.OPTED_OUT
    verdict = quiet(draft.phone, draft.country, admission.message_class)
    return verdict.verdict(admission.valid_until) if verdict else None
