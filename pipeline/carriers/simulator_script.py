"""What a simulated carrier does with each message: scripted, seeded, and the same whenever it is asked again.

A script is a JSON object. A *fate* is a word of `Fate`, with its argument after a colon (`refuse:21`, `slow:2.5`).

    {"refuse:21": 0.02, "throttle:1": 0.05, "silent": 0.01,      share of the messages that meet this fate; the rest
                                                                 is accepted
     "numbers": {"0001": "refuse:21", "0002": "silent"},         numbers that end so meet this fate
     "receipts": {"failed:5": 0.02, "late:30": 0.01, "never": 0.01,
                  "numbers": {"0009": "failed:5"},
                  "delay": [0.05, 0.5],                          seconds from taking to reporting; or one number
                  "token": "…"},                                 sent along as `Authorization: Bearer …`
     "limit_tps": 50, "latency_ms": 20, "down": false, "seed": 7,
     "smpp": {…}}                                                what only an SMSC has; see `smsc.py`

Every key may be left out: `{}` accepts and delivers everything. Which messages meet which fate hangs on the seed, the
carrier's name and our ref alone, so two carriers with one script do not fail the same messages. Only who was told to
come again (`throttle`, `queue_full`) and does has his lot drawn anew, so that a share of them is not refused for ever.
A carrier that is down turns everything away: over HTTP with 503 and over SMPP with ESME_RSYSERR, where it lets nobody
bind either (for a port that refuses, stop the process), inside the process as if nobody listened.

A fate is the same whatever the carrier speaks; the words say what it looks like in HTTP and in SMPP. There a code is
the command_status if it is one: `refuse:0x0b`, `refuse_transient:RSUBMITFAIL`. A long message in parts is one message:
it is decided of once, a fate in which it is taken is met by the part that makes it whole, and any other by each part.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Generic, TypeVar

from pipeline.carriers import simulated_smsc
from pipeline.carriers.simulated_smsc import SimulatedSmsc
from pipeline.errors import ConfigurationError
from schema.vocabulary import ReceiptVerdict


class ScriptedOutcome(StrEnum):
    """What a simulated carrier may do with a message."""

    #: takes it and answers with an id
    ACCEPT = "accept"
    #: refuses it for good (422; ESME_RX_R_APPN); the code after the colon
    REFUSE = "refuse"
    #: refuses it for now (503 with a body that says so; ESME_RSYSERR); the code after the colon
    REFUSE_TRANSIENT = "refuse_transient"
    #: refuses it for now, too many (429; ESME_RTHROTTLED); the whole seconds to wait after the colon
    THROTTLE = "throttle"
    #: refuses it for now, its queue is full (503; ESME_RMSGQFUL)
    QUEUE_FULL = "queue_full"
    #: does not take it and says that it does not understand (405; generic_nack)
    NACK = "nack"
    #: does not take it; something in between answers without meaning (502; generic_nack of status 0)
    BAD_GATEWAY = "bad_gateway"
    #: takes it; something in between answers without meaning (504; generic_nack of status 0)
    GATEWAY_TIMEOUT = "gateway_timeout"
    #: takes it and never answers
    SILENT = "silent"
    #: takes it and never reads another byte of that connection, nor writes one
    HALF_OPEN = "half_open"
    #: takes it and closes in good order, without an answer (SMPP: unbind) to it or to what else is open
    HANG_UP = "hang_up"
    #: takes it and resets the connection
    RESET = "reset"
    #: reads it, does not take it and resets the connection
    DROP = "drop"
    #: takes it and answers with what nobody can read
    GARBAGE = "garbage"
    #: takes it and answers after the seconds behind the colon
    SLOW = "slow"
    #: takes it and answers so many bytes a second as the colon says, and all later answers of that connection behind it
    TRICKLE = "trickle"


class ReportPlan(StrEnum):
    """What a simulated carrier may report of a message it took."""

    DELIVERED = "delivered"
    #: the code after the colon
    FAILED = "failed"
    #: delivered, the seconds behind the colon later than usual
    LATE = "late"
    #: delivered, reported as often as the number behind the colon says
    DUPLICATE = "duplicate"
    #: delivered, and the earlier `pending` is reported after it
    OUT_OF_ORDER = "out_of_order"
    #: delivered, and a report about a message that nobody handed in comes before it
    UNAUTHENTICATED = "stranger"
    #: nothing is ever reported
    NEVER = "never"


#: the fates in which the carrier has the message, whatever it answers
TAKEN = frozenset(
    {
        ScriptedOutcome.ACCEPT,
        ScriptedOutcome.GATEWAY_TIMEOUT,
        ScriptedOutcome.SILENT,
        ScriptedOutcome.HALF_OPEN,
        ScriptedOutcome.HANG_UP,
        ScriptedOutcome.RESET,
        ScriptedOutcome.GARBAGE,
        ScriptedOutcome.SLOW,
        ScriptedOutcome.TRICKLE,
    }
)
#: the fates that say: come again
WAITS = frozenset({ScriptedOutcome.THROTTLE, ScriptedOutcome.QUEUE_FULL})
#: the argument of a word that came without one
USUAL = {
    ScriptedOutcome.REFUSE: "rejected",
    ScriptedOutcome.REFUSE_TRANSIENT: "busy",
    ScriptedOutcome.THROTTLE: "1",
    ScriptedOutcome.SLOW: "1",
    ScriptedOutcome.TRICKLE: "1",
    ReportPlan.FAILED: "undelivered",
    ReportPlan.LATE: "5",
    ReportPlan.DUPLICATE: "2",
}
#: words whose argument is a number
_NUMBERS = frozenset(
    {ScriptedOutcome.THROTTLE, ScriptedOutcome.SLOW, ScriptedOutcome.TRICKLE, ReportPlan.LATE, ReportPlan.DUPLICATE}
)
#: seconds between two reports of one message
_GAP = 0.05

Word = TypeVar("Word", ScriptedOutcome, ReportPlan)


@dataclass(frozen=True, slots=True)
class ScriptStep(Generic[Word]):
    """One word with its argument: `refuse:21`."""

    word: Word
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.word}:{self.argument}" if self.argument else str(self.word)


@dataclass(frozen=True, slots=True)
class Chances(Generic[Word]):
    """Which turn a message takes: by its number's last digits, else by its share, else the usual one."""

    usual: ScriptStep[Word]
    #: turns, each with the upper end of its share of 0…1
    shares: tuple[tuple[float, ScriptStep[Word]], ...]
    numbers: Mapping[str, ScriptStep[Word]]
    #: what makes this carrier's draw its own
    key: bytes

    def draw(self, ref: str, to: str) -> ScriptStep[Word]:
        """Return the turn of the message with our reference `ref` to the number `to`."""
        for ending, turn in self.numbers.items():
            if to.endswith(ending):
                return turn
        if self.shares:
            lot = int.from_bytes(blake2b(ref.encode(), digest_size=7, key=self.key).digest(), "big") / 2**56
            for upper, turn in self.shares:
                if lot < upper:
                    return turn
        return self.usual


