"""The challenges table: one-time passwords as keyed hashes, with the count and result of verification attempts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from schema.api import Challenge
from schema.vocabulary import ChallengeState

_WRITE = """
INSERT INTO challenges (id, account_id, key_id, code_hash, max_attempts, expires_at, callback_url)
SELECT * FROM unnest(%(ids)b::uuid[], %(accounts)b::int4[], %(keys)b::int4[], %(hashes)b::bytea[],
                     %(attempts)b::int2[], %(expire)b::timestamptz[], %(urls)b::text[])
ON CONFLICT (id) DO NOTHING
"""


def write(conn: Connection, challenges: Sequence[Challenge]) -> None:
    """Insert challenges; existing ones stay unchanged."""
    if not challenges:
        return
    # ordered by id, so that two transactions that write the same challenges do not deadlock
    ordered = sorted(challenges, key=lambda each: each.id)
    conn.exec_driver_sql(
        _WRITE,
        {
            "ids": [each.id for each in ordered],
            "accounts": [each.account for each in ordered],
            "keys": [each.key_id for each in ordered],
            "hashes": [each.code_hash for each in ordered],
            "attempts": [each.max_attempts for each in ordered],
            "expire": [each.expires_at for each in ordered],
            "urls": [each.callback_url for each in ordered],
        },
    )


_HASH = "SELECT code_hash FROM challenges WHERE id = %(id)s AND account_id = %(account)s"


def code_hash(conn: Connection, account: int, challenge: UUID) -> bytes | None:
    """Return the hash of a challenge's code, which never changes; None when the account has no such challenge."""
    found: bytes | None = conn.exec_driver_sql(_HASH, {"id": challenge, "account": account}).scalar()
    return found


_COUNT = """
UPDATE challenges
SET attempts = attempts + CASE WHEN %(fits)s THEN 0 ELSE 1 END,
    state = CASE WHEN %(fits)s THEN 'verified'
                 WHEN state = 'open' AND attempts + 1 >= max_attempts THEN 'failed'
                 ELSE state END
WHERE id = %(id)s AND account_id = %(account)s AND attempts < max_attempts AND expires_at > %(now)s
"""


def count(conn: Connection, account: int, challenge: UUID, *, fits: bool, now: datetime) -> bool:
    """Count a verification attempt; return False, and count nothing, when the challenge accepts no more attempts.

    The UPDATE checks the limit: each of several concurrent attempts sees the count that those before it left.
    """
    params = {"id": challenge, "account": account, "fits": fits, "now": now}
    return conn.exec_driver_sql(_COUNT, params).rowcount == 1


_EXPIRED = "SELECT expires_at <= %(now)s FROM challenges WHERE id = %(id)s"


def is_expired(conn: Connection, challenge: UUID, now: datetime) -> bool:
    """Return whether a challenge has expired."""
    return bool(conn.exec_driver_sql(_EXPIRED, {"id": challenge, "now": now}).scalar())


_COMPLETE = """
UPDATE challenges SET completed_at = coalesce(completed_at, %(now)s)
WHERE id = %(id)s AND account_id = %(account)s
  AND coalesce((SELECT k.test FROM api_keys AS k WHERE k.id = key_id), false) = %(test)s
"""


def complete(conn: Connection, account: int, challenge: UUID, now: datetime, *, test: bool) -> bool:
    """Record that the account reported its user as verified; return whether the account has such a challenge, made with
    a test key or a live key as `test` says."""
    params = {"id": challenge, "account": account, "now": now, "test": test}
    return conn.exec_driver_sql(_COMPLETE, params).rowcount == 1


_STATES = "SELECT id, state FROM challenges WHERE id = ANY(%(ids)b)"


def states(conn: Connection, wanted: Sequence[UUID]) -> dict[UUID, ChallengeState]:
    """Return the states of these challenges; unknown (pruned) ones are left out."""
    rows = conn.exec_driver_sql(_STATES, {"ids": list(wanted)})
    return {id_: ChallengeState(state) for id_, state in rows}


_PRUNE = "DELETE FROM challenges WHERE created_at < now() - %(days)s * interval '1 day'"


def prune(conn: Connection, days: int) -> int:
    """Delete challenges older than `days` days; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"days": days}).rowcount
