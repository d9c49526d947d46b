"""A complete small installation to inject faults into: real workers and beat by the Procfile, checked afterwards."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from kombu.exceptions import OperationalError

from pipeline.errors import DatabaseFault
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from schema.order import Order
from tests.broker import redis_channel
from tests.carriers.simulator import read_log
from tests.forked_processes import ForkedProcess, forked, procfile, started
from tests.world import World
from workers.lab.embedded import development
from workers.producer import producer, submit

#: price of a message of one segment, in minor units
PRICE = 400
MONEY = 1_000_000_000

_numbers = itertools.count(1)


def wait_for(what: Callable[[], Any], seconds: float = 30, *, every: float = 0.05, why: str = "") -> Any:
    """Return the function's result as soon as it is true; fail the test after a timeout."""
    deadline = time.monotonic() + seconds
    while True:
        said = what()
        if said:
            return said
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {why or getattr(what, '__name__', what)} (last: {said!r})")
        time.sleep(every)


def numbers(count: int) -> list[dict[str, str]]:
    """Return that many recipients, unique within the process."""
    return [{"to": f"+23480{next(_numbers):08d}"} for _ in range(count)]


@dataclass(slots=True)
class Verdict:
    """The counts of the final check."""

    messages: int
    #: acceptances in the simulator's log
    taken: int
    #: attempts with an unknown outcome
    unknown: int
    #: references that carriers accepted more than once
    doubled: int
    #: accepted recipients without a message, or messages without a final decision
    lost: int
    statuses: dict[str, int]

    def __str__(self) -> str:
        return (
            f"messages {self.messages}, taken {self.taken}, unknown {self.unknown}, doubled {self.doubled}, "
            f"lost {self.lost}, {self.statuses}"
        )


