"""Survey: show an account the requests it had wait for their minute, and name the messages of one to take back."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store.api import scheduled_requests
from pipeline.store.api.list_messages import View
from pipeline.store.api.scheduled_requests import ScheduledSearch
from schema.api_views import ShownSchedule

__all__ = ["ScheduledSearch", "ShownSchedule", "View", "members", "scheduled"]

#: requests one search looks at: the latest
_MOST = 1000


def scheduled(rt: Runtime, view: View, sought: ScheduledSearch) -> list[ShownSchedule]:
    """Return the scheduled requests of that kind, the latest first."""
    with rt.begin() as conn:
        return scheduled_requests.find(conn, view, sought, _MOST)


def members(rt: Runtime, view: View, request: UUID) -> Sequence[UUID] | None:
    """Return the ids of a request's messages, or None when the view has no such request."""
    with rt.begin() as conn:
        return scheduled_requests.places(conn, view, request)
