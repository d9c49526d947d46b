"""Campaigns in the console: who may do what, uploads, files, and stored strings that look like markup."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest
from markupsafe import escape
from playwright.sync_api import expect

from pipeline.stages.admin.accounts import create_account, set_four_eyes
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.campaigns.create import create
from pipeline.stages.campaigns.find import find
from pipeline.stages.fold_counts import fold_counts
from schema.campaign import Campaign, CampaignDefinition
from schema.vocabulary import Role
from tests.stages.launched import Launched, numbers
from tests.workers.console.conftest import Answer, Console, Eyes, Visitor, open_as
from workers.campaign_checking import check_all
from workers.console import campaign_upload

FILE = "to,name\n+2348031234567,Ada\nnonsense,Ben\n+2348031234568,Cy\n+2348031234568,Di\n"
CHANGES = ("check", "approve", "start", "pause", "resume", "abort", "limit", "end-repeat", "change", "recipients")
HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>"""


@pytest.fixture(scope="module")
def manager(console: Console) -> str:
    return console.add_user("mia", Role.CAMPAIGN_MANAGER)


@pytest.fixture(scope="module")
def approver(console: Console) -> str:
    return console.add_user("abe", Role.APPROVER)


@pytest.fixture(scope="module")
def viewer(console: Console) -> str:
    return console.add_user("vera", Role.VIEWER)


def id_in(answer: Answer) -> UUID:
    """Return the campaign that an answer leads to."""
    assert answer.status == 303, re.findall('<p class="problem.*|<div class="problem.*', answer.text)
    return UUID(urlsplit(answer.headers["location"]).path.removeprefix("/campaigns/"))


def notice_of(answer: Answer) -> str:
    """Return what the page that an answer leads to will say."""
    return unquote(parse_qs(urlsplit(answer.headers["location"]).query)["notice"][0])


def created(visitor: Visitor, name: str, file: str = FILE, file_name: str = "people.csv", **form: str) -> UUID:
    """Create a campaign by the form, with a file; return its id."""
    given = {"account": "acme", "name": name, "sender": "ACME", "body": "Hello ${name}", "duplicates": "drop"} | form
    return id_in(visitor.upload("/campaigns/new", "file", file_name, file, **given | {"class": "bulk"}))


def test_a_campaign_is_created_checked_approved_and_started(
    console: Console, manager: str, approver: str, viewer: str
) -> None:
    visitor = console.visitor(manager)
    given = {"send_at": f"{_later(console):%Y-%m-%dT%H:%M}", "max_failed": "2,5", "canary": "1", "hours_from": "09:00"}

    id_ = created(visitor, "spring", **given, hours_until="20:00")
    check_all(console.rt, id_)
    quote = console.visitor(approver).get(f"/campaigns/{id_}/quote").text
    errors = visitor.get(f"/campaigns/{id_}/errors").text
    cost = re.search(r'name="max_cost" value="(\d+)"', quote)
    assert cost
    approved = console.visitor(approver).post(f"/campaigns/{id_}/approve", max_cost=cost[1])
    started = visitor.post(f"/campaigns/{id_}/start")

    made = find(console.rt, "acme", "spring")
    assert (made.state, made.created_by, made.approved_by) == ("scheduled", f"user:{manager}", f"user:{approver}")
    assert made.gates == {"failed": 0.025, "min_sample": 50}
    assert (made.canary, made.local_hours, made.max_cost) == (1, "09:00-20:00", 800)
    assert (approved.status, started.status) == (303, 303)
    assert re.findall(r'<th scope="row" class="number">(\d+)</th><td>(\w+ ?\w*)</td>', errors) == [
        ("3", "phone invalid"),
        ("5", "duplicate"),
    ]
    history = console.visitor(viewer).get(f"/campaigns/{id_}").text
    for words in ("quoted → approved", approver, "loaded 4 rows", "approved → scheduled"):
        assert words in history


def test_a_time_of_the_form_is_in_the_reader_s_zone(console: Console, manager: str) -> None:
    visitor = console.visitor(manager)
    visitor.token += "; postroad_zone=Asia/Kolkata"

    day = f"{_later(console):%Y-%m-%d}"
    id_ = created(visitor, "zoned", send_at=f"{day}T18:00")
    check_all(console.rt, id_)

    found = find(console.rt, "acme", "zoned")
    assert found.send_at
    assert found.send_at.astimezone(UTC).isoformat() == f"{day}T12:30:00+00:00"
    assert f'value="{day}T18:00"' in visitor.get(f"/campaigns/{id_}/change").text


