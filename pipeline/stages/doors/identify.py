"""Identify: find out who calls, whether he may from there, and whether he calls too often."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.runtime import Runtime
from pipeline.store.doors import keys, limits
from pipeline.store.doors.keys import Rehash
from pipeline.store.doors.limits import Take
from schema.door import Key
from schema.value_class import value_class
from schema.vocabulary import AccountState, Code, Dialect

log = logging.getLogger(__name__)

#: characters a handle may have
_LONGEST = 255
#: what a sealed secret of a key is sealed for
PURPOSE = "key"
#: what no secret and no hash of one is equal to
_NO_SECRET = os.urandom(32)


@value_class
class Knock:
    """A call at a door, before we know whose it is."""

    dialect: Dialect
    #: what finds the key
    handle: str
    #: the address it came from
    source: str
    #: what is called: calls are limited by key and endpoint
    endpoint: str
    #: calls a second, and how many at once, unless the key's settings say otherwise
    rate: float
    burst: int
    #: judges the key's proof in the dialect's own way; returns None when it holds
    prove: Callable[[Key], Any]
    #: what must not come twice from this key, and for how many seconds it is remembered
    nonce: str | None = None
    nonce_seconds: int = 0
    #: while the secret key is replaced: the handle as it is by those before it, where that is another
    older: tuple[str, ...] = ()
    #: and the present hash of the secret that the caller shows; None: he shows none
    secret_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Turned:
    """Why a caller is turned away."""

    code: Code
    #: seconds after which he may try again
    wait: float = 0.0
    #: what the dialect itself had to say about his proof
    proof: Any = None


def identify(rt: Runtime, knocks: Sequence[Knock]) -> list[Key | Turned]:
    """Return for each knock its key, or why it is turned away, in order.

    Judged in this order: the key is known and the proof holds, its account is active, the address is allowed, the nonce
    is new, the limit holds. Whoever fails an earlier one spends nothing of a later. A key that is not there is judged
    as one whose proof fails, by the same work: nobody without the secret learns which keys there are or how they stand.
    """
    found = _keys(rt, knocks)
    callers = [_caller(found, knock) for knock in knocks]
    judged = [_judge_alone(key, knock) for key, knock in zip(callers, knocks, strict=True)]
    if rt.vault.old:
        _hash_anew(rt, knocks, callers, judged)
    _refuse_replays(rt, knocks, judged)
    _refuse_haste(rt, knocks, judged)
    return judged


def _keys(rt: Runtime, knocks: Sequence[Knock]) -> dict[tuple[Dialect, str], Key]:
    # what PostgreSQL cannot spell is nobody's, and must not spoil it for those who knock beside it
    wanted = [(knock.dialect, knock.handle) for knock in knocks if _is_spelt(knock.handle)]
    if rt.vault.old:
        wanted += [(knock.dialect, handle) for knock in knocks for handle in knock.older if _is_spelt(handle)]
    with rt.glance() as conn:
        rows = keys.find(conn, wanted)
    return {(key.dialect, key.handle): key for key in (_key(rt, row) for row in rows) if key}


def _caller(found: Mapping[tuple[Dialect, str], Key], knock: Knock) -> Key | None:
    key = found.get((knock.dialect, knock.handle))
    if key is None and knock.older:
        older = (found.get((knock.dialect, handle)) for handle in knock.older)
        return next((each for each in older if each), None)
    return key


def _is_spelt(handle: str) -> bool:
    return handle.isprintable() and len(handle) <= _LONGEST


def _key(rt: Runtime, row: Sequence[Any]) -> Key | None:
    """Return a key; None: its secret is not to be had any more, so that nobody can prove that it is his."""
    id_, account, owner, state, currency, dialect, handle, test, scopes, networks, settings, sealed, secret_hash = row
    try:
        secret = rt.vault.open(PURPOSE, sealed) if sealed else None
    except ConfigurationError as error:
        log.error("key %d is void: %s", id_, error)
        return None
    return Key(
        id=id_,
        account=account,
        owner=owner,
        account_state=AccountState(state),
        currency=currency,
        dialect=Dialect(dialect),
        handle=handle,
        test=test,
        scopes=frozenset(scopes),
        networks=tuple(networks),
        settings=settings,
        secret=secret,
        secret_hash=secret_hash,
    )


def _judge_alone(key: Key | None, knock: Knock) -> Key | Turned:
    """Judge one knock; what cannot be judged is turned away alone, not with all that came beside it."""
    try:
        judged = _judge(key, knock)
        if isinstance(judged, Key):
            _take(judged, knock)
    except Exception as error:  # noqa: BLE001 - its caller is told, and only he
        log.error("a call with key %s cannot be judged: %s", key and key.id, type(error).__name__)
        return Turned(Code.INTERNAL)
    return judged


def _judge(key: Key | None, knock: Knock) -> Key | Turned:
    proof = knock.prove(key or _nobodys(knock))
    if proof is not None or key is None:
        return Turned(Code.UNAUTHENTICATED, proof=proof)
    if key.account_state is not AccountState.ACTIVE:
        return Turned(Code.ACCOUNT_SUSPENDED)
    if key.networks and not _within(knock.source, key.networks):
        return Turned(Code.SOURCE_FORBIDDEN)
    return key


def _nobodys(knock: Knock) -> Key:
    """Return a key that nobody has the secret of, in place of one that is not there."""
    return Key(
        id=0,
        account=0,
        owner="",
        account_state=AccountState.ACTIVE,
        currency="",
        dialect=knock.dialect,
        handle=knock.handle,
        test=False,
        scopes=frozenset(),
        networks=(),
        settings={},
        secret=_NO_SECRET,
        secret_hash=_NO_SECRET,
    )


def _hash_anew(
    rt: Runtime, knocks: Sequence[Knock], callers: Sequence[Key | None], judged: Sequence[Key | Turned]
) -> None:
    """Hash with the present secret key what was hashed with one before it, of those who have just proved themselves.

    Whatever becomes of that, they are answered: their key is found by the older hash next time too.
    """
    shown = {
        change.id: change
        for knock, key, verdict in zip(knocks, callers, judged, strict=True)
        if key and _is_proven(verdict) and (change := _anew(key, knock))
    }
    if not shown:
        return
    try:
        with rt.glance() as conn:
            behind = keys.behind(conn, shown, rt.vault.id)
        if behind:
            with rt.begin() as conn:
                keys.rehash(conn, [shown[id_] for id_ in behind], rt.vault.id)
    except DatabaseFault as error:
        log.warning("%d keys are not hashed anew yet: %s", len(shown), error)


def _is_proven(judged: Key | Turned) -> bool:
    """Tell whether a caller had what the key takes, welcome or not."""
    return isinstance(judged, Key) or judged.code in (Code.ACCOUNT_SUSPENDED, Code.SOURCE_FORBIDDEN)


def _anew(key: Key, knock: Knock) -> Rehash | None:
    """Return how a key is hashed by what its caller has shown; None: he showed nothing that is kept as a hash."""
    if key.secret_hash is None:
        return Rehash(key.id, key.handle, knock.handle, None) if key.secret is None else None
    return Rehash(key.id, key.handle, knock.handle, knock.secret_hash) if knock.secret_hash else None


def _within(source: str, networks: Sequence[str]) -> bool:
    try:
        address = ip_address(source)
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in ip_network(each, strict=False) for each in networks)


def _refuse_replays(rt: Runtime, knocks: Sequence[Knock], judged: list[Key | Turned]) -> None:
    asked = [
        (place, f"{key.id}:{knock.nonce}", knock.nonce_seconds)
        for place, (knock, key) in enumerate(zip(knocks, judged, strict=True))
        if isinstance(key, Key) and knock.nonce is not None
    ]
    if not asked:
        return
    fresh = limits.remember(rt.valkey, [(word, seconds) for _, word, seconds in asked])
    for place, (at, _, _) in enumerate(asked):
        if fresh is None:
            judged[at] = Turned(Code.UNAVAILABLE)
        elif not fresh[place]:
            judged[at] = Turned(Code.CONFLICT)


def _refuse_haste(rt: Runtime, knocks: Sequence[Knock], judged: list[Key | Turned]) -> None:
    asked = [
        (place, [_take(key, knock)])
        for place, (knock, key) in enumerate(zip(knocks, judged, strict=True))
        if isinstance(key, Key)
    ]
    for (place, _), refused in zip(asked, limits.take(rt.valkey, [group for _, group in asked]), strict=True):
        if refused:
            judged[place] = Turned(Code.RATE_KEY, wait=refused.wait)


def _take(key: Key, knock: Knock) -> Take:
    rate = float(key.settings.get("rate", knock.rate))
    burst = int(key.settings.get("burst", max(knock.burst, rate)))
    return Take(f"key:{key.id}:{knock.endpoint}", rate, burst)
