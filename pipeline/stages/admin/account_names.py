"""The names of all accounts, for lists to choose from."""

from collections.abc import Mapping

from pipeline.runtime import Runtime
from pipeline.store import accounts


def account_names(rt: Runtime) -> Mapping[str, int]:
    """Return the id of each account by its name, in the order of their names."""
    with rt.read_only() as conn:
        return accounts.names(conn)
