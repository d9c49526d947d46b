"""Options of a simulated carrier as an SMSC: the `smpp` object of its script.

    {"password": "…",              required of binds; "": any
     "ids": "hex",                 format of ids in submit_sm_resp: hex, hex_upper, decimal, padded (decimal, with
                                   leading zeros)
     "receipt_ids": "decimal",     format of ids in receipts; default: the same
     "receipts": "both",           how receipts carry their fields: text, tlv, or both
     "alphabet": "gsm7",           meaning of data_coding 0: gsm7, gsm7_packed, latin1
     "echo": false,                return the reference tag in receipts
     "window": 500,                unanswered deliver_sm at once on one bind
     "patience": 10}               seconds until an unanswered one is repeated

The carrier's name is its system_id. Our ref is sent in parameter 0x1500, in ASCII (an SMPP carrier's setting
`"reference_tag": 5376`), and identifies messages for the oracle; where it is missing one is derived from
user_message_reference, or else from addresses and text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp.text_encoding import Alphabet

#: parameter with our reference
REF_TAG = 0x1500


class MessageIdFormat(StrEnum):
    """The format of an SMSC's message ids."""

    HEX = "hex"
    HEX_UPPER = "hex_upper"
    DECIMAL = "decimal"
    #: decimal with leading zeros
    PADDED = "padded"


class ReceiptForm(StrEnum):
    """How receipts carry their fields."""

    #: the text of appendix B of the specification
    TEXT = "text"
    #: receipted_message_id, message_state, network_error_code
    TLV = "tlv"
    BOTH = "both"


#: encoder of each format
SPELLING = {
    MessageIdFormat.HEX: "x",
    MessageIdFormat.HEX_UPPER: "X",
    MessageIdFormat.DECIMAL: "d",
    MessageIdFormat.PADDED: "024d",
}


#: id transformations of receipts, by both formats; see `smpp/message_ids.py`
STEPS = {
    (MessageIdFormat.HEX, MessageIdFormat.HEX_UPPER): "lower",
    (MessageIdFormat.HEX, MessageIdFormat.DECIMAL): "dec_to_hex",
    (MessageIdFormat.HEX, MessageIdFormat.PADDED): "dec_to_hex",
    (MessageIdFormat.HEX_UPPER, MessageIdFormat.HEX): "upper",
    (MessageIdFormat.HEX_UPPER, MessageIdFormat.DECIMAL): "dec_to_hex+upper",
    (MessageIdFormat.HEX_UPPER, MessageIdFormat.PADDED): "dec_to_hex+upper",
    (MessageIdFormat.DECIMAL, MessageIdFormat.HEX): "hex_to_dec",
    (MessageIdFormat.DECIMAL, MessageIdFormat.HEX_UPPER): "hex_to_dec",
    (MessageIdFormat.DECIMAL, MessageIdFormat.PADDED): "zero_stripped",
}


@dataclass(frozen=True, slots=True)
class SimulatedSmsc:
    """The SMPP behaviour of one simulated carrier."""

    password: str = field(default="", repr=False)
    ids: MessageIdFormat = MessageIdFormat.HEX
    receipt_ids: MessageIdFormat = MessageIdFormat.HEX
    receipts: ReceiptForm = ReceiptForm.BOTH
    alphabet: Alphabet = Alphabet.GSM7
    echo: bool = False
    window: int = 500
    retry_after: float = 10

    def client_settings(self) -> dict[str, object]:
        """Return the settings of an SMPP carrier that match this behaviour."""
        padded = self.ids is MessageIdFormat.PADDED
        kept = MessageIdFormat.DECIMAL if padded else self.ids
        found: dict[str, object] = {
            "password": self.password,
            "alphabet": self.alphabet.value,
            "submit_ids": "zero_stripped" if padded else "",
            "receipt_ids": STEPS.get((kept, self.receipt_ids), ""),
        }
        return {"reference_tag": REF_TAG} | {name: value for name, value in found.items() if value}


def read(carrier: str, given: Mapping[str, object]) -> SimulatedSmsc:
    """Read the `smpp` object of a carrier's script; ConfigurationError names the invalid key."""
    options = SettingReader(f"{carrier}: script: smpp", given)
    ids = options.choice("ids", MessageIdFormat, MessageIdFormat.HEX)
    read = SimulatedSmsc(
        password=options.text("password", ""),
        ids=ids,
        receipt_ids=options.choice("receipt_ids", MessageIdFormat, ids),
        receipts=options.choice("receipts", ReceiptForm, ReceiptForm.BOTH),
        alphabet=options.choice("alphabet", Alphabet, Alphabet.GSM7),
        echo=options.flag("echo"),
        window=options.whole("window", 500, 1, 10_000),
        retry_after=options.number("patience", 10, 0.05, 3600),
    )
    options.finish()
    return read
