"""What pages and a scrape read where there is history: few partitions and blocks, no table whole, no lock; how fast.

Sixty days: at two percent of 100,000 messages a day in the suite, at full size in `make soak`, which measures times.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from statistics import median

import pytest

from pipeline.runtime import Runtime
from pipeline.stages.admin.metrics_snapshot import read_snapshot
from schema.vocabulary import Role
from tests import full_history
from tests.databases import NewDatabase
from tests.plans import blocks, executed, noted_statements, partitions_of, whole_reads
from tests.soak import IS_SOAK, size
from tests.workers.console.conftest import Console, Visitor, own_console
from workers.lab.embedded import development

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

DAYS = 60
#: messages a day, and rows of a campaign
MESSAGES, ROWS = size(2_000, 100_000), size(20, 5_000)
#: partitioned by day
DAILY = ("messages", "provider_attempts", "campaign_rows")
MONTHLY = ("message_numbers", "message_correlations")
#: partitions by month: of sixty days, of those ahead, and that of all later ones
MONTHS = 5
#: blocks of a table that may be read whole; and configuration, of which all may be
WHOLE = 16
CONFIGURATION = {"routes", "prices"}
#: tables of which only a bounded part is locked as rows are changed: sessions note that they are used
CHANGED = {"user_sessions"}
SCRAPE = "a scrape"
#: days whose attempts a scrape reads: the last 35, those ahead, and that of all later ones
READ = 35 + 10
#: seconds of server time
PAGE_TIME, SCRAPE_TIME = 0.2, 0.1


@dataclass(frozen=True, slots=True)
class History:
    """A console on a full database, and what its pages are asked for."""

    rt: Runtime
    visitor: Visitor
    known: dict[str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """What all queries of a page together may read."""

    blocks: int = 1_000
    #: of one table by day, by one query
    partitions: int = 2


#: a page of messages, each of which may be of another day
SCATTERED = Limits(blocks=1_500, partitions=51)
#: a filter that each of up to 5,000 messages, of the latest 500 requests, is read for
FILTERED = Limits(blocks=10_000, partitions=51)
#: recent attempts, which may be at messages of any day: each has a BRIN index
OF_ANY_DAY = Limits(blocks=2_000, partitions=DAYS + 10)


@pytest.fixture(scope="module")
def history(
    pair: development.EmbeddedServers, new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[History]:
    with own_console(pair, new_database(), tmp_path_factory.mktemp("home")) as rt:
        full_history.fill(rt, DAYS, MESSAGES, ROWS)
        console = Console(rt, rt.settings.console_address)
        yield History(rt, console.visitor(console.add_user("ada", Role.ADMIN)), _known(rt))


def _known(rt: Runtime) -> dict[str, str]:
    person = 4_000
    now = rt.now()
    with rt.read_only() as conn:
        message = conn.exec_driver_sql(
            "SELECT id, request_id FROM messages WHERE phone = %(phone)s ORDER BY id OFFSET 3 LIMIT 1",
            {"phone": full_history.phone(person)},
        ).one()
        campaign, inbound, endpoint = (
            conn.exec_driver_sql(f"SELECT id FROM {table} ORDER BY id OFFSET 2 LIMIT 1").scalar_one()
            for table in ("campaigns", "inbound_messages", "webhook_endpoints")
        )
    return {
        "number": full_history.phone(person).replace("+", "%2B"),
        "own": full_history.correlation_id(person),
        "account": f"account-{person % full_history.ACCOUNTS + 1}",
        "message": str(message.id),
        "request": str(message.request_id),
        "campaign": str(campaign),
        "inbound": str(inbound),
        "endpoint": str(endpoint),
        "week": f"{now - timedelta(days=40):%Y-%m-%dT%H:%M}",
        "later": f"{now - timedelta(days=33):%Y-%m-%dT%H:%M}",
    }


PAGES = {
    "/": Limits(),
    "/overview": Limits(),
    "/overview/attention": Limits(),
    "/messages?q={number}": SCATTERED,
    "/messages?q={own}": SCATTERED,
    "/messages?q={number}&account={account}": SCATTERED,
    "/messages?q={number}&account={account}&since={week}&until={later}": SCATTERED,
    "/messages?account={account}": Limits(),
    "/messages?account={account}&sender=ACME": FILTERED,
    "/messages?account={account}&status=failed": FILTERED,
    "/messages?account={account}&since={week}&until={later}": Limits(),
    "/messages/{message}": Limits(),
    "/requests/{request}": Limits(),
    "/campaigns": Limits(),
    "/campaigns?state=paused": Limits(),
    "/campaigns?account={account}&state=finished": Limits(),
    "/campaigns/{campaign}": Limits(),
    "/campaigns/{campaign}/live": Limits(),
    "/campaigns/{campaign}/errors": Limits(),
    "/audit-log": Limits(),
    "/audit-log?actor=user-7": Limits(),
    "/audit-log?actor=once&since=2020-01-01T00:00": Limits(),
    "/audit-log?actor=nobody&since=2020-01-01T00:00": Limits(),
    "/audit-log?account={account}": Limits(),
    "/audit-log?account={account}&actor=nobody&table=routes": Limits(),
    "/audit-log?table=routes": Limits(),
    "/routes": Limits(),
    "/routes?destination=2341": Limits(),
    "/accounts": Limits(),
    "/accounts/{account}": Limits(),
    "/accounts/{account}/money": Limits(),
    "/carriers": OF_ANY_DAY,
    "/carriers/carrier-1": OF_ANY_DAY,
    "/inbound": Limits(),
    "/inbound?account={account}": Limits(),
    "/inbound/{inbound}": Limits(),
    "/opt-outs": Limits(),
    "/opt-outs?account={account}": Limits(),
    "/webhooks": Limits(),
    "/webhooks/{endpoint}": Limits(),
    "/webhooks/{endpoint}?state=dead": Limits(),
    "/held-batches": Limits(),
    "/dead-letters": Limits(),
    "/dead-letters/receipt": Limits(),
    "/users": Limits(),
    "/profile": Limits(),
}


def faults(rt: Runtime, limits: Limits, call: Callable[[], object]) -> list[str]:
    """Return what is wrong with the queries of a call."""
    with noted_statements(rt) as found:
        call()
    assert found
    total, wrong = 0, []
    for statement in found:
        plan, locked = executed(rt, statement)
        total += blocks(plan)
        words = " ".join(statement[0].split())[:200]
        if whole := {name: read for name, read in whole_reads(plan, WHOLE).items() if name not in CONFIGURATION}:
            wrong.append(f"reads {whole} whole: {words}")
        for table, most in {**dict.fromkeys(DAILY, limits.partitions), **dict.fromkeys(MONTHLY, MONTHS)}.items():
            if len(read := partitions_of(plan, table)) > most:
                wrong.append(f"reads {len(read)} partitions of {table}: {words}")
        if locked - CHANGED:
            wrong.append(f"locks {locked - CHANGED}: {words}")
    if total > limits.blocks:
        wrong.append(f"reads {total} blocks in all")
    return wrong


def _calls(history: History) -> dict[str, Callable[[], object]]:
    """Return by its name each call that is looked at: of the pages, and a scrape."""

    def load(path: str) -> None:
        answer = history.visitor.get(path.format(**history.known))
        if answer.status == 303:  # a number is searched at an address that has it encrypted
            answer = history.visitor.get(answer.headers["location"])
        assert answer.status == 200, answer.text

    return {path: partial(load, path) for path in PAGES} | {SCRAPE: lambda: read_snapshot(history.rt)}


# one test: the database is filled once, whatever process runs it
def test_pages_and_a_scrape_read_little_however_much_history_there_is(history: History) -> None:
    limits = PAGES | {SCRAPE: Limits(partitions=READ)}

    found = {name: faults(history.rt, limits[name], call) for name, call in _calls(history).items()}

    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.skipif(not IS_SOAK, reason="make soak measures times, at full size")
def test_pages_and_a_scrape_are_quick_at_full_size(
    history: History, record_property: Callable[[str, object], None]
) -> None:
    took = {name: median(_seconds(call) for _ in range(9)) for name, call in _calls(history).items()}

    for name, seconds in sorted(took.items(), key=lambda each: -each[1]):
        record_property(name, f"{seconds * 1000:.0f} ms")
    slow = {name for name, seconds in took.items() if seconds > (SCRAPE_TIME if name == SCRAPE else PAGE_TIME)}
    assert slow == set()


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
