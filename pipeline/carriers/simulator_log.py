"""The simulated carrier's decisions, and the oracle's log of them, which tests compare the product with.

The log is append-only JSON lines, written before any response is sent, so that it survives a crash at either end. It
holds no number and no text:

    {"ref", "carrier", "carrier_id", "body_hash", "at", "decision", "taken"}

`carrier_id` is null where the message was not accepted; for a long message in parts it is the first part's.
`body_hash` is the SHA-256 of the text's UTF-8, `at` seconds since 1970.
"""

import json
import os
import secrets
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline.carriers.simulator_script import ACCEPTED, WAITS, Script, ScriptedOutcome, ScriptStep, scripted_outcome
from pipeline.errors import ConfigurationError

#: throttled messages that are remembered
REMEMBERED = 100_000
#: the outcome of each message while the carrier is down
DOWN = ScriptStep(ScriptedOutcome.REFUSE_TRANSIENT, "down")


@dataclass(frozen=True, slots=True)
class OracleDecision:
    """The decision about one message."""

    turn: ScriptStep[ScriptedOutcome]
    #: the carrier's message id; None: not accepted
    carrier_id: str | None


class OracleLog:
    """An append-only file that several processes may write at once."""

    def __init__(self, path: Path, fsync: bool = False) -> None:
        self.path = path
        self._fsync = fsync
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: int | None = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        except OSError as error:
            raise ConfigurationError(f"log {path}: {error.strerror}") from None

    def write(self, lines: bytes) -> None:
        """Append whole lines in one write."""
        if self._file is not None:
            os.write(self._file, lines)
            if self._fsync:
                os.fsync(self._file)

    def close(self) -> None:
        """Close the file; idempotent."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


class Oracle:
    """Decides for one simulated carrier: applies its limit and its script, counts and logs."""

    def __init__(self, name: str, script: Script, log: OracleLog | None = None) -> None:
        self.name = name
        self.script = script
        #: how often each decision was made
        self.counts: Counter[str] = Counter()
        self._log = log
        self._lines: list[bytes] = []
        #: counter of message ids; its random start distinguishes this process's from any other's
        self._number = secrets.randbits(39) + 2**39 << 24
        #: our ref → how often it was throttled
        self._waited: dict[str, int] = {}
        self._tokens = 1.0
        self._filled_at = 0.0

    def judge(self, ref: str, to: str, text: str, now: float) -> OracleDecision:
        """Decide on one message at `now` (seconds since 1970); it is logged once `write_down` returns."""
        turn = self.decide(ref, to, now)
        decision = OracleDecision(turn, f"{self.number():x}" if turn.word in ACCEPTED else None)
        self.record(ref, text, decision, now)
        return decision

    def decide(self, ref: str, to: str, now: float) -> ScriptStep[ScriptedOutcome]:
        """Return the outcome of one message, without logging it."""
        if self.script.down:
            return DOWN
        turn = self.limit(now)
        if turn is None:
            waited = self._waited.get(ref, 0) if self._waited else 0
            turn = scripted_outcome(self.script, ref, to, waited)
            if turn.word in WAITS:
                self._waited[ref] = waited + 1
                if len(self._waited) > REMEMBERED:
                    del self._waited[next(iter(self._waited))]
        return turn

    def limit(self, now: float) -> ScriptStep[ScriptedOutcome] | None:
        """Take a message from the rate limit's allowance; return the throttling outcome if there is none left."""
        if self.script.limit_tps is None:
            return None
        wait = self._wait(self.script.limit_tps, now)
        return ScriptStep(ScriptedOutcome.THROTTLE, str(wait)) if wait else None

    def number(self) -> int:
        """Return the number of the next accepted message; its id is formatted from it."""
        self._number += 1
        return self._number

    def record(self, ref: str, text: str, decision: OracleDecision, now: float) -> None:
        """Count the decision about one message, and queue it for `write_down`."""
        self.counts[decision.turn.word] += 1
        if self._log:
            line = {
                "ref": ref,
                "carrier": self.name,
                "carrier_id": decision.carrier_id,
                "body_hash": sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
                "at": round(now, 6),
                "decision": str(decision.turn),
                "taken": decision.carrier_id is not None,
            }
            self._lines.append(json.dumps(line).encode() + b"\n")

    def write_down(self) -> None:
        """Write queued decisions to the log; call it before any response is sent."""
        if self._log and self._lines:
            self._log.write(b"".join(self._lines))
            self._lines.clear()

    def _wait(self, rate: float, now: float) -> int:
        """Take a token of a bucket of one second's size; return 0, or the whole seconds to wait for one."""
        size = max(1.0, rate)
        self._tokens = min(size, self._tokens + max(0.0, now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return int((1 - self._tokens) / rate) + 1
