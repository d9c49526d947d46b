"""The vendors whose APIs are served, beside our own, and creation of their keys."""

from enum import StrEnum
from typing import Any

from pipeline.dialects.registry import DIALECTS
from pipeline.runtime import Runtime
from pipeline.stages.admin import api_keys
from pipeline.stages.admin.api_keys import IssuedKey


class Vendor(StrEnum):
    """A vendor whose API is served, or ourselves."""

    SOLARIS = "solaris"
    ROBASE = "robase"
    TELESIGN = "telesign"
    WEBEX = "webex"
    POSTROAD = "postroad"


def issue(rt: Runtime, account: str, vendor: str, **properties: Any) -> IssuedKey:
    """Create a key of a vendor's API, as `postroad key create` does."""
    return api_keys.issue(rt, account, DIALECTS[vendor], **properties)
