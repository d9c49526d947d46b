"""Whether what a carrier posts proves whose it is, as its settings stand."""

from collections.abc import Mapping

from schema.carriage import ReceiptAuthentication

#: the setting that waives a proof, of every kind that has a row here with settings, and its only value
RECEIPTS, OPEN = "receipts", "open"
#: by kind whose receipts come over HTTP: the settings of which one proves them; none: its receipts' own rules hold one
PROOFS: dict[str, tuple[str, ...]] = {
    "africas_talking": ("receipt_token",),
    "generic": (),
    "http": ("receipt_token",),
    "infobip": ("receipt_token", "receipt_username"),
    "termii": ("secret_key",),
    "twilio": ("auth_token",),
    "vonage": ("signature_secret", "receipt_token"),
}
#: the kinds that believe every post while none of these is set; the others believe none
TRUSTING = frozenset({"http"})


def proof(kind: str, settings: Mapping[str, object]) -> ReceiptAuthentication | None:
    """Return how a carrier's posts are proved; None where it posts nothing over HTTP."""
    keys = PROOFS.get(kind)
    if keys is None:
        return None
    if not keys and is_waived(settings):
        return ReceiptAuthentication.WAIVED
    if any(settings.get(key) for key in keys or (RECEIPTS,)):
        return ReceiptAuthentication.HELD
    return ReceiptAuthentication.WAIVED if is_waived(settings) or kind in TRUSTING else ReceiptAuthentication.LACKING


def is_waived(settings: Mapping[str, object]) -> bool:
    """Tell whether an operator said that whoever posts is believed."""
    given = settings.get(RECEIPTS)
    return given == OPEN or (isinstance(given, Mapping) and given.get("proof") == OPEN)


def own(kind: str, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that are the kind's own: without the waiver."""
    waived = PROOFS.get(kind) and is_waived(settings)
    return {key: value for key, value in settings.items() if not (waived and key == RECEIPTS)}


def demand(kind: str, settings: Mapping[str, object]) -> str:
    """Return what to say to who adds a carrier whose posts anybody could forge, or "" where all is well."""
    keys = PROOFS.get(kind)
    if not keys or is_waived(settings) or proof(kind, settings) is ReceiptAuthentication.HELD:
        return ""
    return (
        f"its receipts come over HTTP, and nothing would prove whose they are: set {' or '.join(keys)},"
        f' or say that whoever posts is to be believed: --open-receipts, "{RECEIPTS}": "{OPEN}"'
    )
