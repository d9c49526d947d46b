"""The persons table: many persons are looked up at once, in order and by an index."""

from uuid import uuid4

from pipeline.store.api import persons
from tests.world import World


def test_many_persons_are_looked_up_in_order_including_unknown_ones(world: World) -> None:
    phone_id, key, before = uuid4(), str(uuid4()), uuid4()
    world.run(
        "INSERT INTO idempotency_keys (account_id, scope, key, request_id) VALUES (%(a)s, 'solaris', %(k)s, %(r)s)",
        a=world.account,
        k=key,
        r=before,
    )
    with world.rt.begin() as conn:
        persons.create(conn, world.account, "anna", phone="+4915205555555", phone_id=phone_id, verified=True)
        persons.create(conn, world.account, "ben")

        found = persons.find(
            conn,
            [
                (world.account, "ben", "solaris", None),
                (world.account, "nobody", "solaris", key),
                (world.account, "anna", "another", key),
                (world.account + 1, "anna", "solaris", key),
                (world.account, "anna", "solaris", key),
            ],
        )

    names = [person.id if person else None for person, _ in found]
    assert names == ["ben", None, "anna", None, "anna"]
    assert [request for _, request in found] == [None, before, None, None, before]
    assert found[2][0] == found[4][0]
    assert found[4][0] is not None
    assert (found[4][0].phone, found[4][0].phone_id, found[4][0].verified) == ("+4915205555555", phone_id, True)


def test_a_lookup_of_many_persons_uses_the_indexes(world: World) -> None:
    world.run(
        "INSERT INTO persons (account_id, person_id) SELECT %(a)s, n::text FROM generate_series(1, 50000) AS n",
        a=world.account,
    )
    world.run(
        "INSERT INTO idempotency_keys (account_id, scope, key, request_id) "
        "SELECT %(a)s, 'solaris', n::text, gen_random_uuid() FROM generate_series(1, 50000) AS n",
        a=world.account,
    )
    world.run("ANALYZE persons, idempotency_keys")
    wanted = {
        "accounts": [world.account] * 500,
        "persons": [str(n) for n in range(500)],
        "scopes": ["solaris"] * 500,
        "keys": [str(n) for n in range(500)],
    }

    with world.rt.begin() as conn:
        plan = "\n".join(conn.exec_driver_sql("EXPLAIN " + persons._FIND, wanted).scalars())
    assert "Seq Scan on persons" not in plan, plan
    assert "Seq Scan on idempotency" not in plan, plan
