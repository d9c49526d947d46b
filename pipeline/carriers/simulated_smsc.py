"""What a simulated carrier is as an SMSC: the `smpp` of its script.

    {"password": "…",              who binds must give it; "": anything will do
     "ids": "hex",                 how ids are written in submit_sm_resp: hex, hex_upper, decimal, padded (decimal, with
                                   zeros in front)
     "receipt_ids": "decimal",     and in receipts; where it is not given, the same
     "receipts": "both",           what they are made of: text, tlv, or both
     "alphabet": "gsm7",           what data_coding 0 means: gsm7, gsm7_packed, latin1
     "echo": false,                send the reference tag back in receipts
     "window": 500,                deliver_sm unanswered at once on one bind
     "patience": 10}               seconds until one that is not answered is brought again

The carrier's name is its system_id. Our ref comes in parameter 0x1500, in ASCII (an SMPP carrier's setting
`"reference_tag": 5376`), and is how the oracle knows messages; where there is none it makes one up, of
user_message_reference or else of addresses and text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp.text_encoding import Alphabet

#: the parameter in which our reference comes
REF_TAG = 0x1500


class MessageIdFormat(StrEnum):
    """How an SMSC writes a message's id."""

    HEX = "hex"
    HEX_UPPER = "hex_upper"
    DECIMAL = "decimal"
    #: decimal with zeros in front
    PADDED = "padded"


class MadeMessageId(StrEnum):
    """What receipts are made of."""

    #: the text of the specification's appendix B
    TEXT = "text"
    #: receipted_message_id, message_state, network_error_code
    TLV = "tlv"
    BOTH = "both"


#: how each is spelt
SPELLING = {
    MessageIdFormat.HEX: "x",
    MessageIdFormat.HEX_UPPER: "X",
    MessageIdFormat.DECIMAL: "d",
    MessageIdFormat.PADDED: "024d",
}


#: what makes of an id in a receipt the one that was kept, where they are not written alike; see `smpp/references.py`
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
    """How one simulated carrier speaks SMPP."""

    password: str = field(default="", repr=False)
    ids: MessageIdFormat = MessageIdFormat.HEX
    receipt_ids: MessageIdFormat = MessageIdFormat.HEX
    receipts: MadeMessageId = MadeMessageId.BOTH
    alphabet: Alphabet = Alphabet.GSM7
    echo: bool = False
    window: int = 500
    patience: float = 10

    def understood(self) -> dict[str, object]:
        """Return the settings by which an SMPP carrier is understood here, and understands."""
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
    """Read what of a carrier's script concerns SMPP; ConfigurationError names the key that does not fit."""
    options = SettingReader(f"{carrier}: script: smpp", given)
    ids = options.choice("ids", MessageIdFormat, MessageIdFormat.HEX)
    read = SimulatedSmsc(
        password=options.text("password", ""),
        ids=ids,
        receipt_ids=options.choice("receipt_ids", MessageIdFormat, ids),
        receipts=options.choice("receipts", MadeMessageId, MadeMessageId.BOTH),
        alphabet=options.choice("alphabet", Alphabet, Alphabet.GSM7),
        echo=options.flag("echo"),
        window=options.whole("window", 500, 1, 10_000),
        patience=options.number("patience", 10, 0.05, 3600),
    )
    options.finish()
    return read
