"""Secrets at rest: carriers' settings, and the rotation of the secret key."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary

from pipeline.dialects.registry import DIALECTS
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages import dead_letters
from pipeline.stages.admin import producer_keys
from pipeline.stages.admin.carriers import list_carriers, set_carrier
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.index_messages import index_messages
from pipeline.stages.receive import senders
from pipeline.stages.users.totp import set_up_totp
from pipeline.stages.users.users import create_user
from pipeline.store import carriers, sealed
from schema.dead_letter import DeadLetter
from schema.tables import metadata
from schema.user import UserClient
from schema.vocabulary import DeadLetterSource, Role
from tests.dialects.vendors import Vendor, issue
from tests.workers.cli.conftest import Shell
from tests.world import World
from workers import generated_secrets as kept_there
from workers.processes.child_environment import child_environment
from workers.server_urls import with_local_servers

OLD, NEW = "the first secret key of these tests", "the second secret key of these tests"
PASSWORD = "S3cr3t!w"
SMSC = {"host": "127.0.0.1", "system_id": "acme", "password": PASSWORD}


@pytest.fixture
def keyed(world: World, shell: Shell) -> Shell:
    """A shell of an installation that has a secret key and an account `acme`."""
    shell.set(SECRET_KEY=OLD)
    return shell


def kept(world: World, carrier: str) -> dict[str, Any]:
    found: dict[str, Any]
    [found] = world.rows("SELECT settings FROM carriers WHERE name = %(name)s", name=carrier)
    return found


@contextmanager
def installation(settings: Settings, key: str, old: str = "") -> Iterator[Runtime]:
    keys = {"secret_key": key, "secret_key_old": old}
    with closing(Runtime(Settings.model_validate({**settings.model_dump(), **keys}))) as rt:
        yield rt


def test_a_carrier_s_settings_are_stored_encrypted_and_listed_masked(
    world: World, keyed: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "smsc.json"
    file.write_text(json.dumps(SMSC))

    said = keyed("carrier", "add", "operator", "--kind", "smpp", "--settings-file", file)
    lists = [keyed("carrier", "list").out, keyed("carrier", "list", "--json").out]

    assert (said.code, said.err) == (0, "")
    assert PASSWORD not in json.dumps(kept(world, "operator"))
    assert "acme" not in json.dumps(kept(world, "operator"))
    for listed in lists:
        assert "127.0.0.1" in listed
        assert PASSWORD not in listed


def test_settings_are_read_from_stdin_and_a_question_mark_prompts_for_the_value(
    keyed: Shell, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(SMSC).encode())))
    assert keyed("carrier", "add", "one", "--kind", "smpp", "--settings-file", "-").code == 0
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: PASSWORD)
    asked = keyed("carrier", "add", "two", "--kind", "smpp", "--settings", json.dumps(SMSC | {"password": "?"}))

    assert (asked.code, asked.err.count("warning")) == (0, 0)
    with installation(settings, OLD) as rt:
        found = {row.name: row.settings for row in list_carriers(rt)}
    assert found["one"] == found["two"] == SMSC


@pytest.mark.parametrize(("typed", "code"), [(PASSWORD + "\n", 0), ("", 2)])
def test_a_secret_given_as_a_question_mark_is_read_from_stdin_without_a_terminal(
    keyed: Shell, settings: Settings, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    import io
    import os

    def no_terminal(*_: object, **__: object) -> int:
        raise OSError("no terminal")

    monkeypatch.setattr(os, "open", no_terminal)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    said = keyed("carrier", "add", "two", "--kind", "smpp", "--settings", json.dumps(SMSC | {"password": "?"}))
    monkeypatch.undo()

    assert said.code == code
    assert "GetPassWarning" not in said.err
    assert PASSWORD not in said.out + said.err
    assert code == 0 or "password is ?, and there is no terminal or input to read it from" in said.err


def test_a_secret_on_the_command_line_is_accepted_with_a_warning(keyed: Shell) -> None:
    said = keyed("carrier", "add", "one", "--kind", "smpp", "--settings", json.dumps(SMSC))

    assert said.code == 0
    assert "password can be read in the list of processes" in said.err
    assert PASSWORD not in said.out + said.err


def test_without_a_secret_key_a_warning_says_that_secrets_are_stored_in_plain_text(
    world: World, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "smsc.json"
    file.write_text(json.dumps(SMSC))

    said = shell("carrier", "add", "one", "--kind", "smpp", "--settings-file", file)

    assert said.code == 0
    assert "POSTROAD_SECRET_KEY" in said.err
    assert kept(world, "one") == SMSC


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--settings", "{}", "--settings-file", "x"), "cannot be read"),
        (("--settings-file", "/nowhere/at/all"), "cannot be read: No such file"),
    ],
)
def test_settings_files_that_cannot_be_read_are_refused(keyed: Shell, arguments: tuple[str, ...], words: str) -> None:
    said = keyed("carrier", "add", "one", "--kind", "smpp", *arguments)

    assert said.code == 2
    assert words in said.err


def test_migrate_encrypts_the_settings_that_are_stored_in_plain_text(
    world: World, keyed: Shell, settings: Settings
) -> None:
    with world.rt.begin() as conn:
        carriers.save(conn, "operator", "smpp", SMSC)

    assert keyed("migrate").code == 0
    first = kept(world, "operator")
    assert keyed("migrate").code == 0

    assert list(first) == ["sealed"]
    assert kept(world, "operator") == first
    with installation(settings, OLD) as rt:
        assert {row.name: row.settings for row in list_carriers(rt)}["operator"] == SMSC


def test_after_a_rotation_the_new_secret_key_alone_decrypts_everything(
    world: World, keyed: Shell, settings: Settings
) -> None:
    letter = DeadLetter(DeadLetterSource.BROKER, "ingest", "not_json", b"payload")
    with installation(settings, OLD) as rt:
        issue(rt, "acme", Vendor.TELESIGN)
        producer_keys.create_key(rt, "acme")
        webhook_endpoints.create(rt, world.account, DIALECTS[Vendor.ROBASE], "https://hooks.example.org/sms")
        dead_letters.keep(rt, [letter])
        index_messages(rt)
        set_up_totp(rt, create_user(rt, "ada", [Role.VIEWER]), "", UserClient("127.0.0.1"))
        set_carrier(rt, "operator", "smpp", SMSC)
        set_carrier(rt, "web", "http", {"base_url": "https://a.example", "receipt_token": "t"})

    keyed.set(SECRET_KEY=NEW, SECRET_KEY_OLD=OLD)
    first, again = (json.loads(keyed("secret", "rotate", "--json").out) for _ in range(2))

    assert first["resealed"] == {
        "keys": 1,
        "producer_keys": 1,
        "endpoints": 1,
        "dead_letters": 1,
        "users": 1,
        "search_keys": 1,
        "carriers": 3,
    }
    assert set(again["resealed"].values()) == {0}
    assert first["behind"] == again["behind"] == []
    with installation(settings, NEW) as rt:
        [listed] = dead_letters.listed(rt, DeadLetterSource.BROKER, 1)
        shown = dead_letters.shown(rt, DeadLetterSource.BROKER, listed["id"])
        assert shown is not None
        assert shown["payload"] == b"payload"
        assert senders(rt)["web"].settings["receipt_token"] == "t"
        for of in sealed.COLUMNS:
            with rt.begin() as conn:
                for _, content in sealed.portion(conn, of, None, 10):
                    assert rt.vault.open(of.purpose, content)


def test_a_secret_key_generated_by_postroad_up_can_be_rotated(world: World, shell: Shell, settings: Settings) -> None:
    first = kept_there.password(settings.home, "secret_key")
    shell.set(HOME=str(settings.home))
    with installation(settings, first) as rt:
        issue(rt, "acme", Vendor.TELESIGN)

    shell.set(SECRET_KEY=NEW, SECRET_KEY_OLD=first)
    reported = child_environment(with_local_servers())
    rotated = shell("secret", "rotate")
    file = settings.home / "kept.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"secret_key_password": NEW}))
    shell.set(SECRET_KEY="", SECRET_KEY_OLD="")
    afterwards = shell("secret", "status")

    assert (reported["POSTROAD_SECRET_KEY"], reported["POSTROAD_SECRET_KEY_OLD"]) == (NEW, first)
    assert (rotated.code, afterwards.code) == (0, 0)
    with closing(Runtime(with_local_servers())) as rt, rt.begin() as conn:
        [(_, content)] = sealed.portion(conn, sealed.COLUMNS[0], None, 10)
        assert rt.vault.is_current(content)


def test_secret_status_reports_api_keys_that_need_the_old_secret_key(
    world: World, keyed: Shell, settings: Settings
) -> None:
    with installation(settings, OLD) as rt:
        issue(rt, "acme", Vendor.ROBASE)

    keyed.set(SECRET_KEY=NEW, SECRET_KEY_OLD=OLD)
    meanwhile = keyed("secret", "status")
    keyed.set(SECRET_KEY_OLD="")
    afterwards = keyed("secret", "status")

    assert (meanwhile.code, afterwards.code) == (1, 1)
    assert "hashed again at its next use" in meanwhile.out
    assert "void" not in meanwhile.out
    assert "invalid unless it is given as POSTROAD_SECRET_KEY_OLD" in afterwards.out


def test_every_sealed_column_is_included_in_the_rotation() -> None:
    found = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if column.name.startswith("sealed") and isinstance(column.type, LargeBinary)
    }

    assert found == {(each.table, each.column) for each in sealed.COLUMNS}


def test_rotate_reports_that_the_old_secret_key_is_missing(keyed: Shell, settings: Settings) -> None:
    with installation(settings, OLD) as rt:
        issue(rt, "acme", Vendor.TELESIGN)

    keyed.set(SECRET_KEY=NEW)
    said = keyed("secret", "rotate")

    assert said.code == 2
    assert "POSTROAD_SECRET_KEY_OLD" in said.err
