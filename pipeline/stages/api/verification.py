"""Verification codes (OTP): store a code's keyed hash, check guesses, count failed attempts, report the status."""

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

#: the purpose under which codes are hashed
PURPOSE = "code"
#: default number of digits of a code that we generate
DIGITS = 7


class CheckedCode(StrEnum):
    """Result of checking a guess."""

    VALID = "valid"
    INVALID = "invalid"
    #: the challenge has expired, whatever the guess
    EXPIRED = "expired"
    #: too many wrong guesses came before, whatever this one
    MAX_ATTEMPTS_EXCEEDED = "max_attempts_exceeded"
    #: the account has no such challenge
    UNKNOWN = "unknown"


def make_code(digits: int = DIGITS) -> str:
    """Return a new random code with this number of decimal digits."""
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
    """Return the challenge of a code, not stored yet: it has only a keyed hash of the code and the challenge's id."""
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
    """Store challenges, before the messages with their codes may be sent; existing ones are unchanged."""
    if opened:
        with rt.begin() as conn:
            challenges.write(conn, opened)


def check(rt: Runtime, account_id: int, challenge_id: UUID, code: str) -> CheckedCode:
    """Check a guess at a code and count it if it is wrong; return the result. The right code may be checked again."""
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
    """Record that the account reports its user as verified; return whether it has such a challenge.

    `test`: whether the call has a test key, which has access to the challenges of test keys only.
    """
    with rt.begin() as conn:
        return challenges.complete(conn, account_id, challenge_id, rt.now(), test=test)


@dataclass(frozen=True, slots=True)
class CodeMessage:
    """Status of the message with a code."""

    #: when it was requested
    created_at: datetime
    status: Status
    #: why it failed or was rejected
    error_code: Code | None
    #: when it got this status
    at: datetime


def message_statuses(rt: Runtime, wanted: Sequence[tuple[int, str, UUID, bool]]) -> list[CodeMessage | None]:
    """Return the status of the message of each request, in order; None: there is no such request.

    `wanted`: (account, dialect, request, whether it is a test).
    """
    with rt.read_only() as conn:
        found = recipient_requests.standings(conn, wanted)
    return [_sent(*found[place]) if place in found else None for place in range(len(wanted))]


def _sent(created_at: datetime, status: str, error_code: str | None, at: datetime) -> CodeMessage:
    return CodeMessage(created_at, Status(status), Code(error_code) if error_code else None, at)
