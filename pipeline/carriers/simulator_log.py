"""What a simulated carrier decides and writes down: the record that the product is judged by.

The log is append-only JSON lines, written before anybody is answered, so that it survives whoever dies. It holds no
number and no text:

    {"ref", "carrier", "carrier_id", "body_hash", "at", "decision", "taken"}

`carrier_id` is null where nothing was taken; of a long message in parts it is the first part's. `body_hash` is the
SHA-256 of the text's UTF-8, `at` seconds since 1970.
"""

import json
import os
import secrets
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline.carriers.simulator_script import TAKEN, WAITS, Script, ScriptedOutcome, ScriptStep, scripted_outcome
from pipeline.errors import ConfigurationError

#: messages that were told to come again: so many are remembered
REMEMBERED = 100_000
#: what a carrier that is down says to each message
DOWN = ScriptStep(ScriptedOutcome.REFUSE_TRANSIENT, "down")


@dataclass(frozen=True, slots=True)
class OracleDecision:
    """What was decided of one message."""

    turn: ScriptStep[ScriptedOutcome]
    #: the carrier's own id; None: not taken
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
    """One simulated carrier's mind: it keeps its limit, decides by its script, counts, and writes down."""

    def __init__(self, name: str, script: Script, log: OracleLog | None = None) -> None:
        self.name = name
        self.script = script
        #: how often each decision was made
        self.counts: Counter[str] = Counter()
        self._log = log
        self._lines: list[bytes] = []
        #: the number of the last message taken; where it begins tells this process's from those of any other
        self._number = secrets.randbits(39) + 2**39 << 24
        #: by our ref, how often it was told to come again
        self._waited: dict[str, int] = {}
        self._tokens = 1.0
        self._filled_at = 0.0

    def judge(self, ref: str, to: str, text: str, now: float) -> OracleDecision:
        """Decide of one message at `now` (seconds since 1970); it is on record once `write_down` returns."""
        turn = self.decide(ref, to, now)
        decision = OracleDecision(turn, f"{self.number():x}" if turn.word in TAKEN else None)
        self.record(ref, text, decision, now)
        return decision

    def decide(self, ref: str, to: str, now: float) -> ScriptStep[ScriptedOutcome]:
        """Return what becomes of one message, without putting it on record."""
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
        """Take one of the messages that the limit allows now; return what is said to who comes too fast."""
        if self.script.limit_tps is None:
            return None
        wait = self._wait(self.script.limit_tps, now)
        return ScriptStep(ScriptedOutcome.THROTTLE, str(wait)) if wait else None

    def number(self) -> int:
        """Return the number of the next message taken; ids are spelt of it."""
        self._number += 1
        return self._number

    def record(self, ref: str, text: str, decision: OracleDecision, now: float) -> None:
        """Count what was decided of one message, and have `write_down` put it on record."""
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
        """Put on record what was decided; call it before anybody is answered."""
        if self._log and self._lines:
            self._log.write(b"".join(self._lines))
            self._lines.clear()

    def _wait(self, rate: float, now: float) -> int:
        """Take a token of a bucket that holds a second's worth; return 0, or the whole seconds to wait for one."""
        size = max(1.0, rate)
        self._tokens = min(size, self._tokens + max(0.0, now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return int((1 - self._tokens) / rate) + 1
