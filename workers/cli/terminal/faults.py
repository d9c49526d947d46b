"""Maps exceptions of libraries to one line of text and an exit code."""

from kombu.exceptions import OperationalError as BrokerFault
from redis.exceptions import RedisError

from pipeline.errors import DatabaseFault

#: failure; invalid file; unreachable server
FAILED, INVALID, UNREACHABLE = 1, 2, 3


def explain(error: Exception) -> tuple[str, int]:
    """Return an exception's text and exit code. Query parameters are not quoted: some are phone numbers."""
    if isinstance(error, DatabaseFault):
        return _database(error)
    if isinstance(error, BrokerFault | RedisError):
        return (
            f"the broker does not answer ({_first_line(error)}); check BROKER_URL, or start `postroad up`",
            UNREACHABLE,
        )
    if isinstance(error, UnicodeDecodeError):
        return "a file that is not UTF-8: save it as UTF-8", INVALID
    if isinstance(error, OSError):
        return _first_line(error), FAILED
    return (
        f"unexpected error: {type(error).__name__}. POSTROAD_TRACEBACK=1 shows the traceback; please report it",
        FAILED,
    )


#: undefined table, undefined column
_OLD_SHAPE = ("42P01", "42703")
#: lock timeout, statement timeout
_TOO_LATE = ("55P03", "57014")
#: connection exceptions, operator intervention; no SQLSTATE: it was not reached
_UNREACHABLE = ("08", "57")


def _database(error: DatabaseFault) -> tuple[str, int]:
    if error.sqlstate in _OLD_SHAPE:
        return "the database schema is not this version's: run `postroad migrate`", FAILED
    if error.sqlstate in _TOO_LATE:
        return f"the database is busy: timeout ({error}); try again", UNREACHABLE
    if error.sqlstate is None or error.sqlstate.startswith(_UNREACHABLE):
        return f"the database does not answer ({error}); check DATABASE_URL, or start `postroad up`", UNREACHABLE
    return f"database error ({error}). POSTROAD_TRACEBACK=1 shows the traceback; please report it", FAILED


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
