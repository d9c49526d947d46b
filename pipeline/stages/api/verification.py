"""Verify: keep the hash of a code that somebody is sent, judge what he types, count his guesses, tell how it goes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store.api import challenges, recipient_requests
from schema.api import Challenge
from schema.vocabulary import Code, Status

#: what a code's hash is made for
PURPOSE = "code"
#: digits a code has unless its sender makes it
DIGITS = 7


class CheckedCode(StrEnum):
    """What a guess came to."""

    VALID = "valid"
    INVALID = "invalid"
    #: its time is over, whatever was guessed
    EXPIRED = "expired"
    #: too many wrong ones came before it, right or not
    MAX_ATTEMPTS_EXCEEDED = "max_attempts_exceeded"
    #: the account has no such challenge
    UNKNOWN = "unknown"


def make_code(digits: int = DIGITS) -> str:
    """Return a new random code."""
    return f"{secrets.randbelow(10**digits):0{digits}}"


def challenge(
    rt: Runtime,
    id_: UUID,
    account_id: int,
    code: str,
    *,
    expires_at: datetime,
    max_attempts: int,
    key_id: int | None = None,
    callback_url: str | None = None,
) -> Challenge:
    """Return the challenge of a code, which itself is kept nowhere: only its hash, which no other challenge shares."""
    return Challenge(
        id=id_,
        account=account_id,
        key_id=key_id,
        code_hash=rt.vault.digest(PURPOSE, id_.bytes, code),
        max_attempts=max_attempts,
        expires_at=expires_at,
        callback_url=callback_url,
    )


def open_challenges(rt: Runtime, opened: Sequence[Challenge]) -> None:
    """Write challenges, before the messages with their codes may go; one that is there already stays as it is."""
    if opened:
        with rt.begin() as conn:
            challenges.write(conn, opened)


def check(rt: Runtime, account_id: int, challenge_id: UUID, code: str) -> CheckedCode:
    """Judge a guess at a code and count it when it is wrong; the right one may be shown again and again."""
    now = rt.now()
    with rt.begin() as conn:
        expected = challenges.code_hash(conn, account_id, challenge_id)
        if expected is None:
            return CheckedCode.UNKNOWN
        fits = rt.vault.matches(expected, PURPOSE, challenge_id.bytes, code)
        if challenges.count(conn, account_id, challenge_id, fits=fits, now=now):
            return CheckedCode.VALID if fits else CheckedCode.INVALID
        over = challenges.is_expired(conn, challenge_id, now)
    return CheckedCode.EXPIRED if over else CheckedCode.MAX_ATTEMPTS_EXCEEDED


def complete(rt: Runtime, account_id: int, challenge_id: UUID, *, test: bool = False) -> bool:
    """Note that the account says its user is verified; return whether it has such a challenge.

    `test`: whether a test key says so; it has those that test keys opened, and no other.
    """
    with rt.begin() as conn:
        return challenges.complete(conn, account_id, challenge_id, rt.now(), test=test)


@dataclass(frozen=True, slots=True)
class CodeMessage:
    """How the message with a code stands."""

    #: when its sending was asked
    created_at: datetime
    status: Status
    #: why it failed or was rejected
    error_code: Code | None
    #: since when it stands so
    at: datetime


def follow(rt: Runtime, wanted: Sequence[tuple[int, str, UUID, bool]]) -> list[CodeMessage | None]:
    """Return how the message of each request stands, in order; None: there is no such.

    Wanted are (account, dialect, request, whether it is a test).
    """
    with rt.read_only() as conn:
        found = recipient_requests.standings(conn, wanted)
    return [_sent(*found[place]) if place in found else None for place in range(len(wanted))]


def _sent(created_at: datetime, status: str, error_code: str | None, at: datetime) -> CodeMessage:
    return CodeMessage(created_at, Status(status), Code(error_code) if error_code else None, at)
