"""Weigh: ask a carrier what is left to spend with it; drain it before it runs dry, resume it when that is mended."""

import logging
import time
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

from pipeline.carriers import balance_settings, registry
from pipeline.carriers.balance_settings import BalancePolling
from pipeline.carriers.contract import CarrierWithBalance
from pipeline.rules.money import balances
from pipeline.runtime import Runtime
from pipeline.store import carriers
from pipeline.store.carriers import CarrierRow

log = logging.getLogger(__name__)


class BalancePoller:
    """One carrier's scales: they ask when it is time. Its own process looks at them, so nobody else ever waits."""

    def __init__(self, name: str) -> None:
        """Begin as if nobody had asked for long."""
        self._name = name
        self._asked_at = float("-inf")

    def look(self, rt: Runtime) -> None:
        """Ask, and write what was said, if the carrier's settings want that and it is time.

        ConfigurationError says what does not fit.
        """
        with rt.read_only() as conn:
            row = next((row for row in carriers.all_of(conn) if row.name == self._name), None)
        row = row and replace(row, settings=rt.unsealed(row.settings))
        watched = balance_settings.watch(row.name, row.settings)[0] if row else None
        if row and watched and time.monotonic() - self._asked_at >= watched.seconds:
            self._asked_at = time.monotonic()
            poll_balance(rt, row, watched)


def poll_balance(rt: Runtime, row: CarrierRow, watched: BalancePolling) -> None:
    """Ask a carrier what is left to spend; write it, and drain or resume the carrier by it.

    The question has a connection of its own: messages do not wait behind it, nor it behind them.
    """
    said = _ask(rt, row)
    spelt = balances.spell(*said) if said else None
    if said is None or spelt is None:
        log.warning("carrier %s does not say what is left to spend with it", row.name)
        return
    with rt.begin() as conn:
        before = carriers.lock(conn, row.name)
        if before is None:
            return
        after = balances.state(said[0], watched.low, *before)
        carriers.set_balance(conn, row.name, spelt)
        if after != before:
            carriers.set_state(conn, row.name, *after)
    if after != before:
        log.warning("carrier %s is %s: %s is left to spend with it", row.name, after[0], spelt)


def _ask(rt: Runtime, row: CarrierRow) -> tuple[Decimal, str] | None:
    with closing(registry.make(row.name, row.kind, row.settings, rt.settings.lease_seconds)) as carrier:
        try:
            return carrier.balance() if isinstance(carrier, CarrierWithBalance) else None
        except Exception as error:  # noqa: BLE001 - who looks after the carrier must not die of its adapter
            log.error("carrier %s: its adapter failed with %s", row.name, type(error).__name__)
            return None
