"""The audit log in the console: filters, pages, export, and who sees what."""

import csv
import io

import pytest

from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.carriers import set_carrier_state
from pipeline.stages.admin.prices import set_price
from schema.vocabulary import CarrierState, Role
from tests.workers.console.conftest import Console, Eyes, open_as

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def admin(console: Console) -> str:
    """One who may read it; there are some changes of two accounts, and one of the installation with markup in it."""
    create_account(console.rt, "other", "EUR")
    set_price(console.rt, "DE", "EUR", 700, "other")
    set_price(console.rt, "DE", "NGN", 700, "acme")
    set_carrier_state(console.rt, "alpha", CarrierState.ACTIVE, MARKUP)
    return console.add_user("olga", Role.ADMIN)


def test_changes_are_filtered_by_account_table_actor_and_time_and_shown_as_text(console: Console, admin: str) -> None:
    visitor = console.visitor(admin)

    everything = visitor.get("/audit-log").text
    carriers = visitor.get("/audit-log?table=carriers").text
    other = visitor.get("/audit-log?account=other&table=prices").text
    nobody = visitor.get("/audit-log?actor=nobody").text
    later = visitor.get("/audit-log?since=2999-01-01T00:00").text

    assert MARKUP not in everything + carriers
    assert "&lt;img src=x" in carriers
    assert (carriers.count("<td>prices "), other.count("<td>prices ")) == (0, 1)
    assert "<td>" not in nobody + later
    assert visitor.get("/audit-log?account=none").status == 404
    assert visitor.get("/audit-log?before=-1").status == 404
    assert visitor.get("/audit-log?since=soon").status == 422


def test_a_user_of_an_account_sees_its_changes_alone(console: Console, admin: str) -> None:
    visitor = console.visitor(console.add_user("otto", Role.ADMIN, account="other"))

    pages = [visitor.get(f"/audit-log{path}").text for path in ("", "?account=acme", "/export?account=acme")]

    assert all("prices" in each and "carriers" not in each.partition("<tbody>")[2] for each in pages)
    rows = list(csv.DictReader(io.StringIO(pages[2])))
    assert {each["account"] for each in rows} == {"other"}


def test_without_the_right_the_log_is_not_shown(console: Console, admin: str) -> None:
    visitor = console.visitor(console.add_user("vera", Role.VIEWER))

    assert [visitor.get(path).status for path in ("/audit-log", "/audit-log/export")] == [403, 403]


def test_pages_and_the_export_have_each_change_once(console: Console, admin: str) -> None:
    for amount in range(60):
        set_price(console.rt, "FR", "NGN", 100 + amount, "acme")
    visitor = console.visitor(admin)
    wanted = console.world.rows(
        "SELECT id FROM audit_log WHERE subject_table = 'prices' AND account_id = 1 ORDER BY id DESC"
    )
    path, count, pages = "/audit-log?table=prices&account=acme", 0, 0

    while path:
        page = visitor.get(path).text
        count, pages = count + page.count("<td>prices "), pages + 1
        path = page.partition('<p class="pages"><a href="')[2].partition('"')[0].replace("&amp;", "&")
    export = visitor.get("/audit-log/export?table=prices&account=acme")

    assert (count, pages) == (len(wanted), 2)
    assert export.headers["content-type"].startswith("text/csv")
    assert "attachment" in export.headers["content-disposition"]
    assert [int(each["id"]) for each in csv.DictReader(io.StringIO(export.text))] == wanted


def test_the_page_looks_well(console: Console, eyes: Eyes, admin: str) -> None:
    page = open_as(eyes, console, admin)

    page.goto(f"{console.url}/audit-log")

    eyes.look(page, "audit-log")
