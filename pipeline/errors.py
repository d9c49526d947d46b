"""Exceptions that stop a whole batch. An error of one message is a value, never one of these."""


class PostroadError(Exception):
    """Base of our errors; the message says how to fix it."""


class ConfigurationError(PostroadError):
    """A setting, URL or port is invalid; the message names it."""


class CarrierUnknown(ConfigurationError):
    """An unknown carrier or kind of carrier."""


class InvalidInput(ConfigurationError):
    """Invalid input of an operator; the message names it and says how to write it."""


class NotFound(PostroadError):
    """Nothing has the name or id that an operator gave."""


class AlreadyExists(PostroadError):
    """What an operator creates exists already, or its name is taken."""


class Conflict(PostroadError):
    """The state of what an operator changes does not allow it."""


def require(condition: object, message: str) -> None:
    """Raise InvalidInput with the message unless the condition holds."""
    if not condition:
        raise InvalidInput(message)


class DatabaseFault(PostroadError):
    """The database is down, or raised an error. The message names the error, never the rows involved."""

    def __init__(self, words: str, sqlstate: str | None = None) -> None:
        super().__init__(words)
        #: SQLSTATE; None: the database was not reached
        self.sqlstate = sqlstate

    @property
    def is_final(self) -> bool:
        """Whether a retry would fail in the same way: the data is the cause."""
        return self.sqlstate is not None and self.sqlstate[:2] in ("22", "23", "54")


class Overloaded(PostroadError):
    """Overload: more concurrent work would exhaust the memory; retry shortly."""


class InsufficientFunds(PostroadError):
    """Wallet or quota do not cover the whole batch, or what a campaign is to hold when it begins."""
