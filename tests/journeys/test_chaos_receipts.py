"""Thousands of late, duplicate, reordered and unknown receipts: each message ends as its script says (chaos, C12)."""

import socket
from collections import Counter
from collections.abc import Mapping
from statistics import median
from typing import Any
from uuid import UUID

import pytest

from pipeline.carriers.simulator_script import ReportPlan, Script, read
from tests.journeys.installation import Installation, wait_for
from tests.journeys.simulated_carriers import PROCESSES, far_ends, statuses, undecided

TOKEN = "what a receipt must carry"
#: three times, out of order, of strangers, late, a failure, none at all; and at once, so that those of an answer that
#: takes its time come before it
SCRIPT: dict[str, Any] = {
    "seed": 12,
    "slow:0.6": 0.1,
    "receipts": {
        "duplicate:3": 0.2,
        "out_of_order": 0.2,
        "stranger": 0.05,
        "late:4": 0.2,
        "failed:5": 0.1,
        "never": 0.01,
        "delay": 0,
    },
}
#: what each course makes of a message, unless it is delivered
ENDS = {ReportPlan.FAILED: "failed", ReportPlan.NEVER: "sent"}
#: seconds between two looks at what waits
TICK = 1.0
#: and what its clock may be late on a busy machine
LATE = 3.0


@pytest.mark.parametrize(("kind", "orders"), [("smpp", 6), ("http", 4)])
def test_each_message_changes_status_once_to_that_of_its_simulator_script(
    installation: Installation, kind: str, orders: int
) -> None:
    installation.world.run("UPDATE accounts SET subscribes = true")
    script = SCRIPT | ({"smpp": {"ids": "hex", "receipt_ids": "decimal"}} if kind == "smpp" else {})
    # here nobody is silent: whoever is late is this machine
    settings: dict[str, Any] = {"deadline": 10, "call_deadline": 11}
    if kind == "http":
        port = _free()
        script["receipts"] = SCRIPT["receipts"] | {"token": TOKEN}
        settings |= {"receipt_url": f"http://127.0.0.1:{port}/receipts/alpha", "receipt_token": TOKEN}
        installation.environment |= {"POSTROAD_GATEWAY_PORT": str(port), "POSTROAD_SECRET_KEY": "a secret " * 4}
    with far_ends(installation, kind, settings, 200, alpha=script):
        installation.start(*PROCESSES, "carriers alpha", *(["gateway"] if kind == "http" else []))
        installation.await_ready(*PROCESSES[:3])
        installation.campaign(orders, 500, **{"class": "bulk"})
        wait_for(lambda: undecided(installation) == 0, 60, why="all is sent")
        expected = _expected(installation, read("alpha", script))
        wait_for(lambda: statuses(installation) == Counter(expected.values()), 30, why="all is reported")
        foreign = _await_rest(installation)

        installation.world.run(
            "UPDATE receipts SET received_at = received_at - interval '4 days', due_at = now() WHERE state = 'waiting'"
        )
        left = "SELECT count(*) FROM receipts WHERE state = 'waiting'"
        wait_for(lambda: installation.count(left) == 0, why="what is about nobody is put aside")
        verdict = installation.all_is_well(statuses={"sent", "delivered", "failed"})

    assert (verdict.unknown, verdict.doubled) == (0, 0)
    assert dict(installation.rows("SELECT id, status FROM messages")) == expected
    _moved_once(installation, expected)
    states = dict(installation.rows("SELECT state, count(*) FROM receipts GROUP BY 1"))
    ended = sum(end != "sent" for end in expected.values())
    assert states["applied"] == ended
    assert states["orphaned"] == foreign
    assert set(states) == {"applied", "ignored", "orphaned"}
    _matched_soon(installation)


def _expected(installation: Installation, script: Script) -> Mapping[UUID, str]:
    """Return each message's last status, as its script wants it."""
    found = installation.rows("SELECT id, phone FROM messages")
    return {id_: ENDS.get(script.report_plans.draw(str(id_), phone).word, "delivered") for id_, phone in found}


def _await_rest(installation: Installation) -> int:
    """Return how many receipts are about nobody, when only those still wait."""
    known = """
        SELECT count(*) FROM receipts AS r WHERE state = 'waiting' AND EXISTS (
            SELECT FROM provider_attempts AS a WHERE a.carrier_ref = r.carrier_ref OR a.message_id = r.ref)
    """
    wait_for(lambda: installation.count(known) == 0, why="all receipts of known messages are settled")
    return installation.count("SELECT count(*) FROM receipts WHERE state = 'waiting'")


def _moved_once(installation: Installation, expected: Mapping[UUID, str]) -> None:
    """Each message was told to be queued, then sent, and then to be what it is now; nothing else, and never back."""
    reported: dict[UUID, list[str]] = {}
    for message, status in installation.rows("SELECT message_id, status FROM events ORDER BY at, id"):
        reported.setdefault(message, []).append(status)
    assert reported == {
        message: ["queued", "sent", *([end] if end != "sent" else [])] for message, end in expected.items()
    }


def _matched_soon(installation: Installation) -> None:
    """Receipts that came before their message's answer was written were settled a tick or two after that.

    Each is looked at again when it has waited twice as long, a tick at least; a busy clock may be late.
    """
    early = installation.rows(
        "SELECT extract(epoch FROM a.recorded_at - r.received_at)::float8,"
        " extract(epoch FROM r.applied_at - a.recorded_at)::float8 FROM receipts AS r"
        " JOIN provider_attempts AS a ON a.carrier_ref = r.carrier_ref AND a.carrier = r.carrier"
        " WHERE r.state = 'applied' AND r.received_at < a.recorded_at"
    )
    assert len(early) >= 100
    assert median(lag for _, lag in early) <= 2 * TICK
    assert all(lag <= max(age, TICK) + TICK + LATE for age, lag in early), max(early)


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
