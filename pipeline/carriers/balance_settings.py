"""Settings that every kind of carrier has: whether it is asked what is left to spend, and what is too little."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pipeline.carriers.setting_reader import SettingReader

#: seconds between two questions
USUAL, SHORTEST, LONGEST = 60.0, 5.0, 86_400.0
LOW, EVERY = "low_balance", "balance_seconds"


@dataclass(frozen=True, slots=True)
class BalancePolling:
    """That a carrier is asked what is left to spend."""

    #: below it the carrier is drained; None: it is only shown
    low: Decimal | None
    #: between two questions
    seconds: float


def watch(name: str, settings: Mapping[str, object]) -> tuple[BalancePolling | None, dict[str, object]]:
    """Return what is said of the balance, None where nothing is, and the settings that are the kind's own.

    ConfigurationError names the setting that does not fit.
    """
    own = {key: value for key, value in settings.items() if key not in (LOW, EVERY)}
    if len(own) == len(settings):
        return None, own
    options = SettingReader(name, settings)
    low = Decimal(str(options.number(LOW, 0, 0, 10**12))) if LOW in settings else None
    return BalancePolling(low, options.number(EVERY, USUAL, SHORTEST, LONGEST)), own
