"""The carrier kind `smpp`: SMSCs over SMPP 3.4."""

from collections.abc import Mapping

from pipeline.carriers.contract import CarrierKind
from pipeline.carriers.smpp.codes import word
from pipeline.carriers.smpp.smpp_carrier import SmppCarrier
from pipeline.carriers.smpp.submit_exchange import REASONS
from schema.vocabulary import Placement

#: the TLV with the id of an entity registered in India (DLT): defined by the operators there, the same on all SMSCs
_ENTITY_TAG = 0x1400


def sends_dlt(settings: Mapping[str, object]) -> bool:
    """Tell whether the settings have TLVs with DLT ids, for all senders or for some."""
    return _ENTITY_TAG in _tags(settings.get("tlvs"), *_members(settings.get("tlvs_by_sender")))


def _tags(*parameters: object) -> set[int]:
    return {int(tag, 16) for each in parameters if isinstance(each, Mapping) for tag in each}


def _members(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, Mapping) else []


KIND = CarrierKind(
    "smpp",
    SmppCarrier,
    placement=Placement.BOUND,
    codes={"command_status": {word(status): reason for status, reason in REASONS.items()}},
    sends_dlt=sends_dlt,
    id_settings=("submit_ids", "receipt_ids"),
)
