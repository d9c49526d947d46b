import pytest

from pipeline.runtime import Runtime
from pipeline.stages.admin.audit import audit, audit_when_due
from pipeline.store import advisory_locks
from pipeline.store.audit import INVARIANTS
from tests.world import World


def broken(world: World) -> set[str]:
    return {finding.name for finding in audit(world.rt) if finding.broken}


def test_the_audit_finds_no_violation_in_a_consistent_database(world: World) -> None:
    world.add_carrier("alpha", {"numbers": {"07": "refuse_transient", "08": "refuse:1", "09": "silent"}})
    world.add_carrier("beta", rank=2)
    world.send(*(f"+23480123456{n:02}" for n in range(20)))

    assert broken(world) == set()


@pytest.mark.unsound("it is tampered with")
@pytest.mark.parametrize(
    ("tampering", "names"),
    [
        pytest.param("DELETE FROM messages", "I1", id="a message lost"),
        pytest.param("UPDATE batches SET status = 'queued', hinted_at = now() - interval '1 hour'", "I2", id="stuck"),
        pytest.param("UPDATE wallets SET balance = balance + 1", "I3 wallets", id="money from nowhere"),
        pytest.param("UPDATE messages SET amount = amount + 1", "I3 messages", id="another price"),
        pytest.param("UPDATE messages SET money = 'released'", "I3 states", id="sent for nothing"),
        pytest.param("DELETE FROM provider_attempts", "I4", id="sent by nobody"),
        pytest.param("UPDATE provider_attempts SET n = 2", "I6", id="a gap in the attempts"),
        pytest.param("UPDATE messages SET sent_at = NULL", "I7", id="sent at no time"),
        pytest.param("UPDATE batches SET valid_until = now() - interval '1 hour'", "I8", id="sent too late"),
        pytest.param("UPDATE batches SET send_at = now() + interval '1 hour'", "I8", id="sent too early"),
    ],
)
def test_the_audit_finds_each_kind_of_tampering(world: World, tampering: str, names: str) -> None:
    world.send()
    world.run("DROP TRIGGER batch_moves ON batches")

    world.run(tampering)

    assert names in broken(world)


def test_the_audit_finds_an_attempt_without_a_message(world: World) -> None:
    world.send()
    world.run(
        "INSERT INTO provider_attempts SELECT gen_random_uuid(), 1, carrier, batch_id, 1, outcome, NULL, NULL, NULL,"
        " now() FROM provider_attempts"
    )

    assert "I5" in broken(world)


# By the clock --------------------------------------------------------------------------------------------------


def test_the_clock_audits_once_a_day_and_at_once_after_installation(world: World) -> None:
    assert len(audit_when_due(world.rt)) == len(INVARIANTS)
    assert audit_when_due(world.rt) == []

    world.run("UPDATE audit_findings SET checked_at = checked_at - interval '23 hours'")
    assert audit_when_due(world.rt) == []

    world.run("UPDATE audit_findings SET checked_at = checked_at - interval '1 hour'")
    assert len(audit_when_due(world.rt)) == len(INVARIANTS)


@pytest.mark.unsound("it is tampered with")
def test_what_the_audit_of_the_clock_finds_is_stored_and_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.run("UPDATE wallets SET balance = balance + 1")

    audit_when_due(world.rt)

    assert world.rows("SELECT invariant FROM audit_findings WHERE broken > 0") == ["I3 wallets"]
    assert "1 violations of I3 wallets: each balance" in caplog.text


def test_the_clock_runs_no_audit_where_that_is_turned_off(world: World) -> None:
    off = Runtime(world.rt.settings.model_copy(update={"audit_hours": 0}))

    assert audit_when_due(off) == []
    off.close()


def test_of_two_clocks_one_audits(world: World) -> None:
    with world.rt.begin() as conn:
        assert advisory_locks.is_mine(conn, "audit")
        assert audit_when_due(world.rt) == []

    assert world.rows("SELECT * FROM audit_findings") == []


def test_a_process_that_is_to_stop_leaves_the_audit_to_the_next(world: World) -> None:
    looks = iter([False, False, True])
    stopping = Runtime(world.rt.settings, is_stopping=lambda: next(looks))

    found = audit_when_due(stopping)
    stopping.close()

    assert (found, next(looks, "no more")) == ([], "no more")
    assert world.rows("SELECT * FROM audit_findings") == []
