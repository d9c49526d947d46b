"""Gates of campaigns: shares of failed, undelivered and opted-out messages above which a campaign is paused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: messages with an outcome before a share counts, where a campaign does not say
MIN_SAMPLE = 50


@dataclass(frozen=True, slots=True)
class OutcomeSample:
    """Counts of messages of a campaign."""

    #: accepted by a carrier, or failed or rejected before one accepted them
    decided: int = 0
    #: of these, failed or rejected before a carrier accepted them
    failed: int = 0
    #: delivered or not, by a receipt
    reported: int = 0
    #: of these, not delivered
    undelivered: int = 0
    #: accepted by a carrier
    handed: int = 0
    #: of these, to recipients who opted out since the campaign started
    opted_out: int = 0


def has_gates(gates: Mapping[str, Any]) -> bool:
    """Tell whether a campaign has any gate."""
    return any(gates.get(name) is not None for name in ("failed", "undelivered", "opted_out"))


def tripped(gates: Mapping[str, Any], sample: OutcomeSample) -> str | None:
    """Return the reason for a pause, such as `gate:failed 12 % of 80`; None: no gate says so.

    A share counts only once as many messages as `min_sample` have the outcome that it looks at.
    """
    least = gates.get("min_sample") or MIN_SAMPLE
    for name, count, of in (
        ("failed", sample.failed, sample.decided),
        ("undelivered", sample.undelivered, sample.reported),
        ("opted_out", sample.opted_out, sample.handed),
    ):
        highest = gates.get(name)
        if highest is not None and of >= least and count > highest * of:
            return f"gate:{name} {100 * count / of:.3g} % of {of}"
    return None
