"""Message id formats: many SMSCs format an id in one way in submit_sm_resp and in another in receipts.

Settings, each one or more words of `IdTransformation` joined by `+`, applied in order (`zero_stripped+lower`):

    submit_ids         as_is; applied to the id in a submit_sm_resp before it is stored
    receipt_ids        as_is; applied to the id in a receipt's text
    receipt_tlv_ids    applied to the id in receipted_message_id; default: as `receipt_ids`

so that both are equal. A query_sm is sent with the id as stored: where it is used, transform the receipts' ids
only. Jasmin's `dlr_msgid 1` (hexadecimal when submitted, decimal in receipts) is `receipt_ids: dec_to_hex` with
`submit_ids: zero_stripped+lower`, or shorter `submit_ids: hex_to_dec` with `receipt_ids: zero_stripped`; its
`dlr_msgid 2` is the same with the sides exchanged.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.carriers.setting_reader import SettingReader

#: longer than the specification's 64 characters, which some SMSCs exceed
_ID = re.compile(r"[!-~]{1,255}")
_DECIMAL = re.compile(r"[0-9]{1,64}")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{1,64}")


class IdTransformation(StrEnum):
    """One transformation of an id; an id it does not apply to is unchanged."""

    #: nothing
    AS_IS = "as_is"
    #: leading zeros are removed
    ZERO_STRIPPED = "zero_stripped"
    #: hexadecimal becomes decimal, without leading zeros
    HEX_TO_DEC = "hex_to_dec"
    #: decimal becomes hexadecimal, in lower case, without leading zeros
    DEC_TO_HEX = "dec_to_hex"
    #: letters become lower case
    LOWER = "lower"
    #: letters become upper case
    UPPER = "upper"


@dataclass(frozen=True, slots=True)
class MessageIds:
    """The id transformations of one carrier, by where the id is."""

    submitted: tuple[IdTransformation, ...] = ()
    receipted: tuple[IdTransformation, ...] = ()
    tagged: tuple[IdTransformation, ...] = ()


def read(options: SettingReader) -> MessageIds:
    """Take one carrier's settings."""
    receipted = options.text("receipt_ids", IdTransformation.AS_IS)
    return MessageIds(
        submitted=_steps(options, "submit_ids", options.text("submit_ids", IdTransformation.AS_IS)),
        receipted=_steps(options, "receipt_ids", receipted),
        tagged=_steps(options, "receipt_tlv_ids", options.text("receipt_tlv_ids", receipted)),
    )


def normal(steps: Sequence[IdTransformation], given: str) -> str | None:
    """Return the id after these transformations; None where it is missing or cannot be stored."""
    id_ = given.strip(" \0\r\n\t")
    if not _ID.fullmatch(id_):
        return None
    for step in steps:
        match step:
            case IdTransformation.ZERO_STRIPPED:
                id_ = id_.lstrip("0") or "0"
            case IdTransformation.HEX_TO_DEC:
                id_ = str(int(id_, 16)) if _HEXADECIMAL.fullmatch(id_) else id_
            case IdTransformation.DEC_TO_HEX:
                id_ = f"{int(id_):x}" if _DECIMAL.fullmatch(id_) else id_
            case IdTransformation.LOWER:
                id_ = id_.lower()
            case IdTransformation.UPPER:
                id_ = id_.upper()
            case IdTransformation.AS_IS:
                pass
    return id_


def _steps(options: SettingReader, key: str, given: str) -> tuple[IdTransformation, ...]:
    try:
        steps = [IdTransformation(word.strip()) for word in given.split("+")]
    except ValueError:
        raise options.unfit(key, f"must be of {', '.join(IdTransformation)}, joined by +") from None
    return tuple(step for step in steps if step is not IdTransformation.AS_IS)
