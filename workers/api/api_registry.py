"""Which door speaks which dialect, and which document tells of it."""

from collections.abc import Callable
from typing import Any

from pipeline.dialects.robase import openapi as _robase
from pipeline.dialects.solaris import openapi as _solaris
from pipeline.dialects.telesign import openapi as _telesign
from pipeline.dialects.webex import openapi as _webex
from schema.vocabulary import Dialect
from workers.api import robase, solaris, telesign, webex
from workers.api.dispatch import ApiDispatcher
from workers.api.openapi_page import described

#: one word a dialect
_ENTRIES: tuple[ApiDispatcher, ...] = (robase.ENTRY, solaris.ENTRY, telesign.ENTRY, webex.ENTRY)

#: OpenAPI 3.1
DOCUMENTS: dict[Dialect, Callable[[], dict[str, Any]]] = {
    Dialect.ROBASE: _robase.document,
    Dialect.SOLARIS: _solaris.document,
    Dialect.TELESIGN: _telesign.document,
    Dialect.WEBEX: _webex.document,
}

APIS: dict[Dialect, ApiDispatcher] = {entry.dialect: described(entry, DOCUMENTS[entry.dialect]) for entry in _ENTRIES}