@dataclass(frozen=True, slots=True)
class Script:
    """Everything a simulated carrier has to know of its part."""

    fates: Chances[ScriptedOutcome]
    courses: Chances[ReportPlan]
    #: seconds from taking a message to its report: not less and not more
    delay: tuple[float, float] = (0.1, 0.1)
    #: sent with each report, to prove whose it is
    token: str = ""
    #: messages a second beyond which it answers 429; None: no limit
    limit_tps: float | None = None
    #: seconds before each answer
    latency: float = 0
    #: whether it turns everything away
    down: bool = False
    #: what it is as an SMSC
    smpp: SimulatedSmsc = field(default_factory=SimulatedSmsc)


@dataclass(frozen=True, slots=True)
class Report:
    """One delivery report to come."""

    #: seconds after the message was taken
    after: float
    #: the moment it speaks of, in the same seconds
    happened: float
    status: ReceiptVerdict
    code: str | None = None
    #: it is about a message that nobody handed in
    unauthenticated: bool = False


def scripted_outcome(script: Script, ref: str, to: str, waited: int = 0) -> ScriptStep[ScriptedOutcome]:
    """Return what becomes of a message: always the same for the same script, reference and number.

    `waited` is how often it was told to come again before.
    """
    return script.fates.draw(f"{ref}/{waited}" if waited else ref, to)


def reports(script: Script, ref: str, to: str) -> list[Report]:
    """Return what will be reported of a message that was taken, in the order of reporting."""
    turn = script.courses.draw(ref, to)
    low, high = script.delay
    after = low + (high - low) * int.from_bytes(blake2b(ref.encode(), digest_size=2).digest(), "big") / 2**16
    delivered = Report(after, after, ReceiptVerdict.DELIVERED)
    match turn.word:
        case ReportPlan.DELIVERED:
            return [delivered]
        case ReportPlan.FAILED:
            return [Report(after, after, ReceiptVerdict.FAILED, turn.argument)]
        case ReportPlan.LATE:
            late = after + float(turn.argument)
            return [Report(late, late, ReceiptVerdict.DELIVERED)]
        case ReportPlan.DUPLICATE:
            return [Report(after + n * _GAP, after, ReceiptVerdict.DELIVERED) for n in range(int(float(turn.argument)))]
        case ReportPlan.OUT_OF_ORDER:
            return [delivered, Report(after + _GAP, 0, ReceiptVerdict.PENDING)]
        case ReportPlan.UNAUTHENTICATED:
            return [Report(after, after, ReceiptVerdict.DELIVERED, unauthenticated=True), delivered]
        case ReportPlan.NEVER:
            return []


