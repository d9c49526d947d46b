import pytest

from pipeline.stages.admin.audit import audit
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
