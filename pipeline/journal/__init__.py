"""Journal: a memory-mapped write-ahead log of submits and results that survives kill -9 without fsync.

A process notes for each message that it is about to submit it, and the carrier's result. The next
process on the same host reads it to know what was submitted: docs/decisions/0017-journal.md.
"""

from pipeline.journal.files import DeadJournal, Journal, dead
from pipeline.journal.page import CAPACITY_LIMIT, IN_DOUBT, NOT_WRITTEN, Entries, JournalPage, Run, State

__all__ = [
    "CAPACITY_LIMIT",
    "IN_DOUBT",
    "NOT_WRITTEN",
    "DeadJournal",
    "Entries",
    "Journal",
    "JournalPage",
    "Run",
    "State",
    "dead",
]