def _later(console: Console) -> datetime:
    return console.rt.now() + timedelta(days=30)


def test_what_is_wrong_in_the_form_is_said_by_its_fields_and_nothing_is_created(console: Console, manager: str) -> None:
    visitor = console.visitor(manager)
    form = {"account": "acme", "name": "autumn", "sender": "ACME", "body": "Hi", "class": "bulk", "duplicates": "drop"}

    wrong = visitor.post(
        "/campaigns/new", None, **form | {"per_hour": "many", "valid_until": "soon", "max_failed": "200"}
    )
    no_text = visitor.post("/campaigns/new", None, **form | {"body": ""})
    no_column = visitor.upload("/campaigns/new", "file", "a.csv", "to\n+2348031234567\n", **form | {"body": "${x}"})
    past = visitor.post("/campaigns/new", None, **form | {"valid_until": "2020-01-01T00:00"})

    assert {answer.status for answer in (wrong, no_text, no_column, past)} == {422}
    assert {"per_hour", "valid_until", "max_failed"} == set(re.findall(r'id="fault-(\w+)"', wrong.text))
    assert 'value="many"' in wrong.text
    assert "write a text, or choose a template" in no_text.text
    assert "the text needs ${x}" in no_column.text
    assert console.world.rows("SELECT count(*) FROM campaigns WHERE name = 'autumn'") == [0]


def test_a_definition_is_changed_and_keeps_what_is_not(console: Console, manager: str) -> None:
    visitor = console.visitor(manager)
    id_ = created(visitor, "changed", per_hour="100", fields="day=Monday", repeat="")
    check_all(console.rt, id_)
    form = visitor.get(f"/campaigns/{id_}/change").text
    values = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))

    chosen = {"sender": "ACME", "class": "bulk", "duplicates": "drop"}
    answer = visitor.post(f"/campaigns/{id_}/change", **values | chosen | {"body": "Bye ${name}"})

    found = find(console.rt, "acme", "changed")
    assert id_in(answer) == id_
    assert (found.state, found.body, found.per_hour) == ("stale", "Bye ${name}", 100)


def test_a_person_may_not_approve_what_is_his_own_where_four_eyes_are_required(console: Console) -> None:
    both = console.add_user("bo", Role.CAMPAIGN_MANAGER, Role.APPROVER)
    visitor = console.visitor(both)
    id_ = created(visitor, "four eyes")
    check_all(console.rt, id_)
    set_four_eyes(console.rt, "acme", 1)

    quote = visitor.get(f"/campaigns/{id_}/quote").text
    answer = visitor.post(f"/campaigns/{id_}/approve", max_cost="800")
    set_four_eyes(console.rt, "acme", None)

    assert "You cannot approve it: account" in quote
    assert "its creator, user:bo, cannot approve" in quote
    assert "/approve" not in quote
    assert answer.status == 409
    assert find(console.rt, "acme", "four eyes").state == "quoted"


def test_a_quote_that_has_become_dearer_than_the_one_that_was_read_is_not_approved(
    console: Console, manager: str, approver: str
) -> None:
    id_ = created(console.visitor(manager), "dearer")
    check_all(console.rt, id_)

    answer = console.visitor(approver).post(f"/campaigns/{id_}/approve", max_cost="799")

    assert answer.status == 409
    assert "more than 7.99 NGN" in answer.text


@pytest.mark.parametrize("change", CHANGES)
def test_a_viewer_changes_nothing(console: Console, viewer: str, change: str) -> None:
    id_ = make(console, f"viewed {change}").id
    visitor = console.visitor(viewer)

    page = visitor.get(f"/campaigns/{id_}").text
    answer = visitor.post(f"/campaigns/{id_}/{change}")

    assert answer.status == 403
    assert "<form method" not in page.partition("<main")[2]
    assert visitor.get("/campaigns/new").status == 403
    assert visitor.get(f"/campaigns/{id_}/preview?line=2").status == 403
    assert visitor.post(f"/campaigns/{id_}/results.csv").status == 403


