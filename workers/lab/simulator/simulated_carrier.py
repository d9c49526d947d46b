"""Where the simulator's carriers take messages: each with its script, its counts and what it reports."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from secrets import token_hex

from pipeline.carriers.simulator_log import Oracle, OracleDecision, OracleLog
from pipeline.carriers.simulator_script import read, reports
from pipeline.errors import ConfigurationError
from workers.lab.simulator import deliver_sm_writer
from workers.lab.simulator.pending_deliver_sm import PendingDeliverSm
from workers.lab.simulator.receipt_poster import ReceiptPoster
from workers.lab.simulator.submit_sm_handler import SubmitSmHandler


class SimulatedCarrier:
    """One simulated carrier."""

    def __init__(self, name: str, script: Mapping[str, object], log: OracleLog | None, postman: ReceiptPoster) -> None:
        self.oracle = Oracle(name, read(name, script), log)
        #: the script as it was given
        self.given = dict(script)
        #: messages read and not answered, now and at most
        self.in_flight = 0
        self.peak = 0
        #: where it takes messages and brings its own in SMPP
        self.mailbox = PendingDeliverSm()
        self.submit_sm_handler = SubmitSmHandler(self.oracle, self.mailbox)
        self._postman = postman
        #: where receipts were last asked for over HTTP
        self._url: str | None = None

    def play(self, script: Mapping[str, object]) -> None:
        """Change the script; ConfigurationError says what does not fit."""
        self.oracle.script = read(self.oracle.name, script)
        self.given = dict(script)

    def take(self, message: object) -> OracleDecision:
        """Decide of one message, put it on record, plan its reports; ValueError names what it lacks."""
        if not isinstance(message, dict):
            raise ValueError("the message must be an object")
        ref, to, text = (message.get(key) for key in ("ref", "to", "text"))
        if not (isinstance(ref, str) and isinstance(to, str) and isinstance(text, str)):
            raise ValueError("ref, to and text must be text")
        now = time.time()
        decision = self.oracle.judge(ref, to, text, now)
        self.oracle.write_down()
        url = message.get("receipt_url")
        if isinstance(url, str):
            self._url = url
        if decision.carrier_id and isinstance(url, str):
            self._report(url, decision.carrier_id, ref, to, now)
        return decision

    def inbound(self, message: object) -> str:
        """Bring what a handset wrote to whoever is bound, else where receipts go over HTTP, else to who binds next.

        Returns which of the two it is, `smpp` or `http`; ValueError names what the message lacks.
        """
        if not isinstance(message, dict):
            raise ValueError("the message must be an object")
        phone, to, text = (message.get(key) for key in ("from", "to", "text"))
        if not (isinstance(phone, str) and isinstance(to, str) and isinstance(text, str)):
            raise ValueError("from, to and text must be text")
        now = time.time()
        if self._url and not self.mailbox.readers:
            at = datetime.fromtimestamp(now, UTC).isoformat()
            what = {"id": token_hex(8), "from": phone, "to": to, "text": text, "at": at}
            self._postman.plan(now, self._url, self.oracle.script.token, what)
            return "http"
        for body in deliver_sm_writer.written(self.oracle.script.smpp, phone, to, text):
            self.mailbox.plan(now, body)
        return "smpp"

    def begin(self) -> None:
        """Count a message as in flight."""
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def stats(self) -> dict[str, object]:
        """Return what was counted since the start."""
        return {
            "carrier": self.oracle.name,
            "decisions": dict(self.oracle.counts),
            "in_flight": self.in_flight,
            "peak": self.peak,
            "receipts": self._postman.stats(),
            "smpp": self.mailbox.stats(),
        }

    def _report(self, url: str, carrier_id: str, ref: str, to: str, now: float) -> None:
        script = self.oracle.script
        for report in reports(script, ref, to):
            at = datetime.fromtimestamp(now + report.happened, UTC).isoformat()
            named = (token_hex(8), None) if report.unauthenticated else (carrier_id, ref)
            what = {"id": named[0], "ref": named[1], "status": report.status, "code": report.code, "at": at}
            self._postman.plan(now + report.after, url, script.token, what)


class SimulatedCarriers:
    """All the desks of one simulator, by name."""

    def __init__(
        self, scripts: Mapping[str, Mapping[str, object]], log: OracleLog | None, postman: ReceiptPoster
    ) -> None:
        self._log = log
        self._postman = postman
        self.desks = {name: SimulatedCarrier(name, script, log, postman) for name, script in scripts.items()}

    def play(self, name: str, script: object) -> None:
        """Give a carrier another script, or open a new carrier; ConfigurationError says what does not fit."""
        if not isinstance(script, dict):
            raise ConfigurationError(f"carrier {name}: script: must be an object")
        simulated = self.desks.get(name)
        if simulated:
            simulated.play(script)
        else:
            self.desks[name] = SimulatedCarrier(name, script, self._log, self._postman)

    def record(self, name: str) -> bytes:
        """Return what the log holds of one carrier, as JSON lines."""
        if self._log is None:
            raise ConfigurationError("the simulator was started without a log")
        mark = f'"carrier": "{name}",'.encode()
        with self._log.path.open("rb") as lines:
            return b"".join(line for line in lines if mark in line)
