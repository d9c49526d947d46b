"""Authenticate API calls: API key and proof, account state, source address, nonce (replay) and rate limit."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.runtime import Runtime
from pipeline.store.api import api_keys, rate_limits
from pipeline.store.api.api_keys import Rehash
from pipeline.store.api.rate_limits import LimitTake
from schema.api import ApiKey
from schema.value_class import value_class
from schema.vocabulary import AccountState, Code

log = logging.getLogger(__name__)

#: maximum length of a handle, in characters
_LONGEST = 255
#: the purpose under which the secrets of API keys are encrypted
PURPOSE = "key"
#: how seldom the last use of a key is written
COARSE = timedelta(hours=1)
#: a random secret that no key has
_NO_SECRET = os.urandom(32)


@value_class
class Credentials:
    """The credentials of an API call, before they are checked."""

    dialect: str
    #: by which the API key is looked up
    handle: str
    #: source IP address
    source: str
    #: name of the called endpoint: rate limits apply per key and endpoint
    endpoint: str
    #: calls per second, and burst size, unless the key's settings override them
    rate: float
    burst: int
    #: checks the caller's proof against the key, as the dialect defines it; returns None if it is valid
    verify: Callable[[ApiKey], Any]
    #: a value that this key must not use twice, and for how many seconds it is remembered
    nonce: str | None = None
    nonce_seconds: int = 0
    #: during a rotation of the secret key: the handle as derived with the older secret keys, if it differs
    older: tuple[str, ...] = ()
    #: during a rotation: hash of the presented secret under the current secret key; None: no secret was presented
    secret_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """Why a call is denied."""

    code: Code
    #: seconds after which the caller may retry
    wait: float = 0.0
    #: the dialect's own result of checking the proof
    proof: Any = None


def authenticate(rt: Runtime, calls: Sequence[Credentials]) -> list[ApiKey | Denied]:
    """Return for each call its API key, or why it is denied, in order.

    Checks in this order: key and proof, account state, source address, nonce, rate limit; a call that fails one uses
    up nothing of the later ones. An unknown key is checked like one with an invalid proof, in the same time: without
    the secret, a caller does not learn which keys exist or their state.
    """
    found = _keys(rt, calls)
    callers = [_caller(found, credentials) for credentials in calls]
    judged = [_judge_alone(key, credentials) for key, credentials in zip(callers, calls, strict=True)]
    if rt.vault.old:
        _hash_anew(rt, calls, callers, judged)
    _refuse_replays(rt, calls, judged)
    _apply_rate_limits(rt, calls, judged)
    _note_use(rt, judged)
    return judged


def _keys(rt: Runtime, calls: Sequence[Credentials]) -> dict[tuple[str, str], ApiKey]:
    # a handle that PostgreSQL cannot store belongs to no key, and must not fail the query for the other calls
    wanted = [(credentials.dialect, credentials.handle) for credentials in calls if _is_spelt(credentials.handle)]
    if rt.vault.old:
        wanted += [
            (credentials.dialect, handle) for credentials in calls for handle in credentials.older if _is_spelt(handle)
        ]
    with rt.read_only() as conn:
        rows = api_keys.find(conn, wanted, rt.now())
    return {(key.dialect, key.handle): key for key in (_key(rt, row) for row in rows) if key}


def _caller(found: Mapping[tuple[str, str], ApiKey], credentials: Credentials) -> ApiKey | None:
    key = found.get((credentials.dialect, credentials.handle))
    if key is None and credentials.older:
        older = (found.get((credentials.dialect, handle)) for handle in credentials.older)
        return next((each for each in older if each), None)
    return key


def _is_spelt(handle: str) -> bool:
    return handle.isprintable() and len(handle) <= _LONGEST


def _key(rt: Runtime, row: Sequence[Any]) -> ApiKey | None:
    """Return a key; None: its secret cannot be decrypted any more, so that no proof can be checked."""
    id_, account, owner, state, currency, dialect, handle, test, scopes, networks, settings, sealed, hash_, used = row
    try:
        secret = rt.vault.open(PURPOSE, sealed) if sealed else None
    except ConfigurationError as error:
        log.error("key %d is void: %s", id_, error)
        return None
    return ApiKey(
        id=id_,
        account=account,
        owner=owner,
        account_state=AccountState(state),
        currency=currency,
        dialect=dialect,
        handle=handle,
        test=test,
        scopes=frozenset(scopes),
        networks=tuple(networks),
        settings=settings,
        secret=secret,
        secret_hash=hash_,
        last_used_at=used,
    )


def _judge_alone(key: ApiKey | None, credentials: Credentials) -> ApiKey | Denied:
    """Check one call up to its source address; an unexpected error denies this call only, not the others."""
    try:
        judged = _judge(key, credentials)
        if isinstance(judged, ApiKey):
            _take(judged, credentials)
    except Exception as error:  # noqa: BLE001 - only this call fails
        log.error("a call with key %s cannot be judged: %s", key and key.id, type(error).__name__)
        return Denied(Code.INTERNAL)
    return judged


def _judge(key: ApiKey | None, credentials: Credentials) -> ApiKey | Denied:
    proof = credentials.verify(key or _unknown_key(credentials))
    if proof is not None or key is None:
        return Denied(Code.UNAUTHENTICATED, proof=proof)
    if key.account_state is not AccountState.ACTIVE:
        return Denied(Code.ACCOUNT_SUSPENDED)
    if key.networks and not _within(credentials.source, key.networks):
        return Denied(Code.SOURCE_FORBIDDEN)
    return key


def _unknown_key(credentials: Credentials) -> ApiKey:
    """Return a key with a secret that no caller has, in place of an unknown key."""
    return ApiKey(
        id=0,
        account=0,
        owner="",
        account_state=AccountState.ACTIVE,
        currency="",
        dialect=credentials.dialect,
        handle=credentials.handle,
        test=False,
        scopes=frozenset(),
        networks=(),
        settings={},
        secret=_NO_SECRET,
        secret_hash=_NO_SECRET,
    )


def _hash_anew(
    rt: Runtime, calls: Sequence[Credentials], callers: Sequence[ApiKey | None], judged: Sequence[ApiKey | Denied]
) -> None:
    """Rehash with the current secret key the API keys of calls that were just proven and are hashed with an older one.

    A database fault does not fail the calls: the keys are still found by the older hash next time.
    """
    shown = {
        change.id: change
        for credentials, key, verdict in zip(calls, callers, judged, strict=True)
        if key and _is_proven(verdict) and (change := _anew(key, credentials))
    }
    if not shown:
        return
    try:
        with rt.read_only() as conn:
            behind = api_keys.behind(conn, shown, rt.vault.id)
        if behind:
            with rt.begin() as conn:
                api_keys.rehash(conn, [shown[id_] for id_ in behind], rt.vault.id)
    except DatabaseFault as error:
        log.warning("%d keys are not hashed anew yet: %s", len(shown), error)


def _is_proven(judged: ApiKey | Denied) -> bool:
    """Return whether the caller's proof was valid, even if the call is denied for another reason."""
    return isinstance(judged, ApiKey) or judged.code in (Code.ACCOUNT_SUSPENDED, Code.SOURCE_FORBIDDEN)


