"""Unseal: decrypt and authenticate sealed orders from the broker with the producer keys of accounts."""

import time
from typing import Any

from pipeline.runtime import Runtime
from pipeline.store import producer_keys
from schema import sealed_order
from schema.message import Refusal
from schema.order import Order
from schema.order_reader import read
from schema.sealed_order import FIELD, ProducerKey, SealBroken
from schema.vocabulary import Code

#: the purpose under which producer keys are encrypted in the database
PURPOSE = "producer_key"
#: seconds for which a key is cached, and the maximum number of cached keys
_FRESH, _MOST = 5.0, 1000


class Unsealer:
    """Decrypts orders, with a cache of producer keys."""

    def __init__(self) -> None:
        """Begin with an empty cache."""
        self._known: dict[str, tuple[float, str, ProducerKey]] = {}

    def read(self, rt: Runtime, task_id: str, given: Any) -> Order | list[Refusal]:
        """Return an order from the broker, decrypted if it is sealed, or why it is refused.

        An unsealed order is marked as such (`Order.is_unsealed`): some accounts refuse those.
        """
        opened = self.open(rt, task_id, given)
        if isinstance(opened, Refusal):
            return [opened]
        content, account = opened
        order = read(content)
        if account is None:
            return order.as_unsealed() if isinstance(order, Order) else order
        if isinstance(order, Order) and order.account != account:
            return [_refusal("the key it is sealed with is another account's")]
        return order

    def open(self, rt: Runtime, task_id: str, given: Any) -> tuple[Any, str | None] | Refusal:
        """Return the content of a task's argument, and the account whose key it was sealed with; None: unsealed.

        A refusal says why it cannot be decrypted.
        """
        key = sealed_order.key_of(given)
        if key is None:
            return given, None
        found = self._key(rt, key) if key else None
        if found is None:
            return _refusal("it is sealed with no producer key in force: `postroad producer list` shows them")
        account, secret = found
        try:
            return secret.open(task_id, given[FIELD]), account
        except SealBroken as error:
            return _refusal(str(error))

    def _key(self, rt: Runtime, key: str) -> tuple[str, ProducerKey] | None:
        known = self._known.get(key)
        if known:
            read_at, account, secret = known
            if time.monotonic() - read_at < _FRESH:
                return account, secret
        with rt.begin() as conn:
            found = producer_keys.find(conn, key)
        if found is None:
            self._known.pop(key, None)
            return None
        if len(self._known) >= _MOST:
            self._known.clear()
        account, content = found
        secret = ProducerKey(key, rt.vault.open(PURPOSE, content))
        self._known[key] = (time.monotonic(), account, secret)
        return account, secret


def own_key(rt: Runtime, account: str) -> str | None:
    """Return the account's latest producer key, for orders that our own commands publish; None: it has none.

    ConfigurationError: it cannot be decrypted: POSTROAD_SECRET_KEY is missing or another.
    """
    with rt.begin() as conn:
        found = producer_keys.latest(conn, account)
    if found is None:
        return None
    key, content = found
    return str(ProducerKey(key, rt.vault.open(PURPOSE, content)))


def _refusal(words: str) -> Refusal:
    return Refusal(Code.UNAUTHENTICATED, words, FIELD)
