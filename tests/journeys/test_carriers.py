"""Connected carriers that fail, slow down and recover: real processes, with the simulator as the SMSC."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.carriers.simulator import ask, both
from tests.journeys.installation import Installation, numbers, wait_for
from workers.lab.simulator.scripts import smpp_settings

PROCESSES = ("worker", "lane", "clock", "beat")
WINDOW = 50
LONG = "Ẹ kú àárọ̀! " + "Your ride arrives at 9, please be there. " * 6


@contextmanager
def smscs(installation: Installation, **scripts: dict[str, Any]) -> Iterator[str]:
    """Run SMSCs with these scripts as the installation's carriers, the first asked first; yield the simulator's URL."""
    with both(installation.home / "oracle.log", None, **scripts) as (url, port):
        installation.play(**{name: {} for name in scripts})
        for name, script in scripts.items():
            settings = smpp_settings(name, script, "127.0.0.1", port) | {"deadline": 2, "call_deadline": 3}
            installation.configure(name, "smpp", **settings)
        installation.environment |= {"POSTROAD_LEASE_SECONDS": "10", "POSTROAD_PORTION_SIZE": "100"}
        yield url


def play(url: str, carrier: str, **script: Any) -> None:
    ask(f"{url}/{carrier}/script", "PUT", script)


def statuses(installation: Installation) -> dict[str, int]:
    return dict(installation.rows("SELECT coalesce(status, ''), count(*) FROM messages GROUP BY 1"))


def test_a_campaign_over_smpp_is_sent_and_its_receipts_are_applied(installation: Installation) -> None:
    with smscs(installation, alpha={"receipts": {"duplicate:3": 0.1, "out_of_order": 0.1, "delay": [0, 0.3]}}):
        installation.start(*PROCESSES, "carriers alpha")
        installation.await_ready()

        installation.campaign(2, 1000)
        installation.submit(installation.order(50, body=LONG))
        installation.submit(*(installation.order(1, **{"class": "otp"}) for _ in range(5)))

        wait_for(lambda: statuses(installation) == {"delivered": 2055}, 60, why="all is delivered")
        verdict = installation.all_is_well(statuses={"delivered"})

    assert (verdict.unknown, verdict.doubled) == (0, 0)
    assert installation.rows("SELECT count(DISTINCT message_id), min(verdict), max(verdict) FROM parts") == [
        (50, "delivered", "delivered")
    ]


def test_a_killed_carrier_process_leaves_only_its_smpp_window_unknown(installation: Installation) -> None:
    with smscs(installation, alpha={"slow:0.2": 0.5}):
        # nothing is in doubt because the machine is busy, and nothing goes on because a lease has run out
        patient = json.dumps({"deadline": 20, "call_deadline": 30, "window": WINDOW})
        installation.world.run("UPDATE carriers SET settings = settings || %(patient)s::jsonb", patient=patient)
        installation.environment["POSTROAD_LEASE_SECONDS"] = "120"
        installation.start(*PROCESSES, "carriers")
        installation.await_ready()
        installation.campaign(3, 1000)

        before = installation.decided()
        wait_for(lambda: installation.decided() > before, why="the campaign moves")
        installation.kill("carriers")
        installation.start("carriers")

        verdict = installation.all_is_well(seconds=90)

    assert verdict.messages == 3000
    assert verdict.doubled == 0
    assert verdict.unknown <= WINDOW


def test_a_circuit_breaker_opens_probes_and_closes(installation: Installation) -> None:
    with smscs(installation, alpha={}, beta={}) as url:
        installation.start(*PROCESSES, "carriers alpha", "carriers beta")
        installation.await_ready()
        installation.campaign(1, 200)
        wait_for(lambda: not statuses(installation).get(""), why="all is decided")
        assert installation.rows("SELECT DISTINCT carrier FROM provider_attempts") == ["alpha"]

        play(url, "alpha", **{"refuse_transient:RSYSERR": 1})
        for _ in range(10):
            installation.campaign(1, 20)
            time.sleep(0.3)
        wait_for(lambda: not statuses(installation).get(""), 60, why="all is decided")
        failures = installation.count("SELECT count(*) FROM provider_attempts WHERE outcome <> 'accepted'")

        play(url, "alpha")
        wait_for(lambda: _taken_again(installation, failures), 40, every=0.5, why="the carrier is asked again")
        verdict = installation.all_is_well()

    assert failures <= 60  # the portion in flight when it opened, and a probe now and then
    assert verdict.doubled == 0


def _taken_again(installation: Installation, failures: int) -> bool:
    """Send one more; tell whether the carrier takes what comes now."""
    count = "SELECT count(*) FROM provider_attempts WHERE carrier = 'alpha' AND outcome = 'accepted'"
    before = installation.count(count)
    installation.campaign(1, 5)
    wait_for(lambda: not statuses(installation).get(""), why="all is decided")
    return installation.count(count) == before + 5


def test_a_slow_carrier_does_not_delay_messages_of_another_carrier(installation: Installation) -> None:
    with smscs(installation, alpha={}, beta={}) as url:
        installation.world.run("UPDATE routes SET destination = CASE carrier WHEN 'alpha' THEN '234' ELSE '233' END")
        installation.start(*PROCESSES, "carriers alpha", "carriers beta")
        installation.await_ready()
        play(url, "alpha", **{"slow:1.5": 1})
        installation.submit(*(installation.order(500) for _ in range(4)))
        wait_for(installation.sending, why="the slow one is at work")

        installation.submit(installation.order([{"to": f"+23320{n:07d}"} for n in range(1000)]))
        taken = "SELECT count(*) FROM provider_attempts WHERE carrier = '{}'"
        wait_for(lambda: installation.count(taken.format("beta")) == 1000, 30, why="the other has all of its own")

        assert installation.count(taken.format("alpha")) < 2000
        play(url, "alpha")
        installation.all_is_well(seconds=60)


def test_a_stop_message_from_a_handset_refuses_the_next_message_to_it(installation: Installation) -> None:
    [person] = numbers(1)
    with smscs(installation, alpha={}) as url:
        installation.start(*PROCESSES, "carriers alpha")
        installation.await_ready()
        installation.submit(installation.order([person]))
        wait_for(lambda: statuses(installation).get("delivered") == 1, why="the first one came")

        ask(f"{url}/alpha/inbound", "POST", {"from": person["to"], "to": "ACME", "text": "Stop"})
        wait_for(lambda: installation.count("SELECT count(*) FROM opt_outs") == 1, why="the word is heeded")
        [request] = installation.submit(installation.order([person]))
        wait_for(lambda: installation.count("SELECT count(*) FROM requests") == 2, why="the second is judged")

    [refusals] = installation.rows("SELECT refusals FROM requests WHERE id = %(id)s", id=request)
    assert [refusal["code"] for refusal in refusals] == ["opted_out"]


def test_a_late_submit_sm_resp_resolves_unknown_outcomes_and_its_receipts_are_matched(
    installation: Installation,
) -> None:
    with smscs(installation, alpha={"slow:4.5": 1, "receipts": {"delay": 6}}):
        installation.start(*PROCESSES, "carriers alpha")
        installation.await_ready()

        installation.submit(installation.order(20))
        wait_for(lambda: statuses(installation).get("sent") == 20, why="all is sent")
        assert installation.rows("SELECT DISTINCT outcome FROM provider_attempts") == ["unknown"]

        wait_for(lambda: statuses(installation) == {"delivered": 20}, why="the receipts are understood")
        verdict = installation.all_is_well(statuses={"delivered"})

    assert verdict.doubled == 0
    assert installation.rows("SELECT DISTINCT late_outcome FROM provider_attempts") == ["accepted"]
