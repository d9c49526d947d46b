"""Settings that every kind of carrier has: whether its balance is polled, and below what it is low."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pipeline.carriers.setting_reader import SettingReader

#: seconds between two polls
DEFAULT, SHORTEST, LONGEST = 60.0, 5.0, 86_400.0
LOW, EVERY = "low_balance", "balance_seconds"


@dataclass(frozen=True, slots=True)
class BalancePolling:
    """That a carrier's balance is polled."""

    #: below it the carrier is drained; None: never
    low: Decimal | None
    #: between two polls
    seconds: float


def read(name: str, settings: Mapping[str, object]) -> tuple[BalancePolling | None, dict[str, object]]:
    """Return the balance settings, None where there are none, and the remaining settings, which are the kind's own.

    ConfigurationError names the invalid setting.
    """
    own = {key: value for key, value in settings.items() if key not in (LOW, EVERY)}
    if len(own) == len(settings):
        return None, own
    options = SettingReader(name, settings)
    low = Decimal(str(options.number(LOW, 0, 0, 10**12))) if LOW in settings else None
    return BalancePolling(low, options.number(EVERY, DEFAULT, SHORTEST, LONGEST)), own
