"""Pages of accounts and users: what operators change, and what users of an account see."""

import re

import pytest

from pipeline.stages.admin.account_templates import set_template
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.sender_registration import set_sender
from pipeline.stages.users.users import list_users
from schema.vocabulary import Role, SenderState
from tests.workers.console.conftest import Console, Eyes, open_as

TAG = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def admin(console: Console) -> str:
    create_account(console.rt, "bank", "EUR")
    set_sender(console.rt, "bank", "BANK", SenderState.PENDING, TAG)
    set_template(console.rt, "bank", "welcome", f"{TAG} ((name))")
    return console.add_user("ada", Role.ADMIN)


def test_the_pages_of_accounts_and_users_look_well(console: Console, eyes: Eyes, admin: str) -> None:
    console.add_user("ben.long-name@example.org", Role.SUPPORT, Role.APPROVER, account="bank")
    page = open_as(eyes, console, admin)
    for path in ("/accounts", "/accounts/bank", "/accounts/bank/money", "/accounts/bank/templates/welcome", "/users"):
        page.goto(console.url + path)
        eyes.look(page, path.strip("/").replace("/", "-"))


def test_an_administrator_makes_a_user_who_chooses_a_password_by_the_link(
    console: Console, eyes: Eyes, admin: str
) -> None:
    page = open_as(eyes, console, admin)
    page.goto(f"{console.url}/users")
    form = page.locator("form[action='/users']")
    form.get_by_label("Name").fill("cleo")
    form.get_by_label("Account").select_option("bank")
    form.get_by_label("finance").check()
    form.get_by_role("button").click()
    link = page.get_by_text(re.compile("/link")).inner_text()

    eyes.context.clear_cookies()
    page.goto(link)
    page.get_by_label("New password").fill("a password of cleo's own")
    page.get_by_role("button").click()
    page.wait_for_url(f"{console.url}/")
    page.get_by_role("link", name="Accounts").first.click()
    page.get_by_role("link", name="Money").click()

    assert "Balance" in page.locator("main").inner_text()
    assert page.goto(f"{console.url}/users").status == 403  # type: ignore[union-attr]
    assert page.goto(f"{console.url}/accounts/acme/money").status == 404  # type: ignore[union-attr]


def test_finance_tops_up_a_wallet_and_others_may_not(console: Console, admin: str) -> None:
    finance = console.visitor(console.add_user("fay", Role.FINANCE))
    viewer = console.visitor(console.add_user("vic", Role.VIEWER))

    finance.post("/accounts/bank/top-up", amount="1234.50", note="wire 7")
    wrong = finance.post("/accounts/bank/top-up", amount="12,50", note="wire 8")
    refused = viewer.post("/accounts/bank/top-up", amount="1", note="x")

    assert "1\u202f234.50\u00a0EUR" in finance.get("/accounts/bank/money").text.replace(" EUR", "\u00a0EUR")
    assert (wrong.status, "12.50" in wrong.text) == (422, True)
    assert refused.status == 403
    assert viewer.get("/accounts/bank/money").status == 403
    assert "234.50" not in viewer.get("/accounts").text
    [logged] = console.world.rows("SELECT actor FROM audit_log WHERE after ->> 'note' = 'wire 7'")
    assert logged == "fay"


def test_a_sender_is_approved_and_a_stored_script_is_text(console: Console, admin: str) -> None:
    visitor = console.visitor(admin)
    before = visitor.get("/accounts/bank").text

    visitor.post("/accounts/bank/senders", sender="BANK", state="approved", countries="NG, GH")

    after = visitor.get("/accounts/bank").text
    assert TAG not in before + after
    assert "&lt;script&gt;" in before
    assert "GH, NG" in after or "NG, GH" in after
    assert console.world.rows("SELECT state FROM sender_ids WHERE sender = 'BANK'") == ["approved"]


def test_a_user_of_an_account_sees_and_changes_only_that_one(console: Console, admin: str) -> None:
    visitor = console.visitor(console.add_user("carl", Role.ADMIN, account="bank"))

    assert visitor.get("/accounts").headers["location"] == "/accounts/bank"
    assert visitor.get("/accounts/acme").status == 404
    assert visitor.get("/accounts/acme/templates/x").status == 404
    assert visitor.post("/accounts/acme/keys/1/revoke").status == 404
    assert visitor.post("/accounts/bank/suspend").status == 404
    assert visitor.post("/accounts/bank/senders", sender="X", state="approved").status == 404
    assert admin not in visitor.get("/users").text
    assert visitor.post(f"/users/{admin}/disable").status == 404
    assert visitor.post("/users", name="dora", role="viewer", account="acme").status == 200
    assert {each.name: each.account for each in list_users(console.rt)}["dora"] == "bank"


def test_a_key_is_created_in_the_console_and_its_credentials_are_shown_once(console: Console, admin: str) -> None:
    own = console.visitor(console.add_user("kim", Role.ADMIN, account="bank"))

    made = own.post("/accounts/bank/keys", dialect="postroad", key_name="till", networks="192.0.2.0/24", expires="")

    [shown] = re.findall(r"<dd>(\S+)</dd>", made.text)
    assert made.headers["cache-control"] == "no-store"
    page = own.get("/accounts/bank").text
    assert "till" in page
    assert shown not in page
    [(networks, dialect)] = console.world.rows("SELECT networks, dialect FROM api_keys WHERE name = 'till'")
    assert (networks, dialect) == (["192.0.2.0/24"], "postroad")
    assert shown not in str(console.world.rows("SELECT to_json(l) FROM audit_log AS l"))


def test_a_key_is_refused_to_other_accounts_other_roles_and_with_unknown_words(console: Console, admin: str) -> None:
    visitor, viewer = console.visitor(admin), console.visitor(console.add_user("una", Role.VIEWER, account="bank"))
    other = console.visitor(console.add_user("sam", Role.ADMIN, account="acme"))
    before = console.world.rows("SELECT count(*) FROM api_keys")

    wrong = [
        visitor.post("/accounts/bank/keys", dialect="nothing"),
        visitor.post("/accounts/bank/keys", dialect="postroad", scopes="everything"),
        visitor.post("/accounts/bank/keys", dialect="postroad", networks="here"),
        visitor.post("/accounts/bank/keys", dialect="postroad", expires="2020-01-01T00:00"),
    ]

    assert [each.status for each in wrong] == [422] * 4
    assert viewer.post("/accounts/bank/keys", dialect="postroad").status == 403
    assert other.post("/accounts/bank/keys", dialect="postroad").status == 404
    assert console.world.rows("SELECT count(*) FROM api_keys") == before


def test_operators_see_which_sender_ids_look_like_those_of_other_accounts(console: Console, admin: str) -> None:
    create_account(console.rt, "shop", "EUR")
    set_sender(console.rt, "shop", "PAYPAL")
    set_sender(console.rt, "shop", "SHOP", SenderState.PENDING)
    set_sender(console.rt, "bank", "PayPa1", SenderState.PENDING)
    operator = console.visitor(admin)
    own = console.visitor(console.add_user("olaf", Role.ADMIN, account="bank"))

    assert "looks like PAYPAL of shop" in operator.get("/accounts/bank").text
    assert "looks like" not in operator.get("/accounts/shop").text
    assert "PAYPAL" not in own.get("/accounts/bank").text