def make(console: Console, name: str) -> Campaign:
    """Create a campaign without recipients."""
    return create(console.rt, CampaignDefinition(account="acme", name=name, sender="ACME", body="Hi"))


def test_what_the_state_does_not_allow_is_refused_by_the_server(console: Console, manager: str) -> None:
    id_ = make(console, "refused").id
    visitor = console.visitor(manager)

    answers = {each: visitor.post(f"/campaigns/{id_}/{each}") for each in ("start", "pause", "resume", "end-repeat")}
    aborted = visitor.post(f"/campaigns/{id_}/abort", reason="a mistake")

    assert {answer.status for answer in answers.values()} == {409}
    assert "it cannot be started" in answers["start"].text
    assert aborted.status == 303
    assert "a mistake" in visitor.get(f"/campaigns/{id_}").text
    assert visitor.post(f"/campaigns/{id_}/abort").status == 409


def test_a_user_of_an_account_sees_and_changes_nothing_of_another(console: Console, manager: str) -> None:
    create_account(console.rt, "other", "EUR")
    id_ = created(console.visitor(manager), "secret")
    check_all(console.rt, id_)
    visitor = console.visitor(console.add_user("otto", Role.ADMIN, account="other"))
    pages = ("", "/live", "/quote", "/errors", "/errors.csv", "/results.csv", "/change", "/preview?line=2")

    answers = [visitor.get(f"/campaigns/{id_}{page}") for page in pages]
    answers += [visitor.post(f"/campaigns/{id_}/{each}", max_cost="800") for each in (*CHANGES, "exclusions")]
    answers.append(visitor.post(f"/campaigns/{id_}/preview", line="2", number="+2348031234567"))
    answers += [visitor.post(f"/campaigns/{id_}/{each}.csv") for each in ("errors", "results")]
    listed = visitor.get("/campaigns?account=acme").text
    form = visitor.get("/campaigns/new?account=acme").text
    foreign = {"account": "acme", "name": "x", "sender": "ACME", "body": "Hi", "class": "bulk", "duplicates": "drop"}
    planted = visitor.post("/campaigns/new", None, **foreign)

    assert {answer.status for answer in answers} == {404}
    assert "secret" not in listed
    assert "ACME" not in form
    assert planted.status == 422
    assert console.world.rows("SELECT count(*) FROM campaigns WHERE name = 'x'") == [0]
    assert find(console.rt, "acme", "secret").state == "quoted"


def test_numbers_in_files_are_masked_but_for_those_who_may_see_them_and_that_is_logged(
    console: Console, manager: str
) -> None:
    id_ = created(console.visitor(manager), "files")
    check_all(console.rt, id_)
    admin = console.add_user("ada", Role.ADMIN)
    reader = console.visitor(admin)

    masked = reader.get(f"/campaigns/{id_}/results.csv")
    full = reader.post(f"/campaigns/{id_}/results.csv")
    refused = console.visitor(manager).post(f"/campaigns/{id_}/results.csv")
    errors = reader.post(f"/campaigns/{id_}/errors.csv").text
    history = reader.get(f"/campaigns/{id_}").text

    assert masked.text.startswith("line,correlation_id,number,outcome")
    assert "+2348031234567" not in masked.text
    assert "+2348031234567" in full.text
    assert full.headers["content-disposition"] == 'attachment; filename="files-results.csv"'
    assert refused.status == 403
    assert "5,duplicate" in errors
    assert "+2348031234568" in errors
    assert "downloaded results.csv with full numbers" in history
    approve(console.rt, id_)  # who looks at a file has not written the campaign
    logged = console.world.rows(
        "SELECT actor, after ->> 'file' FROM audit_log WHERE subject_table = 'campaign_rows' ORDER BY id"
    )
    assert logged == [(admin, "results.csv"), (admin, "errors.csv")]


