"""Search without numbers in addresses, and actions on all that it finds, in the console and in a browser."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from pipeline.stages.admin.accounts import create_account
from pipeline.stages.index_messages import index_messages
from pipeline.store import accounts
from schema.vocabulary import Role
from tests.stages.launched import numbers
from tests.workers.console.conftest import Console, Eyes, Visitor, open_as
from workers.wiring import advance_message_jobs

NUMBER = "+2348031234567"
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')


@pytest.fixture(scope="module")
def sam(console: Console) -> str:
    create_account(console.rt, "zenith", "EUR")
    with console.rt.begin() as conn:
        for name in ("Roles", "Scope", "Flash"):
            accounts.set_sender(conn, console.world.account, name)
    return console.add_user("sam", Role.SUPPORT)


def _schedule(console: Console, sender: str, *to: str) -> list[UUID]:
    order = console.world.order(*to, sender=sender, send_at=datetime.now(UTC) + timedelta(hours=1))
    [answer] = console.world.submit(order)
    console.world.pay([answer])
    return [each for each in answer.messages if each]


def _work(console: Console) -> None:
    list(advance_message_jobs(console.rt))


def _fields(page: str) -> dict[str, str]:
    form = page.partition('<form method="post" action="/message-jobs">')[2].partition("</form>")[0]
    return {name: value for name, value in _HIDDEN.findall(form) if name != "csrf_token"}


def _preview(visitor: Visitor, operation: str, query: str) -> dict[str, str]:
    return _fields(visitor.get(f"/message-jobs/new?operation={operation}&{query}").text)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_searched_number_is_in_no_address_and_the_address_can_be_shared(
    console: Console, sam: str, method: str
) -> None:
    [message] = _schedule(console, "ACME", NUMBER)
    while index_messages(console.rt):
        pass
    visitor, other = console.visitor(sam), console.visitor(console.add_user(f"vera-{method}", Role.VIEWER))
    visitor.get("/messages")

    if method == "post":
        answer = visitor.post("/messages", q=NUMBER, account="acme")
    else:
        answer = visitor.get(f"/messages?q=%2B{NUMBER[1:]}&account=acme")
    address = answer.headers["location"]
    page = other.get(address).text

    assert answer.status == 303
    assert NUMBER[1:] not in address
    assert f"/messages/{message}" in page
    assert "+2348*******67" in page
    assert NUMBER[1:] not in page
    assert other.get(address.replace("to=", "to=x")).status == 404


def test_who_may_not_cancel_one_message_may_not_cancel_all(console: Console, sam: str) -> None:
    _schedule(console, "Roles", NUMBER)
    fields = _preview(console.visitor(sam), "cancel", "account=acme&sender=Roles")
    viewer = console.visitor(console.add_user("vic", Role.VIEWER))

    assert viewer.get("/message-jobs/new?operation=cancel&account=acme").status == 403
    assert viewer.post("/message-jobs", None, **fields).status == 403
    assert console.world.rows("SELECT count(*) FROM message_jobs WHERE search ->> 'sender' = 'Roles'") == [0]


def test_a_user_of_an_account_acts_on_his_accounts_messages_only(console: Console, sam: str) -> None:
    _schedule(console, "Scope", NUMBER)
    own, outsider = (
        console.visitor(console.add_user(f"sue-{account}", Role.SUPPORT, account=account))
        for account in ("acme", "zenith")
    )
    fields = _preview(own, "cancel", "sender=Scope")
    theirs = _preview(outsider, "cancel", "account=acme&sender=Scope")

    job = own.post("/message-jobs", None, **fields).headers["location"]

    assert theirs == {}
    assert outsider.post("/message-jobs", None, **fields).status == 422
    assert [own.get(job).status, outsider.get(job).status, outsider.get(f"{job}/results.csv").status] == [200, 404, 404]
    assert job in own.get("/message-jobs").text
    assert job not in outsider.get("/message-jobs").text
    _work(console)


def test_a_sent_message_is_resent_from_its_page_unless_the_rules_forbid_it(console: Console, sam: str) -> None:
    [message] = [each for each in console.world.send(NUMBER).messages if each]
    visitor = console.visitor(sam)

    assert "It cannot be resent: no carrier." in visitor.get(f"/messages/{message}").text
    assert visitor.post(f"/messages/{message}/resend").status == 409

    console.world.add_carrier("beta", rank=2)
    assert f'action="/messages/{message}/resend"' in visitor.get(f"/messages/{message}").text
    job = visitor.post(f"/messages/{message}/resend").headers["location"]
    _work(console)
    assert "<td>resent</td>" in visitor.get(job).text
    carrier = "SELECT b.carrier FROM messages AS m JOIN batches AS b ON b.id = m.batch_id WHERE m.id = %(id)s"
    assert console.world.rows(carrier, id=message) == ["beta"]
    noted = "SELECT actor FROM audit_log WHERE after ->> 'operation' = 'resend' AND subject = %(job)s"
    assert console.world.rows(noted, job=job.rpartition("/")[2]) == ["sam"]


def test_support_cancels_all_matching_messages_in_the_browser(console: Console, eyes: Eyes, sam: str) -> None:
    _schedule(console, "Flash", *numbers(3))
    page = open_as(eyes, console, sam)
    page.goto(f"{console.url}/messages")
    page.get_by_label("Account").select_option("acme")
    page.get_by_label("Sender").fill("Flash")
    page.get_by_role("button", name="Search").click()
    eyes.look(page, "messages-found")

    page.get_by_role("link", name="Cancel all matching").click()
    page.get_by_text("3 of 3 matching messages would be cancelled.").wait_for()
    eyes.look(page, "message-job-preview")
    page.get_by_role("button", name="Cancel 3 messages").click()
    page.get_by_text("0 of 3 messages have a result.").wait_for()
    _work(console)
    page.get_by_text("3 of 3 messages have a result.").wait_for()  # by itself

    page.reload()
    eyes.look(page, "message-job")
    with page.expect_download() as download:
        page.get_by_role("link", name="Results as CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 4
    assert all(line.endswith(",cancelled,cancelled") and "*******" in line for line in lines[1:])
    page.goto(f"{console.url}/message-jobs")
    eyes.look(page, "message-jobs")
