"""Hear: keep what handsets send; do what its keywords ask: write opt-outs, take them back, answer."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from pipeline.rules.keywords import Keyword, Meaning, Vocabulary
from pipeline.rules.restraints import REPLIES
from pipeline.runtime import Connection, Runtime
from pipeline.store import ticks
from pipeline.store.consent import inbound, keywords, opt_outs
from pipeline.store.consent.inbound import Heeded, Kept, Reply
from pipeline.store.consent.opt_outs import EVERYBODY, OptOut
from schema.carriage import Inbound
from schema.order import Order, Recipient
from schema.vocabulary import InboundAction, MessageClass

#: messages one transaction heeds, and answers one call returns
PORTION = 500
#: seconds for which the first parts of a long message wait for the others
PATIENCE = 600.0
#: where several accounts share a number: how far back the one that wrote last is looked for, in days and in messages
SINCE_DAYS, AMONG = 7, 200_000

#: a text to anything else is answered by nobody
_PHONE = re.compile(r"\+[0-9]{7,15}")


def keep(rt: Runtime, messages: Sequence[Inbound]) -> int:
    """Keep messages from handsets, each once however often it comes; return how many were new."""
    with rt.begin() as conn:
        return inbound.keep(conn, rt.mint(), messages)


def answer(rt: Runtime) -> list[tuple[UUID, Order]]:
    """Heed what handsets sent, up to a portion; return the answers still to be written, each with its request's id.

    They are the same at every call until `answered` is told of them: written twice, they are one request.
    """
    with rt.begin() as conn:
        if not ticks.is_mine(conn, "hear"):
            return []
        kept = inbound.fresh(conn, PORTION, PATIENCE)
        if kept:
            _heed(rt, conn, kept)
        return [(each.id, _order(each)) for each in inbound.replies(conn, PORTION)]


def answered(rt: Runtime, requests: Sequence[UUID]) -> None:
    """Note that these answers are written."""
    if not requests:
        return
    with rt.begin() as conn:
        inbound.replied(conn, requests)


def _order(reply: Reply) -> Order:
    # all of it is ours, or was looked at when it came
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


# What they ask ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    """One message, its parts joined."""

    parts: Sequence[Kept]
    phone: str
    sender: str
    body: str


@dataclass(frozen=True, slots=True)
class _Scene:
    """What has to be known to heed texts, and what they change."""

    #: what was written to → accounts that have it as a sender, and how that is spelt there
    owners: dict[str, dict[int, str]]
    #: None: of whoever has no words of his own
    words: dict[int | None, Vocabulary]
    #: (phone, sender) → the account that wrote last
    correspondents: dict[tuple[str, str], int]
    #: opt-outs as they stand while the texts are gone through
    standing: set[OptOut]
    #: who said so
    sources: dict[OptOut, str] = field(default_factory=dict)

    def account(self, text: _Text) -> int | None:
        """Return whose text it is; None: nobody's, or nobody can tell of which of several accounts."""
        accounts = self.owners.get(text.sender, {})
        if len(accounts) < 2:
            return next(iter(accounts), None)
        knowing = [each for each in accounts if self.words[each].knows_alone(text.body)]
        last = self.correspondents.get((text.phone, text.sender))
        if len(knowing) == 1:
            return knowing[0]
        return last if last in accounts else None


def _heed(rt: Runtime, conn: Connection, kept: Sequence[Kept]) -> None:
    texts = _join(kept)
    scene = _look_up(rt, conn, texts)
    before = frozenset(scene.standing)
    done = [each for text in texts for each in _do(scene, text)]
    opt_outs.remove(conn, before - scene.standing)
    opt_outs.add(conn, ((each, scene.sources[each]) for each in scene.standing - before))
    inbound.handle(conn, done)


def _join(kept: Sequence[Kept]) -> list[_Text]:
    """Return the messages with their parts joined, in order; without those that still wait for parts of theirs."""
    groups: defaultdict[tuple[object, ...], list[Kept]] = defaultdict(list)
    for each in kept:
        alone = each.part_ref is None
        groups[(each.id,) if alone else (each.carrier, each.phone, each.sender, each.part_ref, each.of)].append(each)
    texts = []
    for members in groups.values():
        parts = {each.part: each for each in reversed(members)}
        if len(parts) < (members[0].of or 1) and not any(each.is_late for each in members):
            continue  # the portion ended between them
        body = "".join(parts[part].body for part in sorted(parts, key=lambda part: part or 0))
        texts.append(_Text(members, members[0].phone, members[0].sender, body))
    return texts


def _look_up(rt: Runtime, conn: Connection, texts: Sequence[_Text]) -> _Scene:
    owners = inbound.owners(conn, (text.sender for text in texts))
    known = keywords.of(conn, {account for accounts in owners.values() for account in accounts})
    shared = [(text.phone, text.sender) for text in texts if len(owners.get(text.sender, {})) > 1]
    since = rt.now() - timedelta(days=SINCE_DAYS)
    pairs = {(account, text.phone) for text in texts for account in owners.get(text.sender, {EVERYBODY: ""})}
    return _Scene(
        owners=owners,
        words=_words(known, {account for accounts in owners.values() for account in accounts}),
        correspondents=inbound.correspondents(conn, shared, since, AMONG),
        standing=opt_outs.of(conn, pairs),
    )


def _words(known: Sequence[Keyword], accounts: set[int]) -> dict[int | None, Vocabulary]:
    common = [each for each in known if each.account is None]
    own: defaultdict[int, list[Keyword]] = defaultdict(list)
    for each in known:
        if each.account is not None:
            own[each.account].append(each)
    return {None: Vocabulary(common)} | {account: Vocabulary([*common, *own[account]]) for account in accounts}


def _do(scene: _Scene, text: _Text) -> Iterator[Heeded]:
    """Do what a text asks; yield what was done with each of its parts, the first of which stands for them all."""
    account = scene.account(text)
    meaning = scene.words[account].read(text.body)
    whom = scene.owners.get(text.sender) or {EVERYBODY: text.sender}
    if account is not None:
        whom = {account: whom[account]}
    changed = _change(scene, text.phone, whom, meaning)
    action = meaning.action
    if action is InboundAction.START and not changed and not meaning.is_registered:
        action = InboundAction.KEEP  # "yes", to something else
    answers = changed or action is InboundAction.HELP or (meaning.is_registered and action is not InboundAction.STOP)
    reply = meaning.reply if answers and account is not None and _PHONE.fullmatch(text.phone) else None
    yield Heeded(text.parts[0].id, account, action, reply)
    for each in text.parts[1:]:
        yield Heeded(each.id, account, InboundAction.KEEP)


def _change(scene: _Scene, phone: str, whom: dict[int, str], meaning: Meaning) -> bool:
    """Write or take back opt-outs from these accounts' senders; return whether anything changed."""
    if meaning.action is InboundAction.STOP:
        said = {
            OptOut(account, phone, "" if meaning.is_to_all and account != EVERYBODY else spelt)
            for account, spelt in whom.items()
            if spelt  # nobody knows what he wrote to
        }
        changed = bool(said - scene.standing)
        scene.standing.update(said)
        scene.sources.update(dict.fromkeys(said, meaning.word))
        return changed
    if meaning.action is not InboundAction.START:
        return False
    lifted = {
        each
        for each in scene.standing
        if each.phone == phone and each.account in whom and each.sender in ("", whom[each.account])
    }
    scene.standing.difference_update(lifted)
    return bool(lifted)
