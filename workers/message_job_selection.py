"""The messages of a job: all that a search finds, page by page, without those that are left out, and why."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from pipeline.errors import InvalidInput
from pipeline.runtime import Runtime
from pipeline.stages.admin.message_jobs import MOST, left_out
from pipeline.stages.api.account_messages import MessageFilter, list_page
from pipeline.stages.resend import obstacles
from schema.vocabulary import MessageJobResult, MessageOperation

#: messages of one page, and pages of one search: each examines a limited number of messages
_PAGE, _PAGES = 1000, 60


@dataclass(frozen=True, slots=True)
class JobSelection:
    """What an action on all matching would do."""

    #: messages it would act on, the latest first
    messages: list[UUID]
    #: messages that match and are left out, by reason, the most frequent first
    left_out: dict[MessageJobResult, int]
    #: the search goes on from here, so that what matches later is no part of it; None: nothing matches
    cursor: str | None

    @property
    def matching(self) -> int:
        """Return how many messages match."""
        return len(self.messages) + sum(self.left_out.values())


def select(rt: Runtime, operation: MessageOperation, wanted: MessageFilter, cursor: str | None = None) -> JobSelection:
    """Return what an operation would do with all messages that match, before a cursor (None: the latest too).

    InvalidInput: more than MOST match, or too many would have to be examined.
    """
    messages: list[UUID] = []
    skipped: Counter[MessageJobResult] = Counter()
    start, following, matching = cursor, cursor, 0
    for _ in range(_PAGES):
        page = list_page(rt, wanted, following, _PAGE)
        reasons = {each.id: left_out(operation, each.status, is_test=each.test) for each in page.messages}
        if operation is MessageOperation.RESEND:
            reasons |= obstacles(rt, [id_ for id_, why in reasons.items() if why is None])
        messages += [id_ for id_, why in reasons.items() if why is None]
        skipped.update(why for why in reasons.values() if why is not None)
        matching += len(page.messages)
        if page.messages and start is None:
            start = UUID(int=page.messages[0].id.int + 1).hex
        if matching > MOST:
            raise InvalidInput(f"more than {MOST:,} messages match, which one action may take; narrow the search")
        following = page.cursor
        if following is None:
            return JobSelection(messages, dict(skipped.most_common()), start)
    raise InvalidInput("this search examines too many messages; narrow it by time")
