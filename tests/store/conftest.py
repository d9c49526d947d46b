"""Fixtures with an empty database."""

from collections.abc import Callable, Iterator

import pytest

from pipeline.runtime import Runtime
from pipeline.settings import Settings


@pytest.fixture
def blank(new_database: Callable[..., str]) -> Iterator[Runtime]:
    """Yield a runtime whose database is empty."""
    runtime = Runtime(Settings(database_url=new_database("template1")))
    yield runtime
    runtime.close()
