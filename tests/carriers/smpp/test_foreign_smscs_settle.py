"""From an order to `delivered` over third-party SMSCs: their responses and receipts settle in the database."""

import json
import time
from collections.abc import Iterator

import pytest

from pipeline.stages.admin.audit import audit
from pipeline.stages.carrier_placement import keep_connected
from pipeline.stages.settle import settle, settle_on_arrival
from schema.carriage import CarrierEvents
from tests.carriers.smpp.foreign_smscs import ScriptedVendor, node_smpp, smpp34
from tests.world import World

LONG = "Ваш заказ прибудет в девять часов. " * 5
STATES = "SELECT status, money, count(*) FROM messages GROUP BY 1, 2"


@pytest.fixture(params=[node_smpp, smpp34])
def scripted_vendor(request: pytest.FixtureRequest) -> Iterator[ScriptedVendor]:
    with request.param() as scripted_vendor:
        yield scripted_vendor


@pytest.mark.parametrize("form", ["udh8", "sar", "payload"])
def test_short_and_long_messages_reach_delivered_over_third_party_smscs(
    world: World, scripted_vendor: ScriptedVendor, form: str
) -> None:
    settings = {
        "host": "127.0.0.1",
        "port": scripted_vendor.port,
        "system_id": "acme",
        "password": "secret",
        "long": form,
    }
    world.run(
        "UPDATE carriers SET kind = 'smpp', settings = %(settings)s::jsonb WHERE name = 'alpha'",
        settings=json.dumps(settings),
    )

    def handle(events: CarrierEvents) -> None:
        settle_on_arrival(world.rt, events.receipts)

    keep_connected(world.rt, "alpha", handle)
    world.send("+2348012345678", "+2348012345679")
    world.send("+2348012345670", body=LONG)

    deadline = time.monotonic() + 20
    while world.rows(STATES) != [("delivered", "captured", 3)] and time.monotonic() < deadline:
        time.sleep(0.05)
        settle(world.rt)  # a receipt may come before the answer to its submit_sm is written
    assert world.rows(STATES) == [("delivered", "captured", 3)]
    assert [finding for finding in audit(world.rt) if finding.broken] == []
