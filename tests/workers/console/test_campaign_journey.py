"""A campaign from a file to its results in a browser, by real workers: a manager makes it, another person approves."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.stages.campaigns.find import find
from schema.vocabulary import Role
from tests.workers.conftest import Eventually, Site
from tests.workers.console.conftest import Console, Eyes, open_as, served

ROWS = 2000
FILE = "to,name\n" + "".join(f"+23480{31_000_000 + place},Ada {place}\n" for place in range(ROWS))
BAD = "+2348031000000,Once more\nnonsense,Ben\n"


@pytest.fixture(scope="module")
def working(site: Site) -> Iterator[Console]:
    """A console, with workers and a clock on its database."""
    site.start_worker("--concurrency", "2")
    site.start("beat", "beat", ready=": starts")
    with served(site.rt) as url:
        yield Console(site.rt, url, site.world)


def comes(page: Page, state: str) -> None:
    """Wait until the page, which updates itself, shows a state."""
    expect(page.locator(".state .badge")).to_have_text(state, timeout=90_000)


@pytest.mark.timeout(900)
def test_a_manager_s_campaign_is_approved_by_another_paused_resumed_and_finished(
    working: Console, eyes: Eyes, eventually: Eventually, tmp_path: Path
) -> None:
    manager = working.add_user("mia", Role.CAMPAIGN_MANAGER)
    approver = working.add_user("abe", Role.APPROVER)
    (tmp_path / "people.csv").write_text(FILE + BAD)
    page = open_as(eyes, working, manager)
    page.on("dialog", lambda dialog: dialog.accept())

    # the manager uploads a file and reads the quote
    page.goto(f"{working.url}/campaigns/new?account=acme")
    page.locator("[name=name]").fill("spring")
    page.locator("[name=body]").fill("Hello ${name} – your ride is here")
    page.locator("[name=file]").set_input_files(tmp_path / "people.csv")
    page.get_by_text("Speed", exact=True).click()
    page.get_by_label("Most recipients an hour").fill("36000")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("2,002 rows loaded, 1 of them cannot be sent")
    comes(page, "quoted")
    page.get_by_role("link", name="Read the quote").click()
    expect(page.get_by_role("list", name="Sums")).to_contain_text("8\u202f000.00 NGN")
    expect(page.get_by_role("row", name="En dash")).to_contain_text("U+2013")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    page.get_by_role("button", name="Preview").click()
    expect(page.locator(".bubble")).to_have_text("Hello Ada 0 – your ride is here")
    page.get_by_label("Your number").fill("+447911123456")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("on its way to +4479******56")
    page.get_by_role("link", name="Not sent").click()
    address = f"{working.url}/campaigns/{find(working.rt, 'acme', 'spring').id}"

    # another person approves
    page = open_as(eyes, working, approver)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{address}/quote")
    page.get_by_role("button", name="Approve for at most").click()
    comes(page, "approved")
    expect(page.get_by_role("button", name="Start")).to_have_count(0)

    # the manager starts it, pauses it, and lets it go on without a limit
    page = open_as(eyes, working, manager)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(address)
    page.get_by_role("button", name="Start").click()
    comes(page, "running")
    eventually(lambda: working.world.rows("SELECT sent > 0 FROM campaign_progress") == [True], 60)
    page.get_by_text("Pause…").click()
    page.locator("details[open] [name=reason]").fill("a wrong word")
    page.get_by_role("button", name="Pause", exact=True).click()
    comes(page, "paused")
    expect(page.get_by_text("a wrong word").first).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    comes(page, "running")
    page.get_by_text("Change speed…").click()
    page.get_by_label("Most recipients an hour").fill("")
    page.get_by_role("button", name="Change speed", exact=True).click()
    comes(page, "finished")

    # and reads what became of it
    with page.expect_download() as download:
        page.get_by_role("link", name="Results", exact=True).click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert Counter(line.split(",")[3] for line in lines[1:]) == {"sent": ROWS, "skipped": 2}
    assert not any(f"+2348{place}" in line for line in lines for place in (31_000_000, 31_001_999))
    assert not eyes.faults
    eventually(lambda: working.world.rows("SELECT count(*) FROM messages WHERE phone = '+447911123456'") == [1])
