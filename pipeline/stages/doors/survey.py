"""Survey: show an account the requests it had wait for their minute, and name the messages of one to take back."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store.doors import schedules
from pipeline.store.doors.browse import View
from pipeline.store.doors.schedules import Sought
from schema.shown import Scheduled

__all__ = ["Scheduled", "Sought", "View", "members", "survey"]

#: requests one search looks at: the latest
_MOST = 1000


def survey(rt: Runtime, view: View, sought: Sought) -> list[Scheduled]:
    """Return the scheduled requests of that kind, the latest first."""
    with rt.begin() as conn:
        return schedules.find(conn, view, sought, _MOST)


def members(rt: Runtime, view: View, request: UUID) -> Sequence[UUID] | None:
    """Return the ids of a request's messages, or None when the view has no such request."""
    with rt.begin() as conn:
        return schedules.places(conn, view, request)
