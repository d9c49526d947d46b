"""What `postroad demo` does while everything runs: sends, schedules, cancels, heeds, and looks whether it came true."""

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
from pipeline.stages.admin import compliance, overview
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.explain_route import explain
from pipeline.stages.admin.reconciliation import CarrierRecord, RecordDifference, reconcile
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER
from pipeline.stages.cancel import cancel
from schema.message_class import MessageClass
from schema.order import Order
from schema.vocabulary import Code, InboundAction, Status
from workers.campaign_file import portions
from workers.cli.terminal import table_layout
from workers.cli.terminal.message_view import overview_of
from workers.cli.terminal.route_view import in_brief
from workers.cli.terminal.waiting import wait
from workers.lab.demo import demo_keys, demo_sandbox, mobile_originated
from workers.lab.simulator.scripts import DEMO
from workers.producer import producer, submit
from workers.server_urls import broker_url

CAMPAIGN = Path(__file__).resolve().parents[2] / "data/demo.csv"
#: what everyone in the file is sent; its columns fill it
TEXT = "${greeting} ${name}, ${news}${closing}"
#: one phone that is always reached: `workers/lab/demo/demo_sandbox.py` scripts it so
PHONE = demo_sandbox.GOOD_NUMBER
#: one whose owner wants no more
WEARY = "+2348039876543"
#: longer than a text may be
LONG = (
    "Your account statement for October is ready. Opening balance NGN 412,300.00, money in NGN 150,000.00, money out "
    "NGN 98,750.50, closing balance NGN 463,549.50. Is something not as it should be? Call 0700 100 1000, day or night."
)
#: seconds without a change after which something is taken to hang
TIMEOUT = 20.0
#: seconds ahead of the message that is scheduled
AHEAD = 4

_DOUBT = """
{} are in doubt: their carrier hung up without a word. They are bulk, so they stay `sent`, their money held, and are not
tried elsewhere: nobody gets such a text twice."""


Thing = TypeVar("Thing")


class Interrupted(Exception):
    """Somebody does not want to see the end."""


