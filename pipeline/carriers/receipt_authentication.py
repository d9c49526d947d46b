"""How a carrier's HTTP posts are authenticated, by its kind and settings."""

from collections.abc import Mapping

from pipeline.carriers.contract import HttpReceipts
from pipeline.errors import require
from schema.carriage import ReceiptAuthentication

#: the setting that waives authentication, for every kind that has `secrets`, and its only value
RECEIPTS, OPEN = "receipts", "open"
#: the rule of the setting `receipts` that says how posts are authenticated, for kinds without `secrets`
PROOF = "proof"


def status(receipts: HttpReceipts | None, settings: Mapping[str, object]) -> ReceiptAuthentication | None:
    """Return how a carrier's posts are authenticated; None where it posts nothing over HTTP."""
    if receipts is None:
        return None
    if not receipts.secrets and is_waived(settings):
        return ReceiptAuthentication.WAIVED
    if any(settings.get(key) for key in receipts.secrets or (RECEIPTS,)):
        return ReceiptAuthentication.ENFORCED
    return (
        ReceiptAuthentication.WAIVED
        if is_waived(settings) or receipts.is_trusting
        else ReceiptAuthentication.UNCONFIGURED
    )


def is_waived(settings: Mapping[str, object]) -> bool:
    """Tell whether the operator waived authentication."""
    given = settings.get(RECEIPTS)
    return given == OPEN or (isinstance(given, Mapping) and given.get(PROOF) == OPEN)


def waive(receipts: HttpReceipts | None, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings with authentication waived; InvalidInput: their rules have a proof."""
    rules = settings.get(RECEIPTS)
    if not isinstance(rules, Mapping) and (receipts is None or receipts.secrets):
        return {**settings, RECEIPTS: OPEN}
    found = rules if isinstance(rules, Mapping) else {}
    words = "--open-receipts waives authentication, but the settings have a proof: leave one out"
    require(PROOF not in found, words)
    return {**settings, RECEIPTS: {**found, PROOF: OPEN}}


def own(receipts: HttpReceipts | None, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings without the waiver, which are the kind's own."""
    waived = receipts and receipts.secrets and is_waived(settings)
    return {key: value for key, value in settings.items() if not (waived and key == RECEIPTS)}


def fault(receipts: HttpReceipts | None, settings: Mapping[str, object]) -> str:
    """Return the error for a new carrier whose posts would not be authenticated, or ""."""
    keys = receipts.secrets if receipts else ()
    if not keys or is_waived(settings) or status(receipts, settings) is ReceiptAuthentication.ENFORCED:
        return ""
    return (
        f"its receipts come over HTTP and would not be authenticated: set {' or '.join(keys)},"
        f' or accept them from anyone: --open-receipts, "{RECEIPTS}": "{OPEN}"'
    )
