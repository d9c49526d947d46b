"""`postroad person`: the persons of an account and their numbers."""

import json

from tests.workers.cli.conftest import Shell


def test_persons_are_added_listed_and_dropped(shell: Shell) -> None:
    shell("account", "create", "bank", "--currency", "EUR")

    shell("person", "add", "bank", "anna", "--phone", "+49 1520 5555555", "--verified")
    shell("person", "add", "bank", "ben")
    said = shell("person", "add", "bank", "ben", "--phone", "01520 5555556", "--country", "DE")

    assert (said.code, said.out) == (0, "person ben is saved on account bank\n")
    rows = json.loads(shell("person", "list", "bank", "--json").out)
    assert [(row["person_id"], row["phone"], row["verified"]) for row in rows] == [
        ("anna", "+4915205555555", True),
        ("ben", "+4915205555556", False),
    ]
    assert "+4915205555555" in shell("person", "list", "bank").out
    assert shell("person", "drop", "bank", "anna").out == "person anna has no number any more\n"
    assert shell("person", "drop", "bank", "anna").out == "person anna had no number\n"


def test_an_invalid_person_is_refused(shell: Shell) -> None:
    shell("account", "create", "bank", "--currency", "EUR")
    shell("person", "add", "bank", "anna", "--phone", "+4915205555555")

    for arguments, code, words in (
        (("bank", "no blanks"), 2, "cannot be a person's id"),
        (("bank", "ben", "--verified"), 2, "give --phone too"),
        (("bank", "ben", "--phone", "12"), 2, "not a phone number"),
        (("bank", "anna", "--phone", "+4915205555556"), 1, "has a number already"),
        (("nobody", "anna"), 1, "there is no account 'nobody'"),
    ):
        said = shell("person", "add", *arguments)
        assert (said.code, said.out) == (code, ""), arguments
        assert words in said.err
    assert len(json.loads(shell("person", "list", "bank", "--json").out)) == 1
