"""Quotes: what an order or a campaign would cost, and which texts and recipients it depends on."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.rules.batching import PackedBatch
from pipeline.rules.text import gsm7
from pipeline.rules.text.respelling import respell
from pipeline.rules.text.segments import measure
from schema.message import Charge, Refusal
from schema.vocabulary import Encoding

#: foreign characters that are listed, and lines that are given for each refusal
MOST_CHARACTERS, MOST_LINES = 20, 5


@dataclass(slots=True)
class Tally:
    """Messages of one kind and what they cost."""

    messages: int = 0
    segments: int = 0
    #: minor units of the account's currency
    amount: int = 0
    #: segments of the month's quota
    quota: int = 0

    def add(self, charge: Charge) -> None:
        """Count a message that can be charged."""
        self.messages += 1
        self.segments += charge.measure.segments
        self.amount += charge.amount
        self.quota += charge.quota


@dataclass(slots=True)
class RefusedRecipients:
    """Recipients that would be refused for one reason."""

    messages: int = 0
    #: lines of the first ones
    lines: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        """Count a recipient."""
        self.messages += 1
        if len(self.lines) < MOST_LINES:
            self.lines.append(line)


@dataclass(slots=True)
class ForeignCharacter:
    """A character outside GSM-7, because of which texts are sent as UCS-2."""

    messages: int = 0
    #: line of the first one
    line: int = 0


@dataclass(slots=True)
class CarrierCost:
    """What carriers charge, as far as the costs of their routes are known."""

    #: currency → millionths of it
    amounts: dict[str, int] = field(default_factory=dict)
    #: segments that go by routes without a known cost
    unknown: int = 0

    def add(self, segments: int, cost: tuple[int, str] | None) -> None:
        """Count the segments of a message; `cost`: millionths of a currency for each of them, None: not known."""
        if cost is None:
            self.unknown += segments
        else:
            amount, currency = cost
            self.amounts[currency] = self.amounts.get(currency, 0) + amount * segments


@dataclass(slots=True)
class SameRecipients:
    """An earlier campaign that went to the same recipients."""

    name: str
    #: when it was started, ISO 8601
    at: str
    #: share of a sample of this campaign's numbers that got it; 1 where its recipients are the same file
    share: float
    #: numbers in the sample; 0: its recipients are the same file
    sample: int


@dataclass(slots=True)
class Quote:
    """The sum of what is added; all counts are of messages that would be accepted, but for `refused`."""

    total: Tally = field(default_factory=Tally)
    by_country: dict[str, Tally] = field(default_factory=dict)
    by_encoding: dict[str, Tally] = field(default_factory=dict)
    by_carrier: dict[str, Tally] = field(default_factory=dict)
    #: by `Code` or `RowVerdict`
    refused: dict[str, RefusedRecipients] = field(default_factory=dict)
    #: at most `MOST_CHARACTERS`
    foreign: dict[str, ForeignCharacter] = field(default_factory=dict)
    #: segments fewer if those texts were respelled that it makes shorter (`rules/text/respelling.py`)
    saved_by_respelling: int = 0
    #: messages put off to the end of their recipients' quiet hours
    deferred: int = 0
    #: recipients whose number an earlier line has, where they get the message more than once
    repeated: RefusedRecipients = field(default_factory=RefusedRecipients)
    carrier_cost: CarrierCost = field(default_factory=CarrierCost)
    #: minor units that the account may spend: its balance and its credit limit
    money: int = 0
    #: seconds that it takes at the limits of carriers and campaign; None: nothing is limited
    seconds: float | None = None
    earlier: list[SameRecipients] = field(default_factory=list)

    @property
    def lacking(self) -> int:
        """Return by how many minor units the money falls short of the cost; 0: it suffices."""
        return max(0, self.total.amount - self.money)

    @property
    def skipped(self) -> int:
        """Return the number of recipients that are refused."""
        return sum(each.messages for each in self.refused.values())

    def add(self, loads: Iterable[PackedBatch], charges: Iterable[Sequence[Charge]], lines: Sequence[int]) -> None:
        """Add packed messages with their charges; `lines`: of their order's recipients, in order."""
        for load, own in zip(loads, charges, strict=True):
            for (_, draft), charge in zip(load.members, own, strict=True):
                line = lines[draft.index]
                if charge.refusal:
                    self.refused.setdefault(charge.refusal, RefusedRecipients()).add(line)
                    continue
                self._count(load.batch.carrier, draft.country, charge)
                if charge.measure.encoding is Encoding.UCS2:
                    self._count_foreign(draft.body, charge, line)
                self.deferred += draft.due_at is not None

    def refuse(self, refusals: Iterable[Refusal], lines: Sequence[int]) -> None:
        """Add refused recipients."""
        for each in refusals:
            if each.index is not None:
                self.refused.setdefault(each.code, RefusedRecipients()).add(lines[each.index])

    def set_seconds(
        self, rate_limits: Mapping[str, float], per_hour: int | None, segments_per_second: float | None
    ) -> None:
        """Set how long it takes at least: by the slowest carrier's limit, and by the campaign's own two.

        `rate_limits`: segments per second of the carriers that have a limit.
        """
        taken = [
            sent.segments / rate_limits[carrier] for carrier, sent in self.by_carrier.items() if carrier in rate_limits
        ]
        if per_hour:
            taken.append(3600 * self.total.messages / per_hour)
        if segments_per_second:
            taken.append(self.total.segments / segments_per_second)
        self.seconds = max(taken, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the quote as JSON stores it; `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Quote":
        """Return the quote that was stored, which stays as it is when the quote grows."""
        stored = deepcopy(dict(stored))
        return cls(
            **{
                **stored,
                "total": Tally(**stored["total"]),
                **{name: _each(Tally, stored[name]) for name in ("by_country", "by_encoding", "by_carrier")},
                "refused": _each(RefusedRecipients, stored["refused"]),
                "foreign": _each(ForeignCharacter, stored["foreign"]),
                "repeated": RefusedRecipients(**stored["repeated"]),
                "carrier_cost": CarrierCost(**stored["carrier_cost"]),
                "earlier": [SameRecipients(**each) for each in stored["earlier"]],
            }
        )

    def _count(self, carrier: str, country: str, charge: Charge) -> None:
        self.total.add(charge)
        self.by_country.setdefault(country, Tally()).add(charge)
        self.by_encoding.setdefault(charge.measure.encoding, Tally()).add(charge)
        self.by_carrier.setdefault(carrier, Tally()).add(charge)

    def _count_foreign(self, body: str, charge: Charge, line: int) -> None:
        for char in gsm7.foreign(body):
            if char in self.foreign or len(self.foreign) < MOST_CHARACTERS:
                self.foreign.setdefault(char, ForeignCharacter(line=line)).messages += 1
        [respelt] = measure([respell(body)])
        self.saved_by_respelling += max(0, charge.measure.segments - respelt.segments)


def _each(kind: type[Any], stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: kind(**each) for name, each in stored.items()}
