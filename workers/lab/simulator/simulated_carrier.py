"""The simulator's carriers: each with its script, counts, reports and pending deliver_sm."""

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

    def __init__(self, name: str, script: Mapping[str, object], log: OracleLog | None, poster: ReceiptPoster) -> None:
        self.oracle = Oracle(name, read(name, script), log)
        #: the script as given
        self.given = dict(script)
        #: messages without a response, now and at most
        self.in_flight = 0
        self.peak = 0
        #: its SMPP side: pending deliver_sm and submit_sm
        self.pending = PendingDeliverSm()
        self.submit_sm_handler = SubmitSmHandler(self.oracle, self.pending)
        self._poster = poster
        #: the receipt URL of the latest message over HTTP
        self._url: str | None = None

    def play(self, script: Mapping[str, object]) -> None:
        """Replace the script; ConfigurationError says what is invalid."""
        self.oracle.script = read(self.oracle.name, script)
        self.given = dict(script)

    def take(self, message: object) -> OracleDecision:
        """Decide one message's outcome, log it, plan its reports; ValueError names what is missing."""
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
        """Send an MO message to a bound receiver, else to the receipt URL over HTTP, else to the next bound receiver.

        Returns which protocol it is, `smpp` or `http`; ValueError names what is missing.
        """
        if not isinstance(message, dict):
            raise ValueError("the message must be an object")
        phone, to, text = (message.get(key) for key in ("from", "to", "text"))
        if not (isinstance(phone, str) and isinstance(to, str) and isinstance(text, str)):
            raise ValueError("from, to and text must be text")
        now = time.time()
        if self._url and not self.pending.receivers:
            at = datetime.fromtimestamp(now, UTC).isoformat()
            what = {"id": token_hex(8), "from": phone, "to": to, "text": text, "at": at}
            self._poster.plan(now, self._url, self.oracle.script.token, what)
            return "http"
        for body in deliver_sm_writer.written(self.oracle.script.smpp, phone, to, text):
            self.pending.plan(now, body)
        return "smpp"

    def begin(self) -> None:
        """Count a message as in flight."""
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def stats(self) -> dict[str, object]:
        """Return the counts since the start."""
        return {
            "carrier": self.oracle.name,
            "decisions": dict(self.oracle.counts),
            "in_flight": self.in_flight,
            "peak": self.peak,
            "receipts": self._poster.stats(),
            "smpp": self.pending.stats(),
        }

    def _report(self, url: str, carrier_id: str, ref: str, to: str, now: float) -> None:
        script = self.oracle.script
        for report in reports(script, ref, to):
            at = datetime.fromtimestamp(now + report.happened, UTC).isoformat()
            id_, own_ref = (token_hex(8), None) if report.of_unknown_message else (carrier_id, ref)
            what = {"id": id_, "ref": own_ref, "status": report.status, "code": report.code, "at": at}
            self._poster.plan(now + report.after, url, script.token, what)


class SimulatedCarriers:
    """The carriers of one simulator, by name."""

    def __init__(
        self, scripts: Mapping[str, Mapping[str, object]], log: OracleLog | None, poster: ReceiptPoster
    ) -> None:
        self._log = log
        self._poster = poster
        self.by_name = {name: SimulatedCarrier(name, script, log, poster) for name, script in scripts.items()}

    def play(self, name: str, script: object) -> None:
        """Replace a carrier's script, or add a carrier; ConfigurationError says what is invalid."""
        if not isinstance(script, dict):
            raise ConfigurationError(f"carrier {name}: script: must be an object")
        simulated = self.by_name.get(name)
        if simulated:
            simulated.play(script)
        else:
            self.by_name[name] = SimulatedCarrier(name, script, self._log, self._poster)

    def record(self, name: str) -> bytes:
        """Return the log's lines about one carrier, as JSON lines."""
        if self._log is None:
            raise ConfigurationError("the simulator was started without a log")
        mark = f'"carrier": "{name}",'.encode()
        with self._log.path.open("rb") as lines:
            return b"".join(line for line in lines if mark in line)
