"""`postroad key`: API keys are shown once, listed without their secrets, and revoked at once."""

import json

import pytest

from tests.workers.cli.conftest import Shell


@pytest.fixture
def keyed(shell: Shell) -> Shell:
    shell.set(SECRET_KEY="a secret of these tests, long enough")
    shell("account", "create", "acme", "--currency", "NGN")
    return shell


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        ("solaris", {"client_id", "client_secret"}),
        ("robase", {"api_key"}),
        ("telesign", {"customer_id", "api_key"}),
        ("webex", {"access_token"}),
    ],
)
def test_a_key_is_shown_only_when_it_is_created(keyed: Shell, dialect: str, words: set[str]) -> None:
    made = keyed("key", "create", "acme", dialect, "--json")

    shown = json.loads(made.out)
    listed = keyed("key", "list", "acme", "--json").out
    assert set(shown) == {"id", *words}
    assert not any(str(shown[word]) in listed for word in words)


def test_a_key_is_created_with_options_and_revoked(keyed: Shell) -> None:
    made = keyed(
        *("key", "create", "acme", "robase", "--test", "--name", "shop", "--scope", "sending"),
        *("--network", "203.0.113.0/24", "--setting", "rate=50", "--setting", "burst=100"),
    )

    assert (made.code, made.err) == (0, "Store it: it is not shown again.\n")
    assert "rb_test_" in made.out
    [row] = json.loads(keyed("key", "list", "--json").out)
    assert (row["name"], row["test"], row["scopes"]) == ("shop", True, ["sending"])
    assert (row["networks"], row["settings"]) == (["203.0.113.0/24"], {"rate": 50, "burst": 100})
    assert "shop" in keyed("key", "list").out
    assert keyed("key", "revoke", "acme", row["id"]).out == f"key {row['id']} is revoked\n"
    assert json.loads(keyed("key", "list", "acme", "--json").out)[0]["revoked_at"]


def test_a_key_that_expires_is_rotated(keyed: Shell) -> None:
    made = keyed("key", "create", "acme", "robase", "--expires", "+90d")
    [row] = json.loads(keyed("key", "list", "acme", "--json").out)

    rotated = keyed("key", "rotate", "acme", row["id"], "--until", "+2d", "--json")

    shown = json.loads(rotated.out)
    assert "expires_at" in made.out
    assert (rotated.code, shown["api_key"] in made.out, set(shown)) == (0, False, {"id", "api_key", "expires_at"})
    assert f"key {row['id']} expires at " in rotated.err
    [old, new] = json.loads(keyed("key", "list", "acme", "--json").out)
    assert (new["id"], new["replaces"], new["last_used_at"]) == (shown["id"], old["id"], None)
    assert old["expires_at"] < row["expires_at"] < new["expires_at"]
    assert "never" in keyed("key", "list").out
    again = keyed("key", "rotate", "acme", old["id"])
    assert (again.code, "is being replaced by key" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("create", "acme", "robase", "--expires", "2020-01-01T00:00:00Z"), 2, "has passed"),
        (("rotate", "acme", "7"), 1, "has no key 7 in force"),
        (("create", "nobody", "robase"), 1, "there is no account 'nobody'"),
        (("create", "acme", "twilio"), 2, "'twilio' is not one of"),
        (("create", "acme", "robase", "--network", "here"), 2, "'here' is no network"),
        (("create", "acme", "robase", "--scope", "nonsense"), 2, "a robase key can have full, sending"),
        (("create", "acme", "telesign", "--scope", "sending"), 2, "a telesign key can have verify"),
        (("create", "acme", "solaris", "--scope", "full"), 2, "key can have persons, sending"),
        (("create", "acme", "webex", "--scope", ""), 2, "key can have account, scheduled, senders, sending"),
        (("create", "acme", "robase", "--setting", "fast"), 2, "write NAME=VALUE, not 'fast'"),
        (("create", "acme", "robase", "--setting", "rate=fast"), 2, "the setting 'rate' of a robase key must be"),
        (("create", "acme", "robase", "--setting", "speed=5"), 2, "has no setting 'speed'; it has burst, rate"),
        (("revoke", "acme", "7"), 1, "has no key 7 in force"),
        (("list", "nobody"), 1, "there is no account 'nobody'"),
    ],
)
def test_invalid_arguments_are_reported_with_the_reason(
    keyed: Shell, arguments: tuple[str, ...], code: int, words: str
) -> None:
    said = keyed("key", *arguments)

    assert said.code == code
    assert words in said.err


def test_without_a_secret_key_no_api_key_is_created(keyed: Shell) -> None:
    keyed.set(SECRET_KEY="")

    said = keyed("key", "create", "acme", "robase")

    assert (said.code, "POSTROAD_SECRET_KEY" in said.err) == (2, True)
