"""What stops a whole batch, as a tree. One member's fault is a value, never one of these."""


class PostroadError(Exception):
    """Something went wrong that its reader can mend; the message says how."""


class ConfigurationError(PostroadError):
    """A setting, a URL or a port does not fit; the message names it."""


class CarrierUnknown(ConfigurationError):
    """A carrier is named that no registry line knows."""


class InvalidInput(ConfigurationError):
    """What an operator asked for does not fit; the message names it and says how to write it."""


class NotFound(PostroadError):
    """There is nothing of the name or id that an operator gave."""


class AlreadyExists(PostroadError):
    """What an operator wants to create is there already, or its name is taken."""


class DatabaseFault(PostroadError):
    """The database is away, or refused. Says which error it was, never the rows it was about."""

    def __init__(self, words: str, sqlstate: str | None = None) -> None:
        super().__init__(words)
        #: PostgreSQL's five characters; None: it was not reached
        self.sqlstate = sqlstate

    @property
    def is_final(self) -> bool:
        """Whether the same again would fail the same: it is the data, not the hour."""
        return self.sqlstate is not None and self.sqlstate[:2] in ("22", "23", "54")


class Crowded(PostroadError):
    """So much is under way already that more would only fill the memory; the same again in a moment."""


class ShortOfFunds(PostroadError):
    """The wallet or quota no longer covers the whole batch; it must be covered one by one."""
