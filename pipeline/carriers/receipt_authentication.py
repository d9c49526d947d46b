"""Whether what a carrier posts proves whose it is, as its settings stand."""

from collections.abc import Mapping

from pipeline.carriers.contract import HttpReceipts
from schema.carriage import ReceiptAuthentication

#: the setting that waives a proof, of every kind that names settings that prove its receipts, and its only value
RECEIPTS, OPEN = "receipts", "open"


def proof(receipts: HttpReceipts | None, settings: Mapping[str, object]) -> ReceiptAuthentication | None:
    """Return how a carrier's posts are proved; None where it posts nothing over HTTP."""
    if receipts is None:
        return None
    if not receipts.secrets and is_waived(settings):
        return ReceiptAuthentication.WAIVED
    if any(settings.get(key) for key in receipts.secrets or (RECEIPTS,)):
        return ReceiptAuthentication.HELD
    return (
        ReceiptAuthentication.WAIVED if is_waived(settings) or receipts.is_trusting else ReceiptAuthentication.LACKING
    )


def is_waived(settings: Mapping[str, object]) -> bool:
    """Tell whether an operator said that whoever posts is believed."""
    given = settings.get(RECEIPTS)
    return given == OPEN or (isinstance(given, Mapping) and given.get("proof") == OPEN)


def own(receipts: HttpReceipts | None, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that are the kind's own: without the waiver."""
    waived = receipts and receipts.secrets and is_waived(settings)
    return {key: value for key, value in settings.items() if not (waived and key == RECEIPTS)}


def demand(receipts: HttpReceipts | None, settings: Mapping[str, object]) -> str:
    """Return what to say to who adds a carrier whose posts anybody could forge, or "" where all is well."""
    keys = receipts.secrets if receipts else ()
    if not keys or is_waived(settings) or proof(receipts, settings) is ReceiptAuthentication.HELD:
        return ""
    return (
        f"its receipts come over HTTP, and nothing would prove whose they are: set {' or '.join(keys)},"
        f' or say that whoever posts is to be believed: --open-receipts, "{RECEIPTS}": "{OPEN}"'
    )
