"""Sender ids that look like another account's."""

import pytest

from pipeline.rules.numbers.look_alike_senders import look_alikes, skeleton


@pytest.mark.parametrize("sender", ["PayPa1", "PAYPAL", "paypaI", "Pay-Pal", "P4YPAL", "Pay Pal."])
def test_sender_ids_that_look_alike_have_one_skeleton(sender: str) -> None:
    assert skeleton(sender) == skeleton("PayPal")


@pytest.mark.parametrize(
    ("one", "other"), [("BARN", "BAM"), ("VVEMA", "WEMA"), ("CLIX", "DIX"), ("B00KING", "BOOKING")]
)
def test_pairs_and_digits_look_like_letters(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize("sender", ["PAYPALS", "PLAYPAL", "PAL", "SHOP"])
def test_sender_ids_with_other_letters_do_not_look_alike(sender: str) -> None:
    assert skeleton(sender) != skeleton("PAYPAL")


def test_each_sender_id_is_told_with_those_it_looks_like_and_numbers_with_none() -> None:
    others = [("bank", "PAYPAL"), ("shop", "PayPal"), ("shop", "10101"), ("shop", "OTHER")]

    found = look_alikes(["PayPa1", "10101", "OWN"], others)

    assert found == {"PayPa1": ["PAYPAL of bank", "PayPal of shop"]}
