"""Held batches in the console: why each waits, page by page, for operators."""

import pytest

from pipeline.stages.admin.carriers import set_carrier_state
from schema.vocabulary import CarrierState, Role
from tests.workers.console.conftest import Console, Eyes, open_as

#: as many as make a second page
_HELD = """
INSERT INTO batches (id, account_id, class, carrier, test, status, due_at, valid_until, size, first_id, last_id, held)
SELECT gen_random_uuid(), 1, 'bulk', 'alpha', false, 'queued', now(), now() + interval '1 hour', 1, gen_random_uuid(),
       gen_random_uuid(), 'carrier'
FROM generate_series(1, 59)
"""


@pytest.fixture(scope="module")
def viewer(console: Console) -> str:
    """One who may look; 60 batches wait for a carrier, one of them since its carrier was drained."""
    hints = console.world.pay(console.world.submit(console.world.order()))
    set_carrier_state(console.rt, "alpha", CarrierState.DRAINED, "complaints")
    console.world.deliver_all(hints)
    console.world.run(_HELD)
    return console.add_user("vera", Role.VIEWER)


def test_pages_have_each_held_batch_and_its_reason(console: Console, viewer: str) -> None:
    visitor = console.visitor(viewer)

    first = visitor.get("/held-batches").text
    following = first.partition('<p class="pages"><a href="')[2].partition('"')[0]
    second = visitor.get(following).text

    assert [page.count("<td>no carrier takes it</td>") for page in (first, second)] == [50, 10]
    assert 'class="pages"' not in second
    assert visitor.get("/held-batches?cursor=x").status == 422


def test_users_of_an_account_do_not_see_them(console: Console, viewer: str) -> None:
    visitor = console.visitor(console.add_user("anna", Role.ADMIN, account="acme"))

    assert visitor.get("/held-batches").status == 404


def test_the_page_looks_well(console: Console, eyes: Eyes, viewer: str) -> None:
    page = open_as(eyes, console, viewer)

    page.goto(f"{console.url}/held-batches")

    eyes.look(page, "held-batches")
