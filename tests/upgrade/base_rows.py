"""Writes rows of every table with the code of the commit in BASE; `test_upgrade.py` runs it in that commit's tree.

Its imports and SQL are those of that commit, whatever the present tree calls them: change them when BASE changes.
"""
# mypy: ignore-errors

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.dialects import registry
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages import dead_letters, inbound, poison_orders
from pipeline.stages.admin import compliance, networks, person_import, producer_keys, wallets
from pipeline.stages.admin.account_templates import set_template
from pipeline.stages.admin.accounts import create_account, set_account_state
from pipeline.stages.admin.migrations import migrate
from pipeline.stages.api import verification, webhook_deliveries, webhook_endpoints
from pipeline.stages.cancel import cancel
from pipeline.stages.resend import resend_due
from pipeline.stages.settle import book
from pipeline.store import batch_claims, carrier_binds, message_parts
from schema.carriage import BindReport, Inbound, Receipt
from schema.dead_letter import DeadLetter
from schema.message_class import MessageClass
from schema.vocabulary import AccountState, DeadLetterSource, InboundAction, QuietAction, ReceiptVerdict
from tests.dialects.vendors import Vendor, issue
from tests.world import World

#: the last digits of numbers, and what the carrier alpha makes of their messages
SCRIPT = {"numbers": {"0002": "refuse:21", "0003": "silent", "0004": "refuse_transient:8"}}
TO = "+234801234"


def write(world: World) -> dict[str, str]:
    """Write the rows; return what the new tree's test has to know of them."""
    rt = world.rt
    now = datetime.now(UTC)
    token = issue(rt, "acme", Vendor.ROBASE).credentials["api_key"]
    [key] = world.rows("SELECT id FROM keys")
    robase = registry.DIALECTS[Vendor.ROBASE]
    endpoint, _ = webhook_endpoints.create(rt, world.account, robase, "https://hooks.example.org/sms")
    webhook_endpoints.rotate_secret(rt, world.account, endpoint.id)
    _configure(world)

    numbers = ("0001", "0005", "0002", "0003", "0004", "0006")
    ended = [world.send(TO + last, idempotency_key=f"key-{last}").messages[0] for last in numbers]
    _report(world, ended[0], "delivered")
    _report(world, ended[1], "failed")
    _report(world, ended[5], "failed", retryable=True)
    _claim(world, TO + "0015")
    assert resend_due(rt).hints, "nothing is sent again"
    world.add_carrier("alpha", SCRIPT)
    with rt.begin() as conn:
        message_parts.write(conn, [message_parts.MultipartAttempt("alpha", ended[0], 1, ["alpha-1", "alpha-2"])])
    # delivered once, so that a webhook delivery is done; the others wait
    jobs = webhook_deliveries.claim(rt, {}, 1).jobs
    webhook_deliveries.record(rt, [webhook_deliveries.CallOutcome(jobs[0], "200", accepted=True)])

    later = [world.submit(world.order(TO + last, send_at=now + timedelta(hours=1))) for last in ("0011", "0012")]
    for answers in later:
        world.pay(answers)
    cancel(rt, None, later[1][0].messages)
    world.submit(world.order(TO + "0013"))  # admitted
    opted_out = world.pay(world.submit(world.order(TO + "0016")))
    compliance.opt_out(rt, "acme", TO + "0016")
    world.deliver_all(opted_out)  # rejected
    _hold(world)
    world.pay(world.submit(world.order(TO + "0014")))  # queued
    code = rt.new_ids()
    expires = now + timedelta(minutes=10)
    challenge = verification.challenge(
        rt,
        code,
        world.account,
        "123456",
        expires_at=expires,
        max_attempts=3,
        key_id=key,
        callback_url="https://a.example",
    )
    verification.open_challenges(rt, [challenge])
    return {"token": token, "scheduled": str(later[0][0].messages[0]), "challenge": str(code)}


def _configure(world: World) -> None:
    """Fill the tables that messages do not."""
    rt = world.rt
    world.add_carrier("beta", {"numbers": {"0004": "refuse_transient:8"}}, rank=2)
    world.add_carrier("alpha", SCRIPT)
    set_template(rt, "acme", "ride", "Your ride: ${eta}")
    producer_keys.create_key(rt, "acme")
    wallets.grant(rt, "acme", 2, "free")
    networks.set_networks(rt, {"234801": "621-20"})
    person_import.add_person(rt, "acme", "anna", "+2348012340001")
    compliance.set_keyword(rt, None, "PLUS", InboundAction.STOP, None)
    compliance.set_quiet(rt, None, "GH", MessageClass.BULK, "22:00", "06:00", QuietAction.DEFER)
    inbound.keep(rt, [Inbound("alpha", "k1", "+2348012340001", "ACME", "hello", at=None)])
    dead_letters.keep(rt, [DeadLetter(DeadLetterSource.BROKER, "ingest", "not_json", b"payload")])
    poison_orders.count_redelivery(rt, rt.new_ids())
    with rt.begin() as conn:
        carrier_binds.write(conn, "alpha", "host", BindReport(1, 2, "refused", {"x": 1}))


def _report(world: World, message: object, verdict: str, *, retryable: bool = False) -> None:
    [ref] = world.rows("SELECT carrier_ref FROM provider_attempts WHERE message_id = %(id)s", id=message)
    book(world.rt, [Receipt("alpha", str(message), ReceiptVerdict(verdict), ref, None, "1", None, "{}", retryable)])


def _claim(world: World, to: str) -> None:
    """Leave a batch as a worker does that dies while it sends."""
    [hint] = world.pay(world.submit(world.order(to)))
    with world.rt.begin() as conn:
        [claim] = batch_claims.claim(conn, [hint.batch], 60)
        mark = batch_claims.PortionMark(claim.span.batch, claim.fence, None, claim.span.last)
        batch_claims.advance(conn, [mark], 60)


def _hold(world: World) -> None:
    """Hold a batch: its account is suspended."""
    create_account(world.rt, "other", "NGN", credit_limit=10_000)
    world.run("INSERT INTO sender_ids (account_id, sender) SELECT id, 'ACME' FROM accounts WHERE name = 'other'")
    hints = world.pay(world.submit(world.order(TO + "0017", account="other")))
    set_account_state(world.rt, "other", AccountState.SUSPENDED)
    world.deliver_all(hints)


def main() -> None:
    """Migrate the database that the settings name and write the rows; print what the test has to know as JSON."""
    settings = Settings(**json.loads(sys.argv[1]))
    assert Path(sys.modules["pipeline"].__file__).is_relative_to(Path.cwd()), "this is not the tree of BASE"
    rt = Runtime(settings)
    migrate(rt, registry.rows())
    sys.stdout.write(json.dumps(write(World(rt))))
    rt.close()


if __name__ == "__main__":
    main()