def read(carrier: str, given: Mapping[str, object]) -> Script:
    """Read a carrier's script from JSON; ConfigurationError names the key that does not fit."""
    rest = dict(given)
    seed = rest.pop("seed", 0)
    if not isinstance(seed, int | str):
        raise _unfit(carrier, "seed", "must be a number or a word")
    receipts = _mapping(carrier, "receipts", rest.pop("receipts", {}))
    limit = rest.pop("limit_tps", None)
    smpp = _mapping(carrier, "smpp", rest.pop("smpp", {}))
    down = rest.pop("down", False)
    if not isinstance(down, bool):
        raise _unfit(carrier, "down", "must be true or false")
    token = receipts.pop("token", "")
    if not isinstance(token, str) or not token.isprintable():
        raise _unfit(carrier, "receipts.token", "must be printable text")
    return Script(
        delay=_delay(carrier, receipts.pop("delay", 0.1)),
        token=token,
        limit_tps=None if limit is None else _number(carrier, "limit_tps", limit, above=0),
        latency=_number(carrier, "latency_ms", rest.pop("latency_ms", 0)) / 1000,
        down=down,
        smpp=simulated_smsc.read(carrier, smpp),
        fates=_chances(carrier, "", ScriptStep(ScriptedOutcome.ACCEPT), rest, f"{seed}/{carrier}"),
        courses=_chances(
            carrier, "receipts.", ScriptStep(ReportPlan.DELIVERED), receipts, f"{seed}/{carrier}/receipts"
        ),
    )


def _chances(carrier: str, path: str, usual: ScriptStep[Word], given: dict[str, object], seed: str) -> Chances[Word]:
    words = type(usual.word)
    numbers = _mapping(carrier, f"{path}numbers", given.pop("numbers", {}))
    for ending, spelt in numbers.items():
        if not ending.isdecimal() or not isinstance(spelt, str):
            raise _unfit(carrier, f"{path}numbers.{ending}", "must be a number's last digits and what becomes of them")
    shares = []
    upper = 0.0
    for spelt, share in given.items():
        upper += _number(carrier, f"{path}{spelt}", share)
        shares.append((upper, _turn(carrier, f"{path}{spelt}", words, spelt)))
    if upper > 1 + 1e-9:
        raise _unfit(carrier, f"{path}rates", f"add up to {upper:g}, more than 1")
    longest_first = sorted(numbers, key=len, reverse=True)
    return Chances(
        usual=usual,
        shares=tuple(shares),
        numbers={n: _turn(carrier, f"{path}numbers.{n}", words, str(numbers[n])) for n in longest_first},
        key=blake2b(seed.encode(), digest_size=16).digest(),
    )


def _turn(carrier: str, key: str, words: type[Word], spelt: str) -> ScriptStep[Word]:
    name, _, argument = spelt.partition(":")
    if name not in {word.value for word in words}:
        raise _unfit(carrier, key, f"must be one of {', '.join(words)}")
    word = words(name)
    if argument and word not in USUAL:
        raise _unfit(carrier, key, "takes no argument")
    argument = argument or USUAL.get(word, "")
    if word in _NUMBERS:
        _number(carrier, key, _parsed(argument))
    return ScriptStep(word, argument)


def _parsed(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _delay(carrier: str, given: object) -> tuple[float, float]:
    ends = given if isinstance(given, list) else [given, given]
    if len(ends) != 2:
        raise _unfit(carrier, "receipts.delay", "must be seconds, or the least and the most of them")
    low, high = (_number(carrier, "receipts.delay", end) for end in ends)
    return low, max(low, high)


def _mapping(carrier: str, key: str, given: object) -> dict[str, object]:
    if not isinstance(given, Mapping):
        raise _unfit(carrier, key, "must be an object")
    return {str(name): value for name, value in given.items()}


def _number(carrier: str, key: str, given: object, above: float = -1) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise _unfit(carrier, key, "must be a number")
    if given < 0 or given <= above:
        raise _unfit(carrier, key, "is too small")
    return float(given)


def _unfit(carrier: str, key: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"carrier {carrier}: script: {key} {why}")
