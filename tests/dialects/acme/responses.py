"""Acme's success responses."""

from uuid import UUID

from pipeline.dialects.contract import reply
from schema.api import ApiResponse
from schema.vocabulary import Status


def message(id_: UUID, status: Status, segments: int | None) -> ApiResponse:
    """Return the response that shows a message's status."""
    return reply(200, {"id": str(id_), "status": str(status), "parts": segments})
