"""The scenario of `postroad demo`: sends, schedules, cancels, applies a STOP, and checks all the results."""

import json
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, TypeVar
from uuid import UUID

import click

from pipeline.runtime import Runtime
from pipeline.stages.admin import compliance, operator_reports
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.explain_route import explain
from pipeline.stages.admin.reconciliation import CarrierRecord, RecordDifference, reconcile
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER
from pipeline.stages.cancel import cancel
from schema.order import Order
from schema.vocabulary import Code, InboundAction, Status
from workers.cli.terminal.message_view import overview_of
from workers.cli.terminal.route_view import in_brief
from workers.lab.demo import demo_keys, demo_sandbox, mobile_originated
from workers.lab.demo.demo_campaign import DemoCampaign, show_counts
from workers.lab.simulator.scripts import DEMO
from workers.producer import producer, submit
from workers.server_urls import broker_url

#: a phone that is always reached, by the scripts of `workers/lab/demo/demo_sandbox.py`
PHONE = demo_sandbox.GOOD_NUMBER
#: a phone that sends STOP
STOPPING = "+2348039876543"
#: longer than one segment
LONG = (
    "Your account statement for October is ready. Opening balance NGN 412,300.00, money in NGN 150,000.00, money out "
    "NGN 98,750.50, closing balance NGN 463,549.50. Is something not as it should be? Call 0700 100 1000, day or night."
)
#: seconds to wait for each result
TIMEOUT = 20.0
#: seconds by which a message is scheduled ahead
AHEAD = 4

_UNKNOWN = """
{} have an unknown outcome: their carrier closed the connection without a response. They are bulk, so they stay `sent`
with their money held, and no other carrier is tried: no recipient gets such a text twice."""


Thing = TypeVar("Thing")


class Interrupted(Exception):
    """The user stopped the demo."""


