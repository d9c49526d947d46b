"""Fixtures with an empty database."""

from collections.abc import Iterator

import pytest

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from tests.databases import NewDatabase


@pytest.fixture
def blank(new_database: NewDatabase) -> Iterator[Runtime]:
    """Yield a runtime whose database is empty."""
    runtime = Runtime(Settings(database_url=new_database("template1")))
    yield runtime
    runtime.close()
