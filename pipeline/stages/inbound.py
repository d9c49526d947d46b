"""Inbound messages (MO): store them, and apply their keywords: STOP and START change opt-outs, others get a reply."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.rules.campaigns.replies import answered
from pipeline.rules.consent import consent_numbers
from pipeline.rules.consent.send_permission import REPLIES
from pipeline.rules.consent.stop_keyword_detection import Keyword, KeywordMeaning, Vocabulary
from pipeline.rules.text.inbound_parts import BELIEVED, JoinedText, KeptPart, join
from pipeline.runtime import Connection, Runtime
from pipeline.store import advisory_locks, campaign_replies
from pipeline.store.api import inbound_events
from pipeline.store.campaign_replies import ReceivedText
from pipeline.store.consent import inbound, keywords, number_owners, opt_outs
from pipeline.store.consent.inbound import HandledInbound, KeywordReply, Start
from pipeline.store.consent.opt_outs import EVERYBODY, OptOut
from schema.carriage import Inbound
from schema.message_class import MessageClass
from schema.order import Order, Recipient
from schema.vocabulary import InboundAction

#: messages processed in one transaction, and replies returned by one call
PORTION = 500
#: seconds for which the first parts of a long message wait for the others
TIMEOUT = 600.0
#: if several accounts share a number: days and messages to search for the account that last wrote to the handset
SINCE_DAYS, AMONG = 7, 200_000

#: only handsets with such a number get replies
_PHONE = re.compile(r"\+[0-9]{7,15}")


def keep(rt: Runtime, messages: Sequence[Inbound]) -> int:
    """Store inbound messages, without duplicates; return how many were new."""
    with rt.begin() as conn:
        return inbound.keep(conn, rt.new_ids(), messages)


def reply(rt: Runtime) -> list[tuple[UUID, Order]]:
    """Process stored inbound messages, up to a portion; return the replies still to be sent, each with its request id.

    Every call returns the same replies until `replied` is called with them: written twice, they are one request.
    """
    with rt.begin() as conn:
        if not advisory_locks.is_mine(conn, "inbound"):
            return []
        kept = inbound.fresh(conn, PORTION, TIMEOUT)
        if kept:
            _apply_keywords(rt, conn, kept)
        return [(each.id, _order(each)) for each in inbound.replies(conn, PORTION)]


def replied(rt: Runtime, requests: Sequence[UUID]) -> None:
    """Record that these replies were accepted as requests."""
    if not requests:
        return
    with rt.begin() as conn:
        inbound.replied(conn, requests)


def _order(reply: KeywordReply) -> Order:
    # not validated: the values are our own, or were validated when they arrived
    return Order.model_construct(
        account=reply.account,
        sender=reply.sender,
        body=reply.body,
        recipients=[Recipient.model_construct(to=reply.phone)],
        idempotency_key=f"reply-{reply.id}",
        door=REPLIES,
        message_class=MessageClass.TRANSACTIONAL,
        skip_opt_outs=True,
    )


# Processing keywords ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ConsentState:
    """State for processing texts: read before, and changed by them."""

    #: destination of the text → accounts that have it as a sender, and their spellings of it
    owners: dict[str, dict[int, list[str]]]
    #: keywords by account; None: those of accounts without keywords of their own
    words: dict[int | None, Vocabulary]
    #: (phone, sender) → the account that last wrote to that phone
    correspondents: dict[tuple[str, str], int]
    #: recent START texts, by phone
    starts: dict[str, list[Start]]
    #: opt-outs as of the texts processed so far, and when they were sent
    in_force: dict[OptOut, datetime]
    #: opt-out → the keyword that it comes from
    sources: dict[OptOut, str] = field(default_factory=dict)

    def account(self, text: JoinedText) -> int | None:
        """Return the account that a text belongs to; None: no account has the sender, or several do, without a clue."""
        accounts = self.owners.get(text.sender, {})
        if len(accounts) < 2:
            return next(iter(accounts), None)
        knowing = [each for each in accounts if self.words[each].has_own_keyword(text.body)]
        last = self.correspondents.get((text.phone, text.sender))
        if len(knowing) == 1:
            return knowing[0]
        return last if last in accounts else None

    def is_outdone(self, said: OptOut, at: datetime) -> bool:
        """Return whether a START that was sent after this STOP was processed before it."""
        return any(
            start.at > at
            and (start.account is None or start.account == said.account)
            and said.sender in ("", consent_numbers.sender(start.sender))
            for start in self.starts.get(said.phone, ())
        )


def _apply_keywords(rt: Runtime, conn: Connection, kept: Sequence[KeptPart]) -> None:
    texts = join(kept)
    state = _look_up(rt, conn, texts)
    before = dict(state.in_force)
    done = [each for text in texts for each in _apply_keyword(state, text)]
    opt_outs.remove(conn, before.keys() - state.in_force.keys())
    said = {each: at for each, at in state.in_force.items() if before.get(each) != at}
    opt_outs.add(conn, ((each, state.sources[each]) for each in said), said)
    done = _with_campaigns(rt, conn, state, texts, done)
    inbound.handle(conn, done)
    _count_replies(conn, done)
    inbound_events.record(conn, [each.id for each in done if each.account is not None], rt.now())


def _with_campaigns(
    rt: Runtime, conn: Connection, state: _ConsentState, texts: Sequence[JoinedText], done: Sequence[HandledInbound]
) -> list[HandledInbound]:
    """Return the results with the row of the campaign that each text answers, if any."""
    received = {text.parts[0].id: text for text in texts}
    whole = [each for each in done if each.account is not None and each.id in received]
    asked = [_received(state, received[each.id], each.account) for each in whole if each.account is not None]
    # created long before its send time, a campaign has its rows until so long after its end
    created = rt.now() - timedelta(days=rt.settings.lead_days + rt.settings.campaign_rows_days)
    found = campaign_replies.sent_rows(conn, asked, rt.now(), created)
    rows = {
        each.id: answered(sent, received[each.id].parts[-1].received_at)
        for each, sent in zip(whole, found, strict=True)
    }
    return [
        replace(each, campaign=row.campaign, campaign_line=row.line) if (row := rows.get(each.id)) else each
        for each in done
    ]


def _received(state: _ConsentState, text: JoinedText, account: int) -> ReceivedText:
    return ReceivedText(account, consent_numbers.forms(text.phone), state.owners[text.sender][account])


def _count_replies(conn: Connection, done: Sequence[HandledInbound]) -> None:
    replies = Counter(each.campaign for each in done if each.campaign)
    out = Counter(each.campaign for each in done if each.campaign and each.is_opt_out)
    campaign_replies.add(conn, {campaign: (count, out[campaign]) for campaign, count in replies.items()})


def _look_up(rt: Runtime, conn: Connection, texts: Sequence[JoinedText]) -> _ConsentState:
    found = number_owners.owners(conn, {text.sender: consent_numbers.spellings(text.sender) for text in texts})
    everyone = {account for accounts in found.values() for account in accounts}
    shared = {
        (text.phone, text.sender): {spelt for each in accounts.values() for spelt in each}
        for text in texts
        if len(accounts := found.get(text.sender, {})) > 1
    }
    since = rt.now() - timedelta(days=SINCE_DAYS)
    pairs = {(account, text.phone) for text in texts for account in found.get(text.sender, {EVERYBODY: []})}
    starts: defaultdict[str, list[Start]] = defaultdict(list)
    for start in inbound.starts(conn, (text.phone for text in texts), BELIEVED):
        starts[start.phone].append(start)
    return _ConsentState(
        owners=found,
        words=_words(keywords.of(conn, everyone), everyone),
        correspondents=number_owners.correspondents(conn, shared, since, AMONG),
        starts=starts,
        in_force=opt_outs.of(conn, pairs),
    )


def _words(known: Sequence[Keyword], accounts: set[int]) -> dict[int | None, Vocabulary]:
    common = [each for each in known if each.account is None]
    own: defaultdict[int, list[Keyword]] = defaultdict(list)
    for each in known:
        if each.account is not None:
            own[each.account].append(each)
    return {None: Vocabulary(common)} | {account: Vocabulary([*common, *own[account]]) for account in accounts}


def _apply_keyword(state: _ConsentState, text: JoinedText) -> Iterator[HandledInbound]:
    """Apply a text's keyword; yield the result for each of its parts: the first has that of the whole text."""
    account = state.account(text)
    # a text whose first part is missing has no keyword
    meaning = state.words[account].read(text.body) if text.has_start else KeywordMeaning(InboundAction.KEEP)
    whom = state.owners.get(text.sender) or {EVERYBODY: [text.sender]}
    if account is not None:
        whom = {account: whom[account]}
    named = {owner: {consent_numbers.sender(each) for each in spelt} for owner, spelt in whom.items()}
    changed = _change(state, text, named, meaning)
    action = _action(meaning, changed)
    is_out = any(_concerns(each, text, named) for each in state.in_force)
    is_replied = (changed or _asks(action, meaning, is_out)) and account is not None and _PHONE.fullmatch(text.phone)
    first = text.parts[0]
    yield HandledInbound(
        first.id,
        account,
        action,
        meaning.reply if is_replied else None,
        body=text.body if first.of else None,
        sender=whom[account][0] if account is not None else None,
        is_opt_out=changed and action is InboundAction.STOP,
    )
    for each in text.parts[1:]:
        yield HandledInbound(each.id, account, InboundAction.KEEP, joined_to=first.id)