def test_a_file_is_loaded_once_however_often_it_comes_and_another_one_is_refused(
    console: Console, manager: str
) -> None:
    visitor, id_ = console.visitor(manager), make(console, "loaded").id
    path = f"/campaigns/{id_}/recipients"
    lines = '{"to": "+2348031234567"}\n{"to": "+2348031234568"}\n'

    first, again = (visitor.upload(path, "file", "people.ndjson", lines) for _ in range(2))
    other = visitor.upload(path, "file", "people.csv", "to\n+2348031234569\n")
    broken = visitor.upload(path, "file", "people.csv", "no,header\n1,2\n")
    left_out = visitor.upload(f"/campaigns/{id_}/exclusions", "numbers", "out.csv", "to\n+2348031234568\n")

    assert notice_of(first) == "“people.ndjson”: 2 rows loaded."
    assert notice_of(again) == "“people.ndjson”: 0 rows loaded, 2 were loaded before."
    assert (other.status, broken.status) == (409, 422)
    assert notice_of(left_out) == "1 rows are left out."
    assert console.world.rows("SELECT rows FROM campaign_progress WHERE campaign_id = %(id)s", id=id_) == [2]


def test_no_more_than_two_files_are_loaded_at_a_time(console: Console, manager: str) -> None:
    visitor, path = console.visitor(manager), f"/campaigns/{make(console, 'busy').id}/recipients"

    with campaign_upload.LOADS, campaign_upload.LOADS:
        busy = visitor.upload(path, "file", "people.csv", "to\n+2348031234567\n")
    later = visitor.upload(path, "file", "people.csv", "to\n+2348031234567\n")

    assert (busy.status, later.status) == (409, 303)
    assert "try again in a minute" in busy.text


def test_pages_of_campaigns_look_well(console: Console, eyes: Eyes) -> None:
    admin = console.add_user("eve", Role.ADMIN)
    text, file = "Hello ${name} – your ride is here", FILE.replace("Ada", "Zoë")
    id_ = created(console.visitor(admin), "looked at", file, body=text, canary="2", max_failed="5")
    check_all(console.rt, id_)
    running = Launched(console.world, numbers(20), name="running")
    running.run()
    fold_counts(console.rt)
    page = open_as(eyes, console, admin)

    page.goto(f"{console.url}/campaigns")
    eyes.look(page, "campaigns")
    page.goto(f"{console.url}/campaigns/{running.id}")
    expect(page.locator(".plot canvas")).to_be_visible()
    eyes.look(page, "campaign-running")
    page.goto(f"{console.url}/campaigns/new?account=acme")
    page.locator("details.panel").evaluate_all("all => all.forEach(each => each.open = true)")
    eyes.look(page, "campaign-new")
    for path in ("", "/quote", "/errors", "/preview?line=2"):
        page.goto(f"{console.url}/campaigns/{id_}{path}")
        eyes.look(page, f"campaign{path.partition('?')[0].replace('/', '-')}")


def test_strings_that_look_like_markup_are_shown_as_text(console: Console, manager: str, eyes: Eyes) -> None:
    file = f'to,name\n+2348031234567,"{HOSTILE.replace(chr(34), chr(34) * 2)}"\n"<b>{HOSTILE[:20]}</b>",x\n'
    visitor = console.visitor(manager)
    text = HOSTILE + " ${name}"

    id_ = created(visitor, HOSTILE[:60], file, f"{HOSTILE}.csv", body=text, merge="")
    check_all(console.rt, id_)
    page = open_as(eyes, console, manager)
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    for path in ("", "/quote", "/preview?line=2", "/errors", "/change"):
        page.goto(f"{console.url}/campaigns/{id_}{path}")
        assert page.locator("script:not([src]), img[src='x'], main b").count() == 0, path
    page.goto(f"{console.url}/campaigns/{id_}/preview?line=2")
    assert page.locator(".bubble").inner_text() == f"{HOSTILE} {HOSTILE}"
    page.goto(f"{console.url}/campaigns")
    assert page.get_by_role("link", name=HOSTILE[:60], exact=True).count() == 1
    notice = visitor.upload(f"/campaigns/{id_}/recipients", "file", f"{HOSTILE}.csv", file).headers["location"]

    assert escape(HOSTILE.replace('"', "%22")) in visitor.get(notice).text
    assert not eyes.faults
    control.abort(console.rt, id_)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(console: Console, manager: str) -> None:
    visitor, id_ = console.visitor(manager), make(console, "large").id

    answer = visitor.post(f"/campaigns/{id_}/exclusions", {"Content-Length": str(80 << 20)})

    assert answer.status == 413
