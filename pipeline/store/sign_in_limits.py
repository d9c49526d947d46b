"""Rate limits of attempts to sign in, by user and by client, in Valkey or, without it, in each process.

Names and addresses are hashed: what is typed as a name may be a password.
"""

from pipeline.rules.identity.session_tokens import network_of
from pipeline.store.api.rate_limits import LimitTake
from pipeline.vault import Vault

#: attempts at once, and seconds until one more is allowed: at a name from one network, at a name, from a network
_PAIR, _NAME, _NETWORK = (10, 60), (100, 30), (30, 10)
#: of one-time codes of a user: of a million codes three are valid at a time
_CODES = (5, 300)


def of_password(vault: Vault, name: str, address: str) -> list[LimitTake]:
    """Return what an attempt at the password of a name takes, from an address."""
    network = network_of(address)
    return [
        _take(vault, "password of one client", _PAIR, name, network),
        _take(vault, "password", _NAME, name),
        _take(vault, "client", _NETWORK, network),
    ]


def of_link(vault: Vault, address: str) -> list[LimitTake]:
    """Return what an attempt at a one-time link takes, from an address."""
    return [_take(vault, "client", _NETWORK, network_of(address))]


def of_code(vault: Vault, user: int) -> list[LimitTake]:
    """Return what an attempt at the one-time code of a user takes."""
    return [_take(vault, "code", _CODES, str(user))]


def _take(vault: Vault, what: str, limit: tuple[int, int], *of: str) -> LimitTake:
    burst, seconds = limit
    return LimitTake(f"sign-in:{vault.digest('sign-in', what, *of).hex()[:32]}", 1 / seconds, burst)