def _anew(key: ApiKey, credentials: Credentials) -> Rehash | None:
    """Return the new hashes of a key, from what its caller presented; None: nothing of it is stored as a hash."""
    if key.secret_hash is None:
        return Rehash(key.id, key.handle, credentials.handle, None) if key.secret is None else None
    return Rehash(key.id, key.handle, credentials.handle, credentials.secret_hash) if credentials.secret_hash else None


def _within(source: str, networks: Sequence[str]) -> bool:
    try:
        address = ip_address(source)
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in ip_network(each, strict=False) for each in networks)


def _refuse_replays(rt: Runtime, calls: Sequence[Credentials], judged: list[ApiKey | Denied]) -> None:
    asked = [
        (place, f"{key.id}:{credentials.nonce}", credentials.nonce_seconds)
        for place, (credentials, key) in enumerate(zip(calls, judged, strict=True))
        if isinstance(key, ApiKey) and credentials.nonce is not None
    ]
    if not asked:
        return
    fresh = rate_limits.store_nonces(rt.valkey, [(word, seconds) for _, word, seconds in asked])
    for place, (at, _, _) in enumerate(asked):
        if fresh is None:
            judged[at] = Denied(Code.UNAVAILABLE)
        elif not fresh[place]:
            judged[at] = Denied(Code.CONFLICT)


def _apply_rate_limits(rt: Runtime, calls: Sequence[Credentials], judged: list[ApiKey | Denied]) -> None:
    asked = [
        (place, [_take(key, credentials)])
        for place, (credentials, key) in enumerate(zip(calls, judged, strict=True))
        if isinstance(key, ApiKey)
    ]
    for (place, _), refused in zip(asked, rate_limits.take(rt.valkey, [group for _, group in asked]), strict=True):
        if refused:
            judged[place] = Denied(Code.RATE_KEY, wait=refused.wait)


def _note_use(rt: Runtime, judged: Sequence[ApiKey | Denied]) -> None:
    """Write that these keys were used, each once an hour at most. A database fault does not fail the calls."""
    now = rt.now()
    before = now - COARSE
    used = {
        key.id for key in judged if isinstance(key, ApiKey) and (key.last_used_at is None or key.last_used_at <= before)
    }
    if not used:
        return
    try:
        with rt.begin() as conn:
            api_keys.note_use(conn, used, now, before)
    except DatabaseFault as error:
        log.warning("the last use of %d keys is not written: %s", len(used), error)


def _take(key: ApiKey, credentials: Credentials) -> LimitTake:
    rate = float(key.settings.get("rate", credentials.rate))
    burst = int(key.settings.get("burst", max(credentials.burst, rate)))
    return LimitTake(f"key:{key.id}:{credentials.endpoint}", rate, burst)
