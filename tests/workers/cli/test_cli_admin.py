"""The administrative subcommands: accounts, wallets, senders, templates, carriers, routes, prices."""

import json
from pathlib import Path

from tests.workers.cli.conftest import Shell


def listed(shell: Shell, *command: str) -> list[dict[str, object]]:
    said = shell(*command, "--json")
    assert said.code == 0, said.err
    return list(json.loads(said.out))


def test_an_account_is_created_with_balance_quota_credit_and_senders(shell: Shell) -> None:
    made = shell("account", "create", "acme", "--currency", "NGN", "--sender", "ACME", "--topup", 500)
    topped = shell("wallet", "topup", "acme", 1500, "--note", "by card")
    granted = shell("wallet", "quota", "acme", 20)
    credited = shell("wallet", "credit", "acme", 30)
    alert = shell("wallet", "alert", "acme", 900)
    sender = shell("sender", "add", "acme", "12345", "--state", "pending")

    assert [each.code for each in (made, topped, granted, credited, alert, sender)] == [0] * 6
    assert (alert.out, shell("wallet", "alert", "acme", 0).out) == ("reported below 900\n", "never reported\n")
    assert (topped.out, granted.out) == ("balance 2,000\n", "20 segments left\n")
    [account] = listed(shell, "account", "list")
    assert (account["balance"], account["quota_left"], account["credit_limit"]) == (2000, 20, 30)
    assert account["senders"] == {"12345": "pending", "ACME": "approved"}
    assert "12345 (pending), ACME" in shell("account", "list").out


def test_an_account_is_suspended_and_resumed(shell: Shell) -> None:
    shell("account", "create", "acme", "--currency", "NGN")

    shell("account", "suspend", "acme")
    suspended = listed(shell, "account", "list")[0]["state"]
    shell("account", "resume", "acme")

    assert (suspended, listed(shell, "account", "list")[0]["state"]) == ("suspended", "active")


def test_an_account_s_subscription_to_events_is_turned_on_and_off(shell: Shell) -> None:
    shell("account", "create", "acme", "--currency", "NGN")

    shell("account", "subscribe", "acme")
    subscribed = listed(shell, "account", "list")[0]["subscribes"]
    shell("account", "subscribe", "acme", "--off")

    assert (subscribed, listed(shell, "account", "list")[0]["subscribes"]) == (True, False)


def test_a_template_is_written_from_a_file_and_listed(shell: Shell, tmp_path: Path) -> None:
    text = tmp_path / "ride.txt"
    text.write_text("Ihre Fahrt: ${eta} – bis gleich", "utf-8")
    shell("account", "create", "acme", "--currency", "NGN")

    written = shell("template", "add", "acme", "ride", "--file", text)

    assert written.code == 0
    assert [row["body"] for row in listed(shell, "template", "list", "acme")] == ["Ihre Fahrt: ${eta} – bis gleich"]
    assert shell("template", "add", "acme", "ride", "--text", "Your ride: ${eta}").out.endswith(", version 2\n")
    versions = listed(shell, "template", "versions", "acme", "ride")
    assert [(row["version"], str(row["made_by"]).partition(":")[0]) for row in versions] == [
        (2, "os_user"),
        (1, "os_user"),
    ]
    assert shell("template", "add", "acme", "ride").code == 2


def test_carriers_routes_and_prices_are_set_and_listed(shell: Shell) -> None:
    settings = '{"base_url": "https://sms.example", "token": "s3cret", "receipt_token": "als0"}'

    for command in (
        ("account", "create", "acme", "--currency", "NGN"),
        ("carrier", "add", "beta", "--settings", settings),
        ("route", "add", "*", "beta", "--rank", 0),
        ("route", "add", "NG", "beta", "--account", "acme", "--weight", 7),
        ("price", "set", "*", 400, "--currency", "NGN"),
        ("price", "set", "NG", 300, "--account", "acme"),
        ("carrier", "drain", "beta"),
        ("carrier", "resume", "beta"),
        ("route", "drop", "NG", "beta", "--account", "acme"),
    ):
        assert shell(*command).code == 0, command

    assert [(row["account"], row["destination"], row["rank"]) for row in listed(shell, "route", "list")] == [
        (None, "*", 0)
    ]
    assert [(row["account"], row["per_segment"]) for row in listed(shell, "price", "list")] == [
        (None, 400),
        ("acme", 300),
    ]
    assert "every" in shell("route", "list").out
    assert "every" in shell("price", "list").out


def test_a_carrier_s_tokens_are_not_shown(shell: Shell) -> None:
    settings = '{"base_url": "https://sms.example", "token": "s3cret", "receipt_token": "als0"}'
    shell("carrier", "add", "beta", "--settings", settings)

    for said in (shell("carrier", "list"), shell("carrier", "list", "--json")):
        assert "sms.example" in said.out
        assert "s3cret" not in said.out
        assert "als0" not in said.out