@dataclass(slots=True)
class Installation:
    """The servers, database, world and processes of one test."""

    home: Path
    pair: development.EmbeddedServers
    settings: Settings
    world: World
    #: added to the environment of all processes
    environment: dict[str, str] = field(default_factory=dict)
    processes: dict[str, "subprocess.Popen[bytes] | ForkedProcess"] = field(default_factory=dict)
    #: process → its Procfile line
    lines: dict[str, str] = field(default_factory=dict)
    #: processes that are started as in production instead of forked, which takes two seconds longer
    cold: set[str] = field(default_factory=set)
    #: processes that ended by themselves and were restarted
    revived: list[str] = field(default_factory=list)
    #: when the clock was last triggered
    nudged: float = 0
    #: request → number of its recipients
    submitted: dict[UUID, int] = field(default_factory=dict)
    orders: dict[UUID, Order] = field(default_factory=dict)

    # Processes -------------------------------------------------------------------------------------------------

    def start(self, *names: str, line: str | None = None, **environment: str) -> None:
        """Start processes by their Procfile lines (`line` if it differs from the name)."""
        for name in names or ("worker", "lane", "clock", "beat"):
            home = self.home / name
            home.mkdir(exist_ok=True)
            self.lines[name] = line or name
            reported = self._reported(home) | environment
            log = self.home / f"{name}.log"
            if name in self.cold:
                self.processes[name] = started(line or name, log, reported)
            else:
                self.processes[name] = forked().start(procfile(line or name, reported), log=log, environment=reported)

    def _reported(self, home: Path) -> dict[str, str]:
        """Return the environment of a process."""
        return {
            **os.environ,
            "POSTROAD_DATABASE_URL": self.settings.database_url.get_secret_value(),
            "POSTROAD_BROKER_URL": self.settings.broker_url.get_secret_value(),
            "POSTROAD_HOME": str(home),
            "POSTROAD_CONCURRENCY": "2",
            "POSTROAD_LEASE_SECONDS": "3",
            "POSTROAD_STALE_SECONDS": "2",
            **self.environment,
        }

    def revive(self) -> None:
        """Restart processes that ended by themselves, as `postroad up` and the containers do."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.revived.append(name)
                self.start(name, line=self.lines[name])

    def nudge(self) -> None:
        """Trigger a sweep of the clock now, which otherwise runs every few seconds."""
        if time.monotonic() > self.nudged + 1 and "clock" in self.processes:
            with suppress(OperationalError):
                producer(self.pair.broker_url).send_task("sms.sweep", queue="clock", expires=1)
            self.nudged = time.monotonic()

    def await_ready(self, *names: str) -> None:
        """Wait until the workers log that they are ready."""
        for name in names or [name for name in self.processes if "beat" not in name]:
            self._await_ready(name)

    def _await_ready(self, name: str) -> None:
        wait_for(lambda: "ready." in self.said(name), 40, why=f"{name} is ready: {self.said(name)[-900:]}")

    def await_progress(self) -> None:
        """Wait until more messages of the campaign are decided than now."""
        before = self.decided()
        wait_for(lambda: self.decided() > before, why="the campaign moves")

    def said(self, name: str) -> str:
        """Return the output of a process so far."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str) -> None:
        """Kill a process and all its children with SIGKILL."""
        with suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes.pop(name).wait(20)

    def stop(self, name: str, seconds: float = 40) -> int:
        """Stop a process gracefully; return its exit code."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
            return -9

    def children(self, name: str = "worker") -> list[psutil.Process]:
        """Return the pool processes of a worker."""
        try:
            return psutil.Process(self.processes[name].pid).children()
        except psutil.NoSuchProcess:
            return []

    def holder(self, seconds: float = 20) -> tuple[psutil.Process, UUID]:
        """Wait until the worker's only pool process sends a portion; return that process and the batch."""
        batch = wait_for(self.sending, seconds, every=0.01, why="a portion is on its way")
        [child] = self.children()
        return child, batch

    def sending(self) -> UUID | None:
        """Return a batch with a portion in flight, if any."""
        found = self.world.rows("SELECT id FROM batches WHERE status = 'sending' AND marked IS DISTINCT FROM recorded")
        return found[0] if found else None

    def play(self, **scripts: dict[str, Any]) -> None:
        """Set the scripts of carriers, all with the same log; routes prefer the first."""
        for rank, (name, script) in enumerate(scripts.items(), 1):
            self.world.add_carrier(name, rank=rank)
            self.configure(name, script=script)

    def configure(self, name: str, kind: str = "simulated", **settings: Any) -> None:
        """Set a carrier's kind and settings."""
        if kind not in ("http", "smpp"):
            settings["log"] = str(self.home / "oracle.log")
        self.world.run(
            "UPDATE carriers SET kind = %(kind)s, settings = %(settings)s::jsonb WHERE name = %(name)s",
            kind=kind,
            settings=json.dumps(settings),
            name=name,
        )

    # Orders and the broker -------------------------------------------------------------------------------------

    def order(self, recipients: int | list[dict[str, str]] = 1, **fields: Any) -> Order:
        """Return an order to that many recipients, or to these."""
        people = numbers(recipients) if isinstance(recipients, int) else recipients
        return Order.model_validate(
            {"account": "acme", "sender": "ACME", "body": "Your ride arrives at 9.", "recipients": people} | fields
        )

    def submit(self, *orders: Order, seconds: float = 30) -> list[UUID]:
        """Submit orders as producers do, retrying under the same request ids while the broker is unavailable."""
        return [self._submit(order, seconds) for order in orders]

    def _submit(self, order: Order, seconds: float) -> UUID:
        request = self.world.rt.new_ids()
        self.submitted[request], self.orders[request] = len(order.recipients), order
        deadline = time.monotonic() + seconds
        while True:
            try:
                return submit(order, request=request, app=producer(self.pair.broker_url))
            except OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def campaign(self, orders: int, recipients: int, **fields: Any) -> list[UUID]:
        """Submit a campaign; return its request ids when all of it is written."""
        requests = self.submit(*(self.order(recipients, **fields) for _ in range(orders)))
        self.await_written()
        return requests

    def await_written(self, seconds: float = 30) -> None:
        """Wait until every submitted order is in the database."""
        wait_for(lambda: self.unwritten() == [], seconds, why="every order is written")

    def unwritten(self) -> list[UUID]:
        """Return the submitted requests that are not in the database."""
        self.revive()
        self.nudge()
        wanted = list(self.submitted)
        there = set(self.rows("SELECT id FROM requests WHERE id = ANY(%(ids)s)", ids=wanted))
        return [request for request in wanted if request not in there]

    def resubmit(self) -> int:
        """Submit the missing requests again under their ids; return how many."""
        missing = self.unwritten()
        for request in missing:
            self.resubmit_one(request)
        return len(missing)

    def resubmit_one(self, request: UUID) -> None:
        """Submit an order again under its request id."""
        submit(self.orders[request], request=request, app=producer(self.pair.broker_url))

    def forget(self) -> None:
        """Delete all keys of the broker."""
        with producer(self.pair.broker_url).connection_for_write() as connection:
            redis_channel(connection).client.flushall()

    def queued(self) -> dict[str, int]:
        """Return the numbers of tasks in each queue of the broker, and of unacknowledged ones."""
        with producer(self.pair.broker_url).connection_for_write() as connection:
            client = redis_channel(connection).client
            names = ("ingest", "segment", "bill", "deliver", "campaign", "otp", "clock")
            return {name: client.llen(name) for name in names} | {"given": client.hlen("unacked")}

    def drained(self, seconds: float = 30) -> None:
        """Wait until the broker holds no tasks but the clock's, and none is unacknowledged."""
        wait_for(lambda: sum(self.queued().values()) <= self.queued()["clock"], seconds, why="the queues are empty")

    def rows(self, query: str, **params: Any) -> list[Any]:
        """Return a query's rows, retrying while the database starts."""
        deadline = time.monotonic() + 20
        while True:
            try:
                return self.world.rows(query, **params)
            except DatabaseFault:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def count(self, query: str, **params: Any) -> int:
        """Return the single number of a query."""
        return int(self.rows(query, **params)[0])

    def decided(self) -> int:
        """Return the number of messages with a status of their own."""
        return self.count("SELECT count(*) FROM messages WHERE status IS NOT NULL")

    # Final check -----------------------------------------------------------------------------------------------

    def log(self) -> list[dict[str, Any]]:
        """Return the entries of the simulated carriers' log."""
        return read_log(self.home / "oracle.log")

    def all_is_well(self, seconds: float = 40, *, statuses: set[str] | None = None) -> Verdict:
        """Wait until everything is settled; then compare database, log and ledger, and return the counts."""
        self.await_written(seconds)
        wait_for(self._is_settled, seconds, every=0.1, why=f"everything is settled: {self._unsettled()}")
        verdict = self._judge()
        sys.stdout.write(f"{verdict}, revived {self.revived}\n")
        assert verdict.lost == 0
        assert [found for found in audit(self.world.rt) if found.broken] == []
        assert set(verdict.statuses) <= (statuses or {"sent", "delivered"}), verdict
        return verdict

    def _unsettled(self) -> object:
        return self.rows("SELECT status, claims, hints, fence, size FROM batches WHERE status <> 'done' LIMIT 8")

    def _is_settled(self) -> bool:
        self.revive()
        self.nudge()
        return not self.count(
            "SELECT (SELECT count(*) FROM messages WHERE status IS NULL)"
            " + (SELECT count(*) FROM batches WHERE status <> 'done')"
        )

    def _judge(self) -> Verdict:
        log = [line for line in self.log() if line["taken"]]
        taken = Counter(UUID(line["ref"]) for line in log)
        tries: dict[UUID, list[tuple[str, str | None, str]]] = {}
        resolved = set()
        for message, outcome, carrier_ref, carrier, late in self.rows(
            "SELECT message_id, outcome, carrier_ref, carrier, late_outcome FROM provider_attempts"
            " ORDER BY message_id, n"
        ):
            tries.setdefault(message, []).append((outcome, carrier_ref, carrier))
            if late == "accepted":
                resolved.add(message)
        messages = {row[0]: row[1:] for row in self.rows("SELECT id, status, money, amount FROM messages")}
        self._join(log, taken, tries, messages, resolved)
        self._count_money(messages)
        undecided = sum(status is None for status, _, _ in messages.values())
        return Verdict(
            messages=len(messages),
            taken=sum(taken.values()),
            unknown=sum(outcome == "unknown" for made in tries.values() for outcome, _, _ in made),
            doubled=sum(times > 1 for times in taken.values()),
            lost=sum(self.submitted.values()) - len(messages) + undecided,
            statuses=dict(Counter(status for status, _, _ in messages.values())),
        )

    @staticmethod
    def _join(
        log: Sequence[dict[str, Any]],
        taken: Counter[UUID],
        tries: dict[UUID, list[tuple[str, str | None, str]]],
        messages: dict[UUID, tuple[Any, ...]],
        resolved: set[UUID],
    ) -> None:
        decisive = {"accepted", "unknown"}
        unrecorded = [ref for ref in taken if not decisive & {outcome for outcome, _, _ in tries.get(ref, [])}]
        assert unrecorded == [], f"{len(unrecorded)} messages were taken and no attempt says so"
        unflagged = [
            ref
            for ref, times in taken.items()
            if times > 1 and "unknown" not in {outcome for outcome, _, _ in tries[ref]}
        ]
        assert unflagged == [], f"{len(unflagged)} messages were taken twice without an unknown attempt"
        written = {(UUID(line["ref"]), line["carrier_id"], line["carrier"]) for line in log}
        invented = [
            message
            for message, made in tries.items()
            for outcome, carrier_ref, carrier in made
            if outcome == "accepted" and (message, carrier_ref, carrier) not in written
        ]
        assert invented == [], f"{len(invented)} accepted attempts are not in the carriers' log"
        for message, (status, money, amount) in messages.items():
            last = tries[message][-1][0] if message in tries else None
            if status == "sent" and amount:
                fits = {("accepted", "captured"), ("unknown", "held")}
                fits |= {("unknown", "captured")} if message in resolved else set()
                assert (last, money) in fits, (message, last, money)
            elif status in {"rejected", "cancelled"}:
                assert last is None, (message, status, last)

    def _count_money(self, messages: dict[UUID, tuple[Any, ...]]) -> None:
        sums: Counter[str | None] = Counter()
        for _, money, amount in messages.values():
            sums[money] += amount or 0
        moved = dict(self.rows("SELECT kind, sum(amount)::int8 FROM ledger WHERE unit <> 'SEG' GROUP BY kind"))
        assert moved.get("capture", 0) == sums["captured"]
        assert moved.get("release", 0) == sums["released"]
        assert moved.get("hold", 0) == sums["captured"] + sums["released"] + sums["held"]
        assert self.world.balance() == MONEY - sums["captured"] - sums["held"]