def _action(meaning: KeywordMeaning, changed: bool) -> InboundAction:
    if meaning.action is InboundAction.START and not changed and meaning.is_answer:
        return InboundAction.KEEP  # "yes", to something else
    return meaning.action


def _asks(action: InboundAction, meaning: KeywordMeaning, is_out: bool) -> bool:
    """Return whether a text gets a reply; `is_out`: its writer has an opt-out."""
    if action is InboundAction.HELP:
        return True
    return meaning.is_registered and not (action is InboundAction.STOP or (action is InboundAction.START and is_out))


def _change(state: _ConsentState, text: JoinedText, named: dict[int, set[str]], meaning: KeywordMeaning) -> bool:
    """Add or remove opt-outs from these accounts' senders; return whether anything changed."""
    if meaning.action is InboundAction.STOP:
        said = {
            OptOut(account, text.phone, "" if meaning.is_to_all and account != EVERYBODY else sender)
            for account, senders in named.items()
            for sender in senders
            if sender  # empty: the destination of the text is not known
        }
        return _stop(state, {each for each in said if not state.is_outdone(each, text.said_at)}, text, meaning)
    if meaning.action is not InboundAction.START:
        return False
    # STOP wins over a START of the same time
    lifted = {each for each, at in state.in_force.items() if _concerns(each, text, named) and at < text.said_at}
    for each in lifted:
        del state.in_force[each]
    return bool(lifted)


def _concerns(each: OptOut, text: JoinedText, named: dict[int, set[str]]) -> bool:
    """Return whether an opt-out is of the text's writer, from the sender that the text was sent to."""
    return each.phone == text.phone and each.account in named and each.sender in ("", *named[each.account])


def _stop(state: _ConsentState, said: set[OptOut], text: JoinedText, meaning: KeywordMeaning) -> bool:
    new = said - state.in_force.keys()
    for each in said:
        state.in_force[each] = max(text.said_at, state.in_force.get(each, text.said_at))
        state.sources[each] = meaning.word
    return bool(new)
