"""What strangers' exceptions mean to whoever typed a command: one line, and an exit code."""

from kombu.exceptions import OperationalError as BrokerFault
from redis.exceptions import RedisError

from pipeline.errors import DatabaseFault

#: something failed; a file does not fit; a server is away
FAILED, UNFIT, AWAY = 1, 2, 3


def explain(error: Exception) -> tuple[str, int]:
    """Return what to say of an exception, and the exit code. No parameter of a query is repeated: some are numbers."""
    if isinstance(error, DatabaseFault):
        return _database(error)
    if isinstance(error, BrokerFault | RedisError):
        return f"the broker does not answer ({_first_line(error)}); check BROKER_URL, or start `postroad up`", AWAY
    if isinstance(error, UnicodeDecodeError):
        return "a file that is not UTF-8: save it as UTF-8", UNFIT
    if isinstance(error, OSError):
        return _first_line(error), FAILED
    return f"something unexpected: {type(error).__name__}. POSTROAD_TRACEBACK=1 shows where; please tell us", FAILED


#: undefined table, undefined column
_OLD_SHAPE = ("42P01", "42703")
#: a lock, or a statement as a whole, took longer than it may
_TOO_LATE = ("55P03", "57014")
#: connection exceptions, operator intervention; None: it was not reached
_AWAY = ("08", "57")


def _database(error: DatabaseFault) -> tuple[str, int]:
    if error.sqlstate in _OLD_SHAPE:
        return "the database is not in the shape this version needs: run `postroad migrate`", FAILED
    if error.sqlstate in _TOO_LATE:
        return f"the database is busy: it took too long ({error}); try again", AWAY
    if error.sqlstate is None or error.sqlstate.startswith(_AWAY):
        return f"the database does not answer ({error}); check DATABASE_URL, or start `postroad up`", AWAY
    return f"the database refused ({error}). POSTROAD_TRACEBACK=1 shows where; please tell us", FAILED


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