@dataclass(slots=True)
class DemoScenario:
    """One walk through it all."""

    rt: Runtime
    #: where the simulator's carriers wrote down what they decided
    oracle: Path
    stop: Event = field(default_factory=Event)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: what was promised, and whether it came true
    checks: list[tuple[str, bool]] = field(default_factory=list)

    def walk(self) -> bool:
        """Do all of it; return whether everything came true."""
        later = self._submit("Your appointment is in one hour.", seconds=AHEAD)
        self._one()
        long, denied = self._submit(LONG), self._submit("Your table is ready.", to=demo_sandbox.SHUNNED_NUMBER)
        self._tire()
        self._apis()
        self._campaign()
        self._long(long)
        self._denied(denied)
        self._spared()
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
        return self._hand_over(Order.model_validate(order))

    def _hand_over(self, order: Order) -> UUID:
        return submit(order, app=producer(broker_url(self.rt.settings)))

    def _one(self) -> None:
        began = time.monotonic()
        request = self._submit("Your ride arrives in 3 min: white Toyota Axio.")
        story = self._await(request, Status.SENT, Status.DELIVERED)
        self._check("one message was sent", story is not None)
        if story:
            self._say(f"one message     sent after {(time.monotonic() - began) * 1000:.0f} ms by {_carriers(story)}")

    def _long(self, request: UUID) -> None:
        story = self._await(request, Status.DELIVERED)
        self._check("a long message was delivered, all of its parts", story is not None)
        if story:
            parts = story.message["segments"]
            self._say(f"a long message  of {parts} parts by {_carriers(story)}: delivered, each part has its receipt")

    def _denied(self, request: UUID) -> None:
        """Tell of the message that its first carrier refuses, and why it went where it went."""
        story = self._await(request, Status.DELIVERED)
        went = [each["carrier"] for each in story.attempts] if story else []
        self._check("what one carrier refused was delivered by the next", len(set(went)) > 1)
        found = explain(self.rt, story.message["id"]) if story else None
        if story and found:
            self._check("explained again, each choice comes out as it did", all(turn.is_same for turn in found.turns))
            self._say(f"one refused     went {_carriers(story)}; `postroad explain` tells at length why:")
            click.echo(textwrap.indent(in_brief(found), " " * 16))

    def _tire(self) -> None:
        """Have somebody write STOP."""
        compliance.set_keyword(self.rt, ACCOUNT, "STOP", InboundAction.STOP, "You get no more texts from us.")
        mobile_originated.write(self.rt.settings, next(iter(DEMO)), WEARY, demo_sandbox.SHORT_CODE, "Stop!")

    def _spared(self) -> None:
        """See that who wrote STOP is written to no more."""
        kept = self._until(lambda: compliance.list_opt_outs(self.rt, ACCOUNT, WEARY, 1))
        answer = self._until(self._answer_to(self._submit("One more offer!", to=WEARY, sender=demo_sandbox.SHORT_CODE)))
        refusals = [each["code"] for each in answer.request["refusals"]] if answer else []
        self._check("who wrote STOP is written to no more", bool(kept) and refusals == [Code.OPTED_OUT])
        self._say("a handset       wrote STOP: answered, and the next text to it was refused")

    def _apis(self) -> None:
        keys = demo_keys.ready(self.rt, self.rt.settings.home)
        statuses = demo_keys.try_each(demo_sandbox.gateway_url(self.rt.settings), keys)
        self._check("each of the four APIs took a message", all(status in (200, 202) for status in statuses.values()))
        self._say("four APIs       " + ", ".join(f"{dialect} {status}" for dialect, status in statuses.items()))

    def _cancelled(self) -> None:
        request = self._submit("This text never leaves.", seconds=3600)
        story = self._await(request, Status.SCHEDULED, paid=True)
        done = story and cancel(self.rt, None, [story.message["id"]])
        story = self._await(request, Status.CANCELLED)
        self._check("a scheduled message was cancelled before its time", bool(done and done.cancelled and story))
        self._say("one cancelled   taken back an hour before its time")

    def _scheduled(self, request: UUID) -> None:
        story = self._await(request, Status.SENT, Status.DELIVERED)
        self._check("a scheduled message was sent", story is not None)
        if story:
            due, marked = story.message["send_at"], story.attempts[0]["marked_at"]
            self._check("it did not go before its time", marked >= due)
            self._say(
                f"one scheduled   {AHEAD} s ahead, sent {(marked - due).total_seconds():.2f} s after its minute came"
            )

    def _campaign(self) -> None:
        began = time.monotonic()
        with CAMPAIGN.open("rb") as lines:
            common = {
                "account": ACCOUNT,
                "sender": SENDER,
                "body": TEXT,
                "class": MessageClass.BULK,
            }
            orders = [each.order for each in portions(lines, common, judged=False) if each.order]
        requests = {self._hand_over(order): len(order.recipients) for order in orders}
        total = sum(requests.values())
        with table_layout.progress(total, "a campaign     ") as bar:
            waited = wait(
                self.rt,
                list(requests),
                timeout=TIMEOUT,
                seen=lambda through: self._advance(bar, through),
            )
        took = time.monotonic() - began
        self._check("the whole campaign left the queue", not waited.unfinished)
        self._check("each recipient is accounted for", sum(waited.statuses.values()) == total)
        refused = waited.statuses.get("refused", 0)
        self._check("bad numbers were refused, their neighbours were not", 0 < refused < total / 10)
        self._say(f"a campaign      of {total:,}: through in {took:.1f} s, {refused} of them refused for their numbers")

    def _receipts(self) -> None:
        """Wait for the last receipts: then only messages in doubt are still `sent`."""
        deadline = time.monotonic() + TIMEOUT
        while (left := self._unreported()) and time.monotonic() < deadline:
            self._go_on()
            time.sleep(0.3)
        self._check("every message that a carrier took got its receipt", not left)
        self._say("receipts        all of them are in" if not left else f"receipts        {left} are missing")

    def _unreported(self) -> int:
        found = overview.overview_of(self.rt, self.began)
        sent = sum(row["messages"] for row in found.statuses if row["status"] == Status.SENT)
        doubtful = sum(row["attempts"] for row in found.carriers if row["outcome"] == "unknown")
        return int(sent - doubtful)

    # The end --------------------------------------------------------------------------------------------------------

    def _conclude(self) -> None:
        found = overview.overview_of(self.rt, self.began)
        click.echo("\n" + overview_of(replace(found, waiting=[])))
        self._check("messages went to the next carrier", any(row["failovers"] for row in found.carriers))
        doubtful = sum(row["attempts"] for row in found.carriers if row["outcome"] == "unknown")
        if doubtful:
            click.echo(_DOUBT.format(doubtful))
        broken = [each for each in audit(self.rt) if each.broken]
        self._check("audit: nothing lost, doubled or charged twice", not broken)
        seen = compare(self.rt, self.oracle, self.began)
        self._check(f"the carriers' own records agree: {seen.taken:,} taken, each has its attempt", seen.sound)
        again = f"{seen.doubled} that a carrier took and lost were sent once more by the other"
        self._check(f"no text went out twice unflagged; {again}, and paid once", not seen.unflagged)
        click.echo("\n" + "\n".join(f"{'✓' if kept else '✗'} {promise}" for promise, kept in self.checks))
        for each in broken:
            click.echo(f"✗ {each.name} is broken {each.broken} times: {each.holds}")

    # Small steps ----------------------------------------------------------------------------------------------------

    def _await(self, request: UUID, *wanted: Status, paid: bool = False) -> overview.MessageReport | None:
        """Wait for the request's one message to have one of these statuses; return its story, None if it never has."""

        def come() -> overview.MessageReport | None:
            story = self._story(request)
            is_there = story and story.message["status"] in wanted and (story.message["money"] or not paid)
            return story if is_there else None

        return self._until(come)

    def _until(self, come: Callable[[], Thing | None]) -> Thing | None:
        """Wait for something to come; return it, None if it never does."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            self._go_on()
            if found := come():
                return found
            time.sleep(0.05)
        return None

    def _answer_to(self, request: UUID) -> Callable[[], overview.RequestResult | None]:
        def come() -> overview.RequestResult | None:
            found = overview.tell(self.rt, request)
            return found if isinstance(found, overview.RequestResult) else None

        return come

    def _story(self, request: UUID) -> overview.MessageReport | None:
        answer = overview.tell(self.rt, request)
        if not isinstance(answer, overview.RequestResult) or not answer.messages:
            return None
        story = overview.tell(self.rt, answer.messages[0]["id"])
        return story if isinstance(story, overview.MessageReport) else None

    def _check(self, promise: str, kept: bool) -> None:
        self.checks.append((promise, kept))

    def _say(self, words: str) -> None:
        self._go_on()
        click.echo(words)

    def _advance(self, bar: Any, through: int) -> None:
        self._go_on()
        bar.update(through - bar.pos)

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Interrupted


def compare(rt: Runtime, oracle: Path, since: datetime) -> RecordDifference:
    """Return where the simulator's own log and our records differ."""
    with oracle.open() as lines:
        rulings = [json.loads(line) for line in lines]
    taken = [CarrierRecord(UUID(each["ref"]), each["carrier"], each["carrier_id"]) for each in rulings if each["taken"]]
    return reconcile(rt, taken, {each["carrier"] for each in rulings}, since)


def _carriers(story: overview.MessageReport) -> str:
    return " → ".join(each["carrier"] for each in story.attempts)
