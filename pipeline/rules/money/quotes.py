"""Quotes: what an order or a file of recipients would cost, and which texts and recipients it depends on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.rules.batching import PackedBatch
from pipeline.rules.text import gsm7
from pipeline.rules.text.respelling import respell
from pipeline.rules.text.segments import measure
from schema.message import Charge, Refusal
from schema.vocabulary import Code, Encoding

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
class Quote:
    """The sum of what is added; all counts are of messages that would be accepted, but for `refused`."""

    total: Tally = field(default_factory=Tally)
    by_country: dict[str, Tally] = field(default_factory=dict)
    by_encoding: dict[Encoding, Tally] = field(default_factory=dict)
    by_carrier: dict[str, Tally] = field(default_factory=dict)
    refused: dict[Code, RefusedRecipients] = field(default_factory=dict)
    #: at most `MOST_CHARACTERS`
    foreign: dict[str, ForeignCharacter] = field(default_factory=dict)
    #: segments fewer if those texts were respelled that it makes shorter (`rules/text/respelling.py`)
    saved_by_respelling: int = 0
    #: messages put off to the end of their recipients' quiet hours
    deferred: int = 0
    #: recipients whose number an earlier line has
    repeated: RefusedRecipients = field(default_factory=RefusedRecipients)
    _numbers: set[int] = field(default_factory=set)

    def add(self, loads: Iterable[PackedBatch], charges: Iterable[Sequence[Charge]], lines: Sequence[int]) -> None:
        """Add packed messages with their charges; `lines`: of their order's recipients, in order."""
        for load, own in zip(loads, charges, strict=True):
            for (_, draft), charge in zip(load.members, own, strict=True):
                self._count(load.batch.carrier, draft.phone, draft.country, charge, lines[draft.index])
                if charge.measure.encoding is Encoding.UCS2 and charge.refusal is None:
                    self._count_foreign(draft.body, charge, lines[draft.index])
                self.deferred += draft.due_at is not None and charge.refusal is None

    def refuse(self, refusals: Iterable[Refusal], lines: Sequence[int]) -> None:
        """Add refused recipients."""
        for each in refusals:
            if each.index is not None:
                self.refused.setdefault(each.code, RefusedRecipients()).add(lines[each.index])

    def _count(self, carrier: str, phone: str, country: str, charge: Charge, line: int) -> None:
        if charge.refusal:
            self.refused.setdefault(charge.refusal, RefusedRecipients()).add(line)
            return
        self.total.add(charge)
        self.by_country.setdefault(country, Tally()).add(charge)
        self.by_encoding.setdefault(charge.measure.encoding, Tally()).add(charge)
        self.by_carrier.setdefault(carrier, Tally()).add(charge)
        number = int(phone)
        if number in self._numbers:
            self.repeated.add(line)
        self._numbers.add(number)

    def _count_foreign(self, body: str, charge: Charge, line: int) -> None:
        for char in gsm7.foreign(body):
            if char in self.foreign or len(self.foreign) < MOST_CHARACTERS:
                self.foreign.setdefault(char, ForeignCharacter(line=line)).messages += 1
        [respelt] = measure([respell(body)])
        self.saved_by_respelling += max(0, charge.measure.segments - respelt.segments)
