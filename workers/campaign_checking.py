"""Checks the rows of a campaign: reads a portion, admits it as if it were sent now, records the result."""

from collections.abc import Callable
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.stages.admit import admit
from pipeline.stages.campaigns.check_rows import end_check, next_rows, record_checked


def check_portion(rt: Runtime, campaign: UUID) -> bool:
    """Check the next rows of a campaign, or complete its quote; return False if it is not being checked (any more).

    Several processes may call it: a portion that another one recorded meanwhile is not recorded again.
    """
    checked = next_rows(rt, campaign)
    if checked is None:
        return False
    if checked.rows:
        [admission] = admit(rt, [(rt.new_ids(), checked.order(rt.now()))])
        record_checked(rt, checked, admission)
    else:
        end_check(rt, checked)
    return True


def check_all(rt: Runtime, campaign: UUID, seen: Callable[[], object] = lambda: None) -> None:
    """Check the rows of a campaign until none is left; `seen` is called after each portion."""
    while check_portion(rt, campaign):
        seen()
