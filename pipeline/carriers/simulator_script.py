"""The script of a simulated carrier: what it does with each message, seeded and reproducible.

A script is a JSON object. An *outcome* is a word of `ScriptedOutcome`, with its argument after a colon (`refuse:21`).

    {"refuse:21": 0.02, "throttle:1": 0.05, "silent": 0.01,      share of the messages with this outcome; the rest
                                                                 is accepted
     "numbers": {"0001": "refuse:21", "0002": "silent"},         outcome of numbers with these last digits
     "receipts": {"failed:5": 0.02, "late:30": 0.01, "never": 0.01,
                  "numbers": {"0009": "failed:5"},
                  "delay": [0.05, 0.5],                          seconds from accepting to reporting; or one number
                  "token": "…"},                                 sent as `Authorization: Bearer …`
     "limit_tps": 50, "latency_ms": 20, "down": false, "seed": 7,
     "smpp": {…}}                                                options of an SMSC; see `simulated_smsc.py`

Every key is optional: `{}` accepts and delivers everything. A message's outcome depends only on the seed, the
carrier's name and our ref, so two carriers with one script do not fail the same messages. A message that was
throttled (`throttle`, `queue_full`) and is submitted again is drawn anew, so that none is throttled for ever.
A carrier that is down refuses everything: over HTTP with 503, over SMPP with ESME_RSYSERR to submits and
binds (for a refused port, stop the process), in-process as if the port were closed.

Outcomes are the same over HTTP and SMPP; their members say what they look like in each. In SMPP a code is
the command_status if it is one: `refuse:0x0b`, `refuse_transient:RSUBMITFAIL`. A long message in parts is one message:
it is decided once; an outcome that accepts it applies to the part that completes it, any other to each part.
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

    #: accepts it and returns an id
    ACCEPT = "accept"
    #: refuses it permanently (422; ESME_RX_R_APPN); code after the colon
    REFUSE = "refuse"
    #: refuses it transiently (503 with an error body; ESME_RSYSERR); code after the colon
    REFUSE_TRANSIENT = "refuse_transient"
    #: throttles it (429; ESME_RTHROTTLED); whole seconds to wait after the colon
    THROTTLE = "throttle"
    #: refuses it transiently, its queue is full (503; ESME_RMSGQFUL)
    QUEUE_FULL = "queue_full"
    #: refuses it as not understood (405; generic_nack)
    NACK = "nack"
    #: does not accept it; an intermediary responds with an error (502; generic_nack of status 0)
    BAD_GATEWAY = "bad_gateway"
    #: accepts it; an intermediary responds with an error (504; generic_nack of status 0)
    GATEWAY_TIMEOUT = "gateway_timeout"
    #: accepts it and never responds
    SILENT = "silent"
    #: accepts it and never reads or writes another byte on that connection
    HALF_OPEN = "half_open"
    #: accepts it and closes the connection in order, without a response (SMPP: unbind) to it or other open requests
    HANG_UP = "hang_up"
    #: accepts it and resets the connection
    RESET = "reset"
    #: reads it, does not accept it and resets the connection
    DROP = "drop"
    #: accepts it and sends an unreadable response
    GARBAGE = "garbage"
    #: accepts it and responds after the seconds after the colon
    SLOW = "slow"
    #: accepts it and sends its response, and later ones of that connection, at the bytes a second after the colon
    TRICKLE = "trickle"


class ReportPlan(StrEnum):
    """What receipts a simulated carrier may send for an accepted message."""

    DELIVERED = "delivered"
    #: code after the colon
    FAILED = "failed"
    #: delivered, later than usual by the seconds after the colon
    LATE = "late"
    #: delivered, repeated as often as the number after the colon
    DUPLICATE = "duplicate"
    #: delivered, followed by the earlier `pending`
    OUT_OF_ORDER = "out_of_order"
    #: delivered, preceded by a receipt for a message that was never submitted
    UNAUTHENTICATED = "stranger"
    #: no receipt
    NEVER = "never"


#: outcomes in which the carrier has the message, whatever it responds
ACCEPTED = frozenset(
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
#: outcomes that ask for a retry
WAITS = frozenset({ScriptedOutcome.THROTTLE, ScriptedOutcome.QUEUE_FULL})
#: default arguments
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
#: seconds between two receipts for one message
_GAP = 0.05

Word = TypeVar("Word", ScriptedOutcome, ReportPlan)


@dataclass(frozen=True, slots=True)
class ScriptStep(Generic[Word]):
    """A word with its argument: `refuse:21`."""

    word: Word
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.word}:{self.argument}" if self.argument else str(self.word)


@dataclass(frozen=True, slots=True)
class Chances(Generic[Word]):
    """The step of each message: by its number's last digits, else by its share, else the default."""

    usual: ScriptStep[Word]
    #: steps, each with the upper end of its share of 0…1
    shares: tuple[tuple[float, ScriptStep[Word]], ...]
    numbers: Mapping[str, ScriptStep[Word]]
    #: key of this carrier's draws
    key: bytes

    def draw(self, ref: str, to: str) -> ScriptStep[Word]:
        """Return the step of the message with our reference `ref` to the number `to`."""
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
    """The parsed script of a simulated carrier."""

    outcomes: Chances[ScriptedOutcome]
    report_plans: Chances[ReportPlan]
    #: seconds from accepting a message to its receipt: minimum and maximum
    delay: tuple[float, float] = (0.1, 0.1)
    #: sent with each receipt, for authentication
    token: str = ""
    #: messages a second beyond which it throttles; None: no limit
    limit_tps: float | None = None
    #: seconds before each response
    latency: float = 0
    #: whether it refuses everything
    down: bool = False
    #: its options as an SMSC
    smpp: SimulatedSmsc = field(default_factory=SimulatedSmsc)


