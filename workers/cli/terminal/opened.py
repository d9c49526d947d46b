"""Opens a runtime for one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.runtime import Runtime, Work
from pipeline.settings import Settings
from workers.server_urls import with_local_servers


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Runtime]:
    """Yield a runtime on this installation's servers, or on those of the settings given."""
    rt = Runtime(settings or with_local_servers(), deadlines=Work.COMMAND.value)
    try:
        yield rt
    finally:
        rt.close()
