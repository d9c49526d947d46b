"""Vault: sealed values open for their purpose and secret only; digests differ by purpose."""

from collections.abc import Callable

import pytest

from pipeline.errors import ConfigurationError
from pipeline.vault import Vault

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def vault() -> Vault:
    return Vault(SECRET)


def test_a_sealed_value_is_opened_unchanged(vault: Vault) -> None:
    sealed = vault.seal("key", b"a secret")

    assert vault.open("key", sealed) == b"a secret"
    assert b"a secret" not in sealed
    assert vault.seal("key", b"a secret") != sealed


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda sealed: sealed[:-1],
    "changed": lambda sealed: sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:],
    "nothing": lambda _: b"",
    "a version only": lambda _: b"\x01",
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_modified_sealed_value_does_not_open(vault: Vault, spoil: Callable[[bytes], bytes]) -> None:
    sealed = spoil(vault.seal("key", b"a secret of some length"))

    with pytest.raises(ConfigurationError, match="POSTROAD_SECRET_KEY"):
        vault.open("key", sealed)


def test_a_sealed_value_opens_only_for_its_own_purpose_and_secret(vault: Vault) -> None:
    sealed = vault.seal("key", b"a secret")

    for other, purpose in ((vault, "endpoint"), (Vault(SECRET[::-1]), "key")):
        with pytest.raises(ConfigurationError):
            other.open(purpose, sealed)


def test_a_digest_depends_on_purpose_secret_and_every_part(vault: Vault) -> None:
    digests = [
        vault.digest("key", "robase", "abc"),
        vault.digest("key", "robasea", "bc"),
        vault.digest("key", "robaseabc"),
        vault.digest("code", "robase", "abc"),
        Vault(SECRET + "x").digest("key", "robase", "abc"),
    ]

    assert len(set(digests)) == len(digests)
    assert vault.matches(digests[0], "key", "robase", "abc")
    assert not vault.matches(digests[0], "key", "robase", "abd")
    assert {len(each) for each in digests} == {32}


@pytest.mark.parametrize("secret", ["", "x" * 31])
def test_a_short_secret_is_refused_with_a_command_that_makes_one(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="openssl rand -hex 32"):
        Vault(secret)


NEW, OLDER = "f" * 32, "0" * 32


def test_older_secrets_still_open_values_and_match_digests_during_a_replacement(vault: Vault) -> None:
    oldest = Vault(OLDER)
    replaced = Vault(NEW, [SECRET, OLDER])

    for before in (oldest, vault):
        assert replaced.open("key", before.seal("key", b"a secret")) == b"a secret"
        assert replaced.matches(before.digest("key", "abc"), "key", "abc")
        assert not replaced.matches(before.digest("key", "abc"), "key", "abd")
        assert not replaced.is_current(before.seal("key", b"a secret"))
    assert replaced.is_current(replaced.seal("key", b"a secret"))
    assert replaced.digest("key", "abc") == Vault(NEW).digest("key", "abc")
    with pytest.raises(ConfigurationError, match="POSTROAD_SECRET_KEY_OLD"):
        vault.open("key", replaced.seal("key", b"a secret"))


def test_a_value_sealed_before_secrets_had_versions_opens(vault: Vault) -> None:
    sealed = vault.seal("key", b"a secret")
    unversioned = b"\x01" + sealed[5:]

    assert vault.open("key", unversioned) == b"a secret"
    assert Vault(NEW, [SECRET]).open("key", unversioned) == b"a secret"
    assert not vault.is_current(unversioned)
