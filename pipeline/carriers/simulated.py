"""In-process simulated carrier: plays a script without a network, for test messages and benchmarks.

Settings: `script` (see `simulator_script.py`), `log` (path of the oracle's log; default none), `fsync` (false).
It waits for `latency_ms` and for `slow` once a portion, as if all messages were submitted at once; it never waits for
a timeout, and it posts no receipts.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.carriers.contract import CarrierKind, needs_no_dlt
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.simulator_log import Oracle, OracleLog
from pipeline.carriers.simulator_script import ScriptedOutcome, read
from schema.carriage import Attempt, Parcel
from schema.vocabulary import Outcome, Placement, UnknownAbility

#: attempt outcome and code of each scripted outcome, as over the network; None: the word's own argument
OUTCOMES: dict[ScriptedOutcome, tuple[Outcome, str | None]] = {
    ScriptedOutcome.ACCEPT: (Outcome.ACCEPTED, None),
    ScriptedOutcome.SLOW: (Outcome.ACCEPTED, None),
    ScriptedOutcome.REFUSE: (Outcome.REFUSED_PERMANENT, None),
    ScriptedOutcome.REFUSE_TRANSIENT: (Outcome.REFUSED_TRANSIENT, None),
    ScriptedOutcome.THROTTLE: (Outcome.REFUSED_TRANSIENT, "throttled"),
    ScriptedOutcome.QUEUE_FULL: (Outcome.REFUSED_TRANSIENT, "queue_full"),
    ScriptedOutcome.NACK: (Outcome.REFUSED_TRANSIENT, "nack"),
    ScriptedOutcome.BAD_GATEWAY: (Outcome.UNKNOWN, "http_502"),
    ScriptedOutcome.GATEWAY_TIMEOUT: (Outcome.UNKNOWN, "http_504"),
    ScriptedOutcome.SILENT: (Outcome.UNKNOWN, "timeout"),
    ScriptedOutcome.HALF_OPEN: (Outcome.UNKNOWN, "timeout"),
    ScriptedOutcome.TRICKLE: (Outcome.UNKNOWN, "timeout"),
    ScriptedOutcome.HANG_UP: (Outcome.UNKNOWN, "closed"),
    ScriptedOutcome.RESET: (Outcome.UNKNOWN, "reset"),
    ScriptedOutcome.DROP: (Outcome.UNKNOWN, "reset"),
    ScriptedOutcome.GARBAGE: (Outcome.UNKNOWN, "unreadable"),
}


class Simulated:
    """A carrier that decides its outcomes itself."""

    def __init__(self, name: str, settings: Mapping[str, object]) -> None:
        options = SettingReader(name, settings)
        script = read(name, options.mapping("script"))
        path = options.text("log", "")
        fsync = options.flag("fsync")
        options.finish()
        self.name = name
        #: no network to wait for: the script determines how long it takes
        self.call_deadline = 0.0
        self.unknown_ability, self.dedupe_seconds = UnknownAbility.BLIND, 0.0
        self._log = OracleLog(Path(path), fsync) if path else None
        self.oracle = Oracle(name, script, self._log)

    def send(self, parcels: Sequence[Parcel]) -> list[Attempt]:
        """Play the script; return one attempt for each parcel, in their order."""
        if self.oracle.script.down:
            return [Attempt(parcel.ref, Outcome.NOT_WRITTEN, code="refused") for parcel in parcels]
        now = time.time()
        slowest = 0.0
        attempts = []
        for parcel in parcels:
            decision = self.oracle.judge(str(parcel.ref), parcel.to, parcel.body, now)
            word, argument = decision.turn.word, decision.turn.argument
            outcome, code = OUTCOMES[word]
            if outcome is Outcome.ACCEPTED:
                attempts.append(Attempt(parcel.ref, outcome, decision.carrier_id))
                slowest = max(slowest, float(argument or 0))
            else:
                wait = float(argument) if word is ScriptedOutcome.THROTTLE else None
                attempts.append(Attempt(parcel.ref, outcome, code=code or argument, retry_after=wait))
        self.oracle.write_down()
        if parcels and (pause := self.oracle.script.latency + slowest):
            time.sleep(pause)
        return attempts

    def close(self) -> None:
        """Close the log; idempotent."""
        if self._log:
            self._log.close()


KIND = CarrierKind("simulated", Simulated, placement=Placement.SHARED, sends_dlt=needs_no_dlt)
