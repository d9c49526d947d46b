"""Passwords and names of users: which may be one."""

import pytest

from pipeline.errors import InvalidInput
from pipeline.rules.identity import passwords, user_names


@pytest.mark.parametrize(
    "password", ["lemon tree at nine", "zwölf zeichen!", "🦊 🦊 forest walk", "hunter2hunter3", "x" * 11 + "yz"]
)
def test_any_twelve_characters_may_be_a_password(password: str) -> None:
    passwords.check_password(password, "ada")


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "at least 12"),
        ("eleven char", "at least 12"),
        ("x" * 300, "at most 256"),
        ("password1234", "guessed first"),
        ("QWERTYuiop123", "guessed first"),
        ("1212121212121212", "guessed first"),
        ("ada.lovelace@example.org", "name of the user"),
        ("Ada.Lovelace12", "name of the user"),
        ("postroad2026", "the product"),
    ],
)
def test_a_short_or_easily_guessed_password_is_refused(password: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        passwords.check_password(password, "ada.lovelace@example.org")


def test_every_listed_password_would_be_long_enough() -> None:
    assert all(len(each) >= passwords.SHORTEST and each == each.casefold() for each in passwords.COMMON)


@pytest.mark.parametrize(
    ("written", "name"), [("Ada", "ada"), (" ada@Example.org ", "ada@example.org"), ("7of9", "7of9")]
)
def test_a_name_is_read_in_lower_case(written: str, name: str) -> None:
    assert user_names.read(written) == user_names.check(written) == name


@pytest.mark.parametrize("written", ["", "-ada", "ada lovelace", "ädä", "a" * 65, "ada\0", "\u212aelvin", "ada:x"])
def test_what_is_no_name_is_refused(written: str) -> None:
    assert user_names.read(written) is None
    with pytest.raises(InvalidInput, match="cannot be a user's name"):
        user_names.check(written)


@pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "", "Africa"])
def test_a_time_zone_is_one_of_the_tz_database(zone: str) -> None:
    assert user_names.check_time_zone("Africa/Lagos") == "Africa/Lagos"
    with pytest.raises(InvalidInput, match="no time zone"):
        user_names.check_time_zone(zone)
