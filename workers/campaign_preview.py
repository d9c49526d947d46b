"""Previews a row of a campaign: reads it, admits it as if it were sent now, prices it; and the order of a test send."""

from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.stages.admit import admit
from pipeline.stages.campaigns.preview import RowPreview, preview_row, read_row
from schema.order import Order


def preview(rt: Runtime, campaign: UUID, line: int) -> RowPreview:
    """Return a row as its recipient would read it; errors as of `read_row`."""
    stored = read_row(rt, campaign, line)
    [admission] = admit(rt, [(rt.new_ids(), stored.order)])
    return preview_row(rt, stored, admission)


def order_to_oneself(rt: Runtime, campaign: UUID, line: int, number: str) -> Order:
    """Return an order that sends a row's text to another number, of one's own; errors as of `read_row`."""
    order = read_row(rt, campaign, line).order
    [recipient] = order.recipients
    own = recipient.model_copy(update={"to": number, "country": None, "correlation_id": None})
    # an ordinary order, not one of the campaign's
    return order.model_copy(update={"recipients": [own], "door": None})
