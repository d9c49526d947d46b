"""A verification code is erased once its message is final: it is in no row, no log, and no key of the broker."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from telesignenterprise.verify import VerifyClient

from pipeline.stages.admin import operator_reports
from pipeline.stages.deliver import deliver
from pipeline.stages.settle import settle_on_arrival
from schema.carriage import Receipt
from schema.vocabulary import ReceiptVerdict
from tests.api.conftest import RunningGateway
from tests.dialects.vendors import Vendor
from tests.world import World
from workers.cli.terminal.message_view import message_lines
from workers.lab.embedded import development

NUMBER, CODE = "2348012345678", "9081726"


@pytest.fixture
def client(running_gateway: RunningGateway) -> Iterator[VerifyClient]:
    """The vendor's client with a key of ours."""
    credentials = running_gateway.key(Vendor.TELESIGN)
    made = VerifyClient(*credentials.values(), rest_endpoint=f"{running_gateway.url}/telesign")
    yield made
    made.session.close()


def rows_with(world: World, word: str) -> list[str]:
    """Return the tables that have a row with the word in it."""
    tables = world.rows(
        """
        SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1
        """
    )
    query = "SELECT count(*) FROM {} AS t WHERE position(%(word)s IN t::text) > 0"
    return [table for table in tables if world.rows(query.format(table), word=word) != [0]]


def kept_by(valkey: redis.Redis, word: str) -> list[bytes]:
    """Return the keys that hold the word, or have it in their names."""
    read: dict[bytes | str, Callable[[bytes], Any]] = {
        b"string": valkey.get,
        b"list": lambda key: valkey.lrange(key, 0, -1),
        b"set": valkey.smembers,
        b"zset": lambda key: valkey.zrange(key, 0, -1, withscores=True),
        b"hash": valkey.hgetall,
        b"stream": valkey.xrange,
        b"none": lambda _: None,  # expired since it was listed
    }
    return [key for key in valkey.scan_iter() if word.encode() in key + repr(read[valkey.type(key)](key)).encode()]


def carry(world: World) -> None:
    """Have all that waits delivered, and its carrier say so: nobody will need the texts any more."""
    deliver(world.rt, world.rows("SELECT id FROM batches WHERE status = 'queued'"))
    found = world.rows("SELECT carrier, message_id, carrier_ref FROM provider_attempts")
    reported = [
        Receipt(carrier, str(ref), ReceiptVerdict.DELIVERED, id_, ref, None, None, "") for carrier, ref, id_ in found
    ]
    assert settle_on_arrival(world.rt, reported) == len(reported) > 0


def test_a_code_is_erased_from_rows_logs_and_the_broker_after_delivery(
    client: VerifyClient, world: World, pair: development.EmbeddedServers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    reference = client.sms(NUMBER, verify_code=CODE).json["reference_id"]
    assert rows_with(world, CODE) == ["messages"]

    carry(world)
    client.status(reference, verify_code=CODE)
    client.status(reference, verify_code=CODE[:-1])
    client.completion(reference)

    assert rows_with(world, CODE) == []
    # the vendor's client runs in this very process and logs what it asks
    ours = [each for each in caplog.records if not each.name.startswith("urllib3")]
    assert not [each for each in ours if CODE in each.getMessage() + str(each.__dict__)]
    with redis.Redis.from_url(pair.broker_url) as valkey:
        assert kept_by(valkey, CODE) == []
        assert kept_by(valkey, NUMBER) == []


def test_a_delivered_text_is_replaced_with_asterisks_of_its_length(client: VerifyClient, world: World) -> None:
    client.sms(NUMBER, verify_code=CODE, template="Ihr Code lautet $$CODE$$ €")

    carry(world)

    [(body, encoding, segments, id_)] = world.rows("SELECT body, encoding, segments, id FROM messages")
    assert (body, encoding, segments) == ("*" * 25, "GSM7", 1)
    report = operator_reports.report_of(world.rt, id_)
    assert report is not None
    shown = message_lines(report)
    assert "*" * 25 in shown
    assert CODE not in shown
