"""A carrier is down, then returns errors, then does not respond: another carrier takes over (chaos plan, C9)."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

import pytest

from pipeline.stages.admin.operator_reports import MessageReport, report_of
from pipeline.store import circuit_breakers
from tests.journeys.installation import Installation, wait_for
from tests.journeys.simulated_carriers import PROCESSES, Station, far_ends, undecided

#: messages that go out together, and what may be on its way to one carrier at once
PORTION, IN_FLIGHT = 10, 4 * 10
#: failures until a breaker is open, beside what was in flight; and probes of it, each with one message
FAILURES, PROBES = 20, 6
BULK = {"class": "bulk"}


@pytest.fixture
def alpha(installation: Installation) -> Iterator[Station]:
    with closing(Station(installation, "alpha")) as station:
        yield station


@pytest.mark.parametrize("kind", ["http", "smpp"])
def test_another_carrier_takes_over_until_the_failing_carrier_recovers(
    installation: Installation, alpha: Station, kind: str
) -> None:
    settings = {"deadline": 1.5, "call_deadline": 2.5} | ({"reconnect_pause": 0.05} if kind == "smpp" else {})
    with far_ends(installation, kind, settings, PORTION, beta={}):
        installation.world.add_carrier("alpha", rank=0)
        installation.configure("alpha", kind, **alpha.settings(kind) | settings)
        installation.environment["POSTROAD_DOUBT_SECONDS_OTP"] = "2"
        installation.start(*PROCESSES, "carriers alpha", "carriers beta")
        installation.await_ready()

        # nobody listens: nothing was written, so all of it goes elsewhere
        failed = _fail(installation, 30)
        assert set(failed) == {"not_written"}
        assert installation.rows("SELECT DISTINCT outcome FROM provider_attempts WHERE carrier = 'beta'") == [
            "accepted"
        ]
        assert {line["carrier"] for line in installation.log()} == {"beta"}

        # it is back: a probe finds that out
        alpha.open()
        _await_return(installation)

        # it errs: what it refused goes elsewhere, what may have reached it does not
        alpha.play(refuse_transient=0.5, bad_gateway=0.5)
        failed = _fail(installation, 30)
        assert set(failed) == {"refused_transient", "unknown"}

        alpha.play()
        _await_return(installation)

        # it falls silent: codes in doubt go elsewhere once, and nothing else does
        alpha.play(silent=1)
        codes = _codes(installation, 3)
        failed = _fail(installation, 30)
        assert set(failed) == {"unknown"}
        wait_for(lambda: all(len(_story(installation, code).attempts) == 2 for code in codes), why="codes go elsewhere")

        alpha.play()
        _await_return(installation)
        verdict = installation.all_is_well(seconds=60)

    for code in codes:
        tries = _story(installation, code).attempts
        assert [(each["carrier"], each["outcome"]) for each in tries] == [("alpha", "unknown"), ("beta", "accepted")]
        assert [each["possible_duplicate"] for each in tries] == [False, True]
    assert verdict.doubled == len(codes)
    later = """
        SELECT count(*) FROM provider_attempts AS a JOIN provider_attempts AS b USING (message_id)
        JOIN messages AS m ON m.id = message_id JOIN batches ON batches.id = m.batch_id
        WHERE a.outcome = 'unknown' AND b.n > a.n AND class = 'bulk'
    """
    assert installation.rows(later) == [0]


def _fail(installation: Installation, orders: int) -> Counter[str]:
    """Send a campaign that its first carrier fails; return what became of what was given to that one.

    Its breaker opens after a few, and all that nobody has for sure was taken by the other.
    """
    count = "SELECT count(*) FROM provider_attempts WHERE carrier = 'alpha'"
    before = installation.count(count)
    requests = installation.campaign(orders, 6, **BULK)
    wait_for(lambda: undecided(installation) == 0, 60, why="all is decided")
    assert circuit_breakers.breaker_name("alpha") in {
        each.word for each in circuit_breakers.open_states(installation.world.rt.valkey) or ()
    }
    tries = installation.rows(
        "SELECT a.outcome, a.code FROM provider_attempts AS a JOIN messages AS m ON m.id = message_id"
        " WHERE a.carrier = 'alpha' AND m.request_id = ANY(%(requests)s)",
        requests=requests,
    )
    failed = Counter(outcome for outcome, code in tries if code not in ("fused", "no_time"))
    assert failed.total() <= FAILURES + IN_FLIGHT + PROBES, failed
    assert installation.count(count) - before < 6 * orders
    return failed


def _await_return(installation: Installation) -> None:
    """Return when the first carrier is given everything again."""

    def is_back() -> bool:
        [request] = installation.campaign(1, 6, **BULK)
        wait_for(lambda: undecided(installation) == 0, why="all is decided")
        return installation.rows(
            "SELECT DISTINCT a.carrier, a.outcome FROM provider_attempts AS a JOIN messages AS m ON m.id = message_id"
            " WHERE m.request_id = %(request)s",
            request=request,
        ) == [("alpha", "accepted")]

    wait_for(is_back, 60, every=0.5, why="the carrier is asked again")
    assert circuit_breakers.breaker_name("alpha") not in {
        each.word for each in circuit_breakers.open_states(installation.world.rt.valkey) or ()
    }


def _codes(installation: Installation, count: int) -> list[UUID]:
    """Send codes to the first carrier; return them when it has them."""
    requests = installation.submit(*(installation.order(1, **{"class": "otp"}) for _ in range(count)))
    found = "SELECT id FROM messages WHERE request_id = ANY(%(requests)s)"
    wait_for(lambda: len(installation.rows(found, requests=requests)) == count, why="codes are written")
    codes: list[UUID] = installation.rows(found, requests=requests)
    wait_for(lambda: set(map(str, codes)) <= {line["ref"] for line in installation.log()}, why="codes are on their way")
    return codes


def _story(installation: Installation, message: UUID) -> MessageReport:
    found = report_of(installation.world.rt, message)
    assert isinstance(found, MessageReport)
    return found