@dataclass(slots=True)
class DemoScenario:
    """One run of the scenario."""

    rt: Runtime
    #: the log of the simulator's decisions
    oracle: Path
    stop: Event = field(default_factory=Event)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: what was checked, and whether it held
    checks: list[tuple[str, bool]] = field(default_factory=list)
    #: the campaign, once it is finished
    campaign: UUID | None = None

    def run(self) -> bool:
        """Run all steps; return whether all checks held."""
        later = self._submit("Your appointment is in one hour.", seconds=AHEAD)
        self._one()
        long, refused = self._submit(LONG), self._submit("Your table is ready.", to=demo_sandbox.REFUSED_NUMBER)
        self._send_stop()
        self._apis()
        self._campaign()
        self._long(long)
        self._refused(refused)
        self._check_stop()
        self._cancelled()
        self._scheduled(later)
        self._receipts()
        self._conclude()
        return all(kept for _, kept in self.checks)

    # The messages ---------------------------------------------------------------------------------------------------

    def _submit(self, text: str, *, to: str = PHONE, sender: str = SENDER, seconds: float = 0) -> UUID:
        order: dict[str, Any] = {
            "account": ACCOUNT,
            "sender": sender,
            "body": text,
            "recipients": [{"to": to}],
        }
        if seconds:
            order["send_at"] = datetime.now(UTC) + timedelta(seconds=seconds)
        return self._enqueue(Order.model_validate(order))

    def _enqueue(self, order: Order) -> UUID:
        return submit(order, app=producer(broker_url(self.rt.settings)))

    def _one(self) -> None:
        began = time.monotonic()
        request = self._submit("Your ride arrives in 3 min: white Toyota Axio.")
        report = self._await(request, Status.SENT, Status.DELIVERED)
        self._check("one message was sent", report is not None)
        if report:
            self._say(f"one message     sent after {(time.monotonic() - began) * 1000:.0f} ms by {_carriers(report)}")

    def _long(self, request: UUID) -> None:
        report = self._await(request, Status.DELIVERED)
        self._check("a long message was delivered, all of its parts", report is not None)
        if report:
            parts = report.message["segments"]
            self._say(f"a long message  of {parts} parts by {_carriers(report)}: delivered, each part has its receipt")

    def _refused(self, request: UUID) -> None:
        """Show the message that its first carrier refuses, and why it was routed as it was."""
        report = self._await(request, Status.DELIVERED)
        went = [each["carrier"] for each in report.attempts] if report else []
        self._check("what one carrier refused was delivered by the next", len(set(went)) > 1)
        found = explain(self.rt, report.message["id"]) if report else None
        if report and found:
            self._check(
                "explained again, each routing choice comes out the same",
                all(choice.is_same for choice in found.choices),
            )
            self._say(f"one refused     went {_carriers(report)}; `postroad explain` tells why in full:")
            click.echo(textwrap.indent(in_brief(found), " " * 16))

    def _send_stop(self) -> None:
        """Send STOP from a handset."""
        compliance.set_keyword(self.rt, ACCOUNT, "STOP", InboundAction.STOP, "You get no more texts from us.")
        mobile_originated.write(self.rt.settings, next(iter(DEMO)), STOPPING, demo_sandbox.SHORT_CODE, "Stop!")

    def _check_stop(self) -> None:
        """Check that messages to the number that sent STOP are refused."""
        kept = self._until(lambda: compliance.list_opt_outs(self.rt, ACCOUNT, STOPPING, 1))
        answer = self._until(
            self._answer_to(self._submit("One more offer!", to=STOPPING, sender=demo_sandbox.SHORT_CODE))
        )
        refusals = [each["code"] for each in answer.request["refusals"]] if answer else []
        self._check("a number that sent STOP gets no more messages", bool(kept) and refusals == [Code.OPTED_OUT])
        self._say("a handset       sent STOP: answered, and the next text to it was refused")

    def _apis(self) -> None:
        keys = demo_keys.ready(self.rt, self.rt.settings.home)
        statuses = demo_keys.try_each(demo_sandbox.gateway_url(self.rt.settings), keys)
        self._check(
            "each of the five APIs accepted a message", all(status in (200, 202) for status in statuses.values())
        )
        self._say("five APIs       " + ", ".join(f"{dialect} {status}" for dialect, status in statuses.items()))

    def _cancelled(self) -> None:
        request = self._submit("This text never leaves.", seconds=3600)
        report = self._await(request, Status.SCHEDULED, paid=True)
        done = report and cancel(self.rt, None, [report.message["id"]])
        report = self._await(request, Status.CANCELLED)
        self._check("a scheduled message was cancelled before its time", bool(done and done.cancelled and report))
        self._say("one cancelled   an hour before its time")

    def _scheduled(self, request: UUID) -> None:
        report = self._await(request, Status.SENT, Status.DELIVERED)
        self._check("a scheduled message was sent", report is not None)
        if report:
            due, marked = report.message["send_at"], report.attempts[0]["marked_at"]
            self._check("it was not sent before its time", marked >= due)
            self._say(f"one scheduled   {AHEAD} s ahead, sent {(marked - due).total_seconds():.2f} s after it was due")

    def _campaign(self) -> None:
        name = f"demo-{self.began:%Y%m%d-%H%M%S}"
        self.campaign = DemoCampaign(self.rt, self._check, self._say, self._go_on).run(name)

    def _receipts(self) -> None:
        """Wait for the last receipts: then only messages with an unknown outcome are still `sent`."""
        deadline = time.monotonic() + TIMEOUT
        while (left := self._unreported()) and time.monotonic() < deadline:
            self._go_on()
            time.sleep(0.3)
        self._check("every message that a carrier accepted got its receipt", not left)
        self._say("receipts        all of them are in" if not left else f"receipts        {left} are missing")

    def _unreported(self) -> int:
        found = operator_reports.overview_of(self.rt, self.began)
        sent = sum(row["messages"] for row in found.statuses if row["status"] == Status.SENT)
        unknown = sum(row["attempts"] for row in found.carriers if row["outcome"] == "unknown")
        return int(sent - unknown)

    # The end --------------------------------------------------------------------------------------------------------

    def _conclude(self) -> None:
        found = operator_reports.overview_of(self.rt, self.began)
        click.echo("\n" + overview_of(replace(found, waiting=[])))
        if self.campaign:
            show_counts(self.rt, self.campaign)
        self._check("messages went to the next carrier", any(row["failovers"] for row in found.carriers))
        unknown = sum(row["attempts"] for row in found.carriers if row["outcome"] == "unknown")
        if unknown:
            click.echo(_UNKNOWN.format(unknown))
        broken = [each for each in audit(self.rt) if each.broken]
        self._check("audit: nothing lost, doubled or charged twice", not broken)
        seen = compare(self.rt, self.oracle, self.began)
        self._check(f"the carriers' own logs agree: {seen.taken:,} accepted, each has its attempt", seen.sound)
        again = f"{seen.duplicates} that a carrier accepted and lost were resent by the other"
        self._check(f"no text was sent twice unflagged; {again}, and charged once", not seen.unflagged)
        click.echo("\n" + "\n".join(f"{'✓' if kept else '✗'} {check}" for check, kept in self.checks))
        for each in broken:
            click.echo(f"✗ {each.name} is broken {each.broken} times: {each.holds}")

    # Helpers ----------------------------------------------------------------------------------------------------

    def _await(self, request: UUID, *wanted: Status, paid: bool = False) -> operator_reports.MessageReport | None:
        """Wait until the request's message has one of these statuses; return its report, None after a timeout."""

        def poll() -> operator_reports.MessageReport | None:
            report = self._report(request)
            is_there = report and report.message["status"] in wanted and (report.message["money"] or not paid)
            return report if is_there else None

        return self._until(poll)

    def _until(self, poll: Callable[[], Thing | None]) -> Thing | None:
        """Poll until the function returns a value; return it, None after a timeout."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            self._go_on()
            if found := poll():
                return found
            time.sleep(0.05)
        return None

    def _answer_to(self, request: UUID) -> Callable[[], operator_reports.RequestResult | None]:
        def poll() -> operator_reports.RequestResult | None:
            found = operator_reports.report_of(self.rt, request)
            return found if isinstance(found, operator_reports.RequestResult) else None

        return poll

    def _report(self, request: UUID) -> operator_reports.MessageReport | None:
        answer = operator_reports.report_of(self.rt, request)
        if not isinstance(answer, operator_reports.RequestResult) or not answer.messages:
            return None
        report = operator_reports.report_of(self.rt, answer.messages[0]["id"])
        return report if isinstance(report, operator_reports.MessageReport) else None

    def _check(self, check: str, kept: bool) -> None:
        self.checks.append((check, kept))

    def _say(self, words: str) -> None:
        self._go_on()
        click.echo(words)

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Interrupted


def compare(rt: Runtime, oracle: Path, since: datetime) -> RecordDifference:
    """Return the differences between the simulator's log and our records."""
    with oracle.open() as lines:
        decisions = [json.loads(line) for line in lines]
    taken = [
        CarrierRecord(UUID(each["ref"]), each["carrier"], each["carrier_id"]) for each in decisions if each["taken"]
    ]
    return reconcile(rt, taken, {each["carrier"] for each in decisions}, since)


def _carriers(report: operator_reports.MessageReport) -> str:
    return " → ".join(each["carrier"] for each in report.attempts)