def test_a_carrier_with_unauthenticated_receipts_is_added_only_with_open_receipts(shell: Shell) -> None:
    open_ = ("carrier", "add", "beta", "--settings", '{"base_url": "https://sms.example"}')

    refused, asked = shell(*open_), shell(*open_, "--open-receipts")
    shell("carrier", "add", "gamma", "--settings", '{"base_url": "https://sms.example", "receipt_token": "t"}')

    assert (refused.code, asked.code) == (2, 0)
    assert "set receipt_token, or accept" in refused.err
    found = {row["name"]: row["receipts"] for row in listed(shell, "carrier", "list")}
    assert (found["beta"], found["gamma"], found["simulated"]) == ("open", "proven", None)
    assert shell("carrier", "list").out.count("OPEN: not authenticated") == 1


def test_a_generic_carrier_may_have_unauthenticated_receipts(shell: Shell) -> None:
    rules = {"carrier_ref": "id", "status": "status", "statuses": {"OK": "delivered"}}
    proof = {"header": "x-token", "secret": "s3cret"}
    plain = {"url": "https://sms.example/send", "body": {"to": "${to}"}, "answers": {"accepted": {"statuses": [200]}}}

    said = [
        shell("carrier", "add", name, "--kind", "generic", "--settings", json.dumps(settings), "--open-receipts")
        for name, settings in (
            ("gn", plain | {"receipts": rules}),
            ("bare", plain),
            ("torn", plain | {"receipts": rules | {"proof": proof}}),
        )
    ]

    assert [each.code for each in said] == [0, 0, 2], said
    found = {row["name"]: row["receipts"] for row in listed(shell, "carrier", "list")}
    assert (found["gn"], found["bare"]) == ("open", "open")
    assert "leave one out" in said[2].err


def test_no_secret_in_nested_settings_of_a_generic_carrier_is_shown(shell: Shell) -> None:
    settings = {
        "url": "https://me:s3cret@sms.example/send?apikey=s3cret&to=${to}",
        "headers": {"x-whatever": "s3cret"},
        "body": {"auth": {"user": "me", "pass": "s3cret"}, "to": "${to}"},
        "answers": {"accepted": {"statuses": [200]}},
        "receipts": {"proof": {"header": "x-token", "secret": "s3cret"}},
        "balance": {"url": "https://me:s3cret@sms.example/b?k=s3cret", "amount": "a"},
    }
    assert shell("carrier", "add", "gn", "--kind", "generic", "--settings", json.dumps(settings)).code == 0

    for said in (shell("carrier", "list"), shell("carrier", "list", "--json")):
        assert "sms.example/send" in said.out
        assert "s3cret" not in said.out


UNFIT: list[tuple[tuple[str, ...], int, str]] = [
    (("account", "create", "acme", "--currency", "naira"), 2, "'naira' is not a currency"),
    (("account", "create", "acme"), 2, "Missing option '--currency'"),
    (("wallet", "topup", "nobody", "5"), 1, "there is no account 'nobody'"),
    (("wallet", "topup", "nobody", "five"), 2, "'five' is not a valid integer"),
    (("wallet", "topup", "nobody", "0"), 2, "minor units above 0"),
    (("wallet", "quota", "nobody", "5", "--month", "May"), 2, "'May' does not match"),
    (("sender", "add", "nobody", "MuchTooLongSender"), 2, "cannot be a sender"),
    (("carrier", "add", "beta", "--settings", "nix"), 2, "not JSON"),
    (("carrier", "add", "beta", "--settings", "[]"), 2, "must be a JSON object"),
    (("carrier", "add", "beta", "--kind", "pigeon"), 2, "kind pigeon is none of"),
    (("carrier", "add", "beta"), 2, "base_url is required"),
    (("carrier", "drain", "nobody"), 1, "there is no carrier 'nobody'"),
    (("route", "add", "*", "nobody"), 1, "there is no carrier 'nobody'"),
    (("route", "add", "Nigeria", "simulated"), 2, "'Nigeria' is not a destination"),
    (("price", "set", "NG", "-1", "--currency", "NGN"), 2, "-1"),
    (("price", "set", "NG", "1"), 2, "is not a currency"),
]


def test_an_invalid_command_is_reported_and_changes_nothing(shell: Shell) -> None:
    for command, code, words in UNFIT:
        said = shell(*command)

        assert (said.code, said.out) == (code, ""), command
        assert words in said.err
    assert [listed(shell, name, "list") for name in ("account", "route", "price")] == [[], [], []]
