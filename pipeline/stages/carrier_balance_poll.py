"""Balance poll: query the balance with a carrier; drain the carrier when it is low, resume it after a top-up."""

import logging
import time
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

from pipeline.carriers import balance_poll_settings, registry
from pipeline.carriers.balance_poll_settings import BalancePolling
from pipeline.carriers.contract import CarrierWithBalance
from pipeline.rules.money import carrier_balances
from pipeline.runtime import Runtime
from pipeline.store import carriers
from pipeline.store.carriers import CarrierRow

log = logging.getLogger(__name__)


class BalancePoller:
    """Polls the balance with one carrier periodically, in the carrier's own process, so that no other work waits."""

    def __init__(self, name: str) -> None:
        """Begin with a poll that is due."""
        self._name = name
        self._asked_at = float("-inf")

    def look(self, rt: Runtime) -> None:
        """Query and store the balance, if the carrier's settings demand it and it is due.

        ConfigurationError: invalid settings.
        """
        with rt.read_only() as conn:
            row = next((row for row in carriers.all_of(conn) if row.name == self._name), None)
        row = row and replace(row, settings=rt.unsealed(row.settings))
        watched, _ = balance_poll_settings.read(row.name, row.settings) if row else (None, None)
        if row and watched and time.monotonic() - self._asked_at >= watched.seconds:
            self._asked_at = time.monotonic()
            poll_balance(rt, row, watched)


def poll_balance(rt: Runtime, row: CarrierRow, watched: BalancePolling) -> None:
    """Query the balance with a carrier; store it, and drain or resume the carrier by its threshold.

    The query has a connection of its own, so that it does not delay messages, nor they the query.
    """
    balance, currency = _ask(rt, row) or (None, "")
    spelt = None if balance is None else carrier_balances.spell(balance, currency)
    if balance is None or spelt is None:
        log.warning("carrier %(carrier)s does not say what is left to spend with it", {"carrier": row.name})
        return
    with rt.begin() as conn:
        before = carriers.lock(conn, row.name)
        if before is None:
            return
        state, reason = carrier_balances.state(balance, watched.low, *before)
        carriers.set_balance(conn, row.name, spelt)
        if (state, reason) != before:
            carriers.set_state(conn, row.name, state, reason)
    if (state, reason) != before:
        words = "carrier %(carrier)s is %(state)s: %(balance)s is left to spend with it"
        log.warning(words, {"carrier": row.name, "state": state, "balance": spelt})


def _ask(rt: Runtime, row: CarrierRow) -> tuple[Decimal, str] | None:
    with closing(registry.make(row.name, row.kind, row.settings, rt.settings.lease_seconds)) as carrier:
        try:
            return carrier.balance() if isinstance(carrier, CarrierWithBalance) else None
        except Exception as error:  # noqa: BLE001 - a fault of the adapter must not end the carrier's process
            words = "carrier %(carrier)s: its adapter failed with %(fault)s"
            log.error(words, {"carrier": row.name, "fault": type(error).__name__})
            return None
