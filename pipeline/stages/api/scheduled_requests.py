"""Scheduled requests of an account: search them, and list the messages of one in order to cancel it."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store.api import scheduled_requests
from pipeline.store.api.list_messages import View
from pipeline.store.api.scheduled_requests import ScheduledSearch
from schema.api_views import ShownSchedule

__all__ = ["ScheduledSearch", "ShownSchedule", "View", "members", "scheduled"]

#: maximum number of requests that a search returns: the latest
_MOST = 1000


def scheduled(rt: Runtime, view: View, sought: ScheduledSearch) -> list[ShownSchedule]:
    """Return the scheduled requests that match the search, the latest first."""
    with rt.begin() as conn:
        return scheduled_requests.find(conn, view, sought, _MOST)


def members(rt: Runtime, view: View, request: UUID) -> Sequence[UUID] | None:
    """Return the ids of a request's messages; None: the view has no such request."""
    with rt.begin() as conn:
        return scheduled_requests.places(conn, view, request)
