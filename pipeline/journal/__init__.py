"""A journal of submits and answers in a memory-mapped file: it survives kill -9 of its process, without an fsync.

A process writes down, message by message, what it is about to hand to a carrier and what the carrier answered. Whoever
comes next on the same host reads it and knows what was on the wire: docs/decisions/0017-journal.md.
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
