"""Message ids: those of submit_sm_resp and of receipts become equal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp import message_ids
from pipeline.carriers.smpp.message_ids import IdTransformation, MessageIds, normal
from pipeline.errors import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "submitted", "receipted"),
    [
        ({}, "A29F-68", "A29F-68"),
        ({"receipt_ids": "dec_to_hex"}, "38601fa", "0059113978"),
        ({"submit_ids": "hex_to_dec"}, "038601FA", "59113978"),
        ({"submit_ids": "hex_to_dec", "receipt_ids": "zero_stripped"}, "38601fa", "0059113978"),
        ({"submit_ids": "zero_stripped+lower", "receipt_ids": "dec_to_hex"}, "038601FA", "59113978"),
        ({"submit_ids": "dec_to_hex", "receipt_ids": "zero_stripped+lower"}, "59113978", "00038601FA"),
        ({"receipt_ids": "hex_to_dec"}, "59113978", "38601fa"),
        ({"submit_ids": "zero_stripped", "receipt_ids": "zero_stripped"}, "0007", "7"),
        ({"submit_ids": "upper", "receipt_ids": "upper"}, "bb42dd", "BB42DD"),
    ],
)
def test_the_ids_of_submit_sm_resp_and_receipt_become_equal(
    settings: dict[str, object], submitted: str, receipted: str
) -> None:
    options = SettingReader("acme", settings)

    rules = message_ids.read(options)

    options.finish()
    assert normal(rules.submitted, submitted) == normal(rules.receipted, receipted)
    assert rules.tagged == rules.receipted


def test_receipt_tlv_ids_sets_another_transformation_for_ids_in_tlvs_than_in_the_text() -> None:
    rules = message_ids.read(SettingReader("acme", {"receipt_ids": "dec_to_hex", "receipt_tlv_ids": "as_is"}))

    assert rules == MessageIds((), (IdTransformation.DEC_TO_HEX,), ())


@pytest.mark.parametrize(
    ("given", "steps", "kept"),
    [
        ("", (), None),
        (" \0", (), None),
        (" abc\r\n", (), "abc"),
        ("a b", (), None),
        ("é", (), None),
        ("x" * 256, (), None),
        ("xyz", (IdTransformation.HEX_TO_DEC,), "xyz"),
        ("38601fa", (IdTransformation.DEC_TO_HEX,), "38601fa"),
        ("000", (IdTransformation.ZERO_STRIPPED,), "0"),
        ("f" * 100, (IdTransformation.HEX_TO_DEC,), "f" * 100),
    ],
)
def test_an_invalid_message_id_becomes_none_and_an_inapplicable_transformation_changes_nothing(
    given: str, steps: tuple[IdTransformation, ...], kept: str | None
) -> None:
    assert normal(steps, given) == kept


@given(st.text(max_size=140), st.lists(st.sampled_from(IdTransformation), max_size=4))
def test_any_normalised_message_id_is_printable_or_none(text: str, steps: list[IdTransformation]) -> None:
    kept = normal(steps, text)

    assert kept is None or (kept.isascii() and kept.isprintable() and " " not in kept and 0 < len(kept) <= 160)


def test_an_unknown_id_transformation_is_refused_with_the_name_of_its_setting() -> None:
    with pytest.raises(ConfigurationError, match="carrier acme: receipt_ids must be of as_is"):
        message_ids.read(SettingReader("acme", {"receipt_ids": "hex"}))
