"""Which conditions of an installation need a person, and what that person can do.

What mends itself needs nobody: an open breaker, a carrier's lost bind, a paused campaign that somebody paused. The
messages that wait because of it do, when they wait too long.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.rules.campaigns.alerts import is_alert
from pipeline.rules.money.carrier_balances import LOW_BALANCE
from schema.concern import Concern
from schema.message_class import MessageClass
from schema.vocabulary import CampaignState, DeadLetterSource, PauseCause

#: time without a tick of the clock after which it does not tick
SILENCE = timedelta(seconds=30)
#: time for which due messages may wait for a carrier
LATE: Mapping[MessageClass, timedelta] = {
    MessageClass.OTP: timedelta(minutes=1),
    MessageClass.TRANSACTIONAL: timedelta(minutes=5),
    MessageClass.BULK: timedelta(minutes=30),
}


@dataclass(frozen=True, slots=True)
class BrokerView:
    """What is known of the broker."""

    #: whether it answers
    is_up: bool
    #: queue → tasks in it
    depths: Mapping[str, int] = field(default_factory=dict)
    #: name → workers of that name that answer, on any host; 0 for one that should run
    workers: Mapping[str, int] = field(default_factory=dict)
    #: list that no worker reads → orders in it
    unread: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DueWork:
    """Due messages of one class for one carrier."""

    message_class: MessageClass
    carrier: str
    messages: int
    #: when the oldest of them was due
    oldest: datetime


@dataclass(frozen=True, slots=True)
class DrainedCarrier:
    """A carrier that is given no messages."""

    name: str
    #: why; None: a person drained it, and gave no reason
    reason: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class HeldWork:
    """Messages that no carrier may be given, by the carrier that they were for."""

    carrier: str
    messages: int


@dataclass(frozen=True, slots=True)
class KeptLetters:
    """Dead letters of one source that nobody has dropped."""

    source: DeadLetterSource
    letters: int
    #: when the oldest of them came
    oldest: datetime


@dataclass(frozen=True, slots=True)
class StoppedCampaign:
    """A campaign that is paused, or whose check failed."""

    id: UUID
    name: str
    account: str
    state: CampaignState
    #: what paused it
    cause: PauseCause | None
    reason: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class InstallationState:
    """The state of an installation at one moment, as far as it may need a person."""

    at: datetime
    broker: BrokerView
    #: whether the Valkey of the heartbeat answers
    is_valkey_up: bool
    #: when the clock ticked last; None: never since Valkey started
    ticked_at: datetime | None
    due: Sequence[DueWork] = ()
    drained: Sequence[DrainedCarrier] = ()
    held: Sequence[HeldWork] = ()
    letters: Sequence[KeptLetters] = ()
    campaigns: Sequence[StoppedCampaign] = ()


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """A condition that needs a person."""

    concern: Concern
    #: what it is about, such as a carrier's name
    subject: str
    #: in words, without the subject
    words: str
    #: None: that is not known
    since: datetime | None
    #: how much: messages, letters; None: it is no quantity
    count: int | None
    #: what to do
    action: str


def needs_person(found: InstallationState) -> list[AttentionItem]:
    """Return what needs a person, the most urgent first."""
    parts = (_processes, _messages, _carriers, _campaigns, _letters)
    return [item for part in parts for item in part(found)]


def _processes(found: InstallationState) -> Iterator[AttentionItem]:
    if not found.broker.is_up:
        action = "start it; messages are accepted meanwhile, and none is sent"
        yield AttentionItem(Concern.BROKER_AWAY, "the broker", "does not answer", None, None, action)
    if found.is_valkey_up and (found.ticked_at is None or found.at - found.ticked_at > SILENCE):
        words = "does not tick: nothing is promoted, settled or swept"
        action = "run `beat` and `clock` of the Procfile; `postroad health beat` and `clock` on their host"
        yield AttentionItem(Concern.CLOCK_STOPPED, "the clock", words, found.ticked_at, None, action)
    for name, count in found.broker.workers.items():
        if not count:
            action = "start it, or look at its log; `postroad health` on its host"
            yield AttentionItem(Concern.WORKER_GONE, f"worker {name}", "does not answer", None, None, action)


def _messages(found: InstallationState) -> Iterator[AttentionItem]:
    for each in sorted(found.due, key=lambda due: due.oldest):
        if found.at - each.oldest > LATE[each.message_class]:
            words = f"{each.message_class} messages are due and not sent"
            action = f"`postroad carrier status {each.carrier}`: its rate limit, breaker and binds; the workers"
            yield AttentionItem(
                Concern.MESSAGES_LATE, f"carrier {each.carrier}", words, each.oldest, each.messages, action
            )
    for held in found.held:
        words = "messages wait because no carrier on their route may be given any"
        action = "`postroad carrier status` and `postroad route list`: resume a carrier, or add one to the route"
        yield AttentionItem(Concern.NO_CARRIER, f"carrier {held.carrier}", words, None, held.messages, action)


def _carriers(found: InstallationState) -> Iterator[AttentionItem]:
    for each in found.drained:
        if each.reason == LOW_BALANCE:
            action = "top up its account; it is resumed by itself"
            yield AttentionItem(
                Concern.CARRIER_UNPAID,
                f"carrier {each.name}",
                "is drained: its balance is low",
                each.since,
                None,
                action,
            )


def _campaigns(found: InstallationState) -> Iterator[AttentionItem]:
    for each in found.campaigns:
        if is_alert(each.state, each.cause):
            words = f"of {each.account} is {each.state}" + (f": {each.reason}" if each.reason else "")
            action = f"`postroad campaign status {each.id}` tells why; mend it and go on, or abort it"
            yield AttentionItem(Concern.CAMPAIGN_STOPPED, f"campaign {each.name}", words, each.since, None, action)


#: where dead letters are looked at
_LISTS = {
    DeadLetterSource.BROKER: "postroad broker dead",
    DeadLetterSource.RECEIPT: "postroad carrier dead",
    DeadLetterSource.SMPP: "postroad carrier dead",
}


def _letters(found: InstallationState) -> Iterator[AttentionItem]:
    for each in found.letters:
        command = _LISTS[each.source]
        action = f"`{command} list` and `show` tell why; then `{command} drop`"
        yield AttentionItem(
            Concern.DEAD_LETTERS, f"{each.source} dead letters", "are kept", each.oldest, each.letters, action
        )
    for name, orders in found.broker.unread.items():
        action = "their producer does not follow docs/producers.md"
        yield AttentionItem(Concern.ORDERS_UNREAD, f"list {name}", "is read by no worker", None, orders, action)