@dataclass(frozen=True, slots=True)
class Report:
    """One receipt to be sent."""

    #: seconds after the message was accepted
    after: float
    #: time of the event it reports, in the same seconds
    happened: float
    status: ReceiptVerdict
    code: str | None = None
    #: it is for a message that was never submitted
    of_unknown_message: bool = False


def scripted_outcome(script: Script, ref: str, to: str, waited: int = 0) -> ScriptStep[ScriptedOutcome]:
    """Return the outcome of a message: always the same for the same script, reference and number.

    `waited`: how often it was throttled before.
    """
    return script.outcomes.draw(f"{ref}/{waited}" if waited else ref, to)


def reports(script: Script, ref: str, to: str) -> list[Report]:
    """Return the receipts of an accepted message, in the order they are sent."""
    turn = script.report_plans.draw(ref, to)
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
            return [Report(after, after, ReceiptVerdict.DELIVERED, of_unknown_message=True), delivered]
        case ReportPlan.NEVER:
            return []


def read(carrier: str, given: Mapping[str, object]) -> Script:
    """Parse a carrier's script; ConfigurationError names the invalid key."""
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
        outcomes=_chances(carrier, "", ScriptStep(ScriptedOutcome.ACCEPT), rest, f"{seed}/{carrier}"),
        report_plans=_chances(
            carrier, "receipts.", ScriptStep(ReportPlan.DELIVERED), receipts, f"{seed}/{carrier}/receipts"
        ),
    )


def _chances(carrier: str, path: str, usual: ScriptStep[Word], given: dict[str, object], seed: str) -> Chances[Word]:
    words = type(usual.word)
    numbers = _mapping(carrier, f"{path}numbers", given.pop("numbers", {}))
    for ending, spelt in numbers.items():
        if not ending.isdecimal() or not isinstance(spelt, str):
            raise _unfit(carrier, f"{path}numbers.{ending}", "must be a number's last digits and an outcome")
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
        raise _unfit(carrier, "receipts.delay", "must be seconds, or their minimum and maximum")
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
