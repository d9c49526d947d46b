"""The vendors whose APIs there are, as tests name them, and what tests make of a vendor's name."""

from enum import StrEnum
from typing import Any

from pipeline.dialects.registry import DIALECTS
from pipeline.runtime import Runtime
from pipeline.stages.admin import api_keys
from pipeline.stages.admin.api_keys import IssuedKey


class Vendor(StrEnum):
    """A vendor whose API Postroad speaks."""

    SOLARIS = "solaris"
    ROBASE = "robase"
    TELESIGN = "telesign"
    WEBEX = "webex"


def issue(rt: Runtime, account: str, vendor: str, **properties: Any) -> IssuedKey:
    """Make a key to a vendor's API, as `postroad key create` does."""
    return api_keys.issue(rt, account, DIALECTS[vendor], **properties)
