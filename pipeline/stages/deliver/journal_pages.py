"""Journal pages of a delivery run: one for the portion that is being sent, and one for the next portion."""

from pipeline.carriers.contract import NO_NOTES, GuardedNotes, MaySubmit, SubmitNotes
from pipeline.journal import Journal, JournalPage
from pipeline.stages.deliver.portions import Portion


class Pages:
    """The journal pages of one run. Without a journal, or if it is full, a portion is unknown after a crash."""

    def __init__(self, journal: Journal | None = None) -> None:
        """Begin without pages, in the process's journal."""
        self._journal = journal
        self._out: JournalPage | None = None
        self._next: JournalPage | None = None

    def open(self, portion: Portion) -> None:
        """Open a page for the next portion, before it is marked: none of its messages is submitted yet."""
        if self._journal is not None and portion.members:
            self._next = self._journal.open(portion.runs())

    def notes(self, portion: Portion, sent: Portion, may_submit: MaySubmit | None = None) -> SubmitNotes:
        """Return the page on which the carrier notes the submits of `sent`, the part of the portion that is sent.

        `may_submit`: what the carrier is to ask before it submits a message; None: nothing.
        """
        notes: SubmitNotes = NO_NOTES
        if self._out is not None:
            if len(sent.members) < len(portion.members):
                refs = {parcel.ref for _, parcel in sent.members}
                self._out.narrow([at for at, (_, parcel) in enumerate(portion.members) if parcel.ref in refs])
            notes = self._out
        return notes if may_submit is None else GuardedNotes(notes, may_submit)

    def turn(self) -> None:
        """Release the page of the sent portion, whose outcomes are committed; the next page becomes the current one."""
        if self._out is not None:
            self._out.release()
        self._out, self._next = self._next, None

    def leave(self) -> None:
        """Leave uncommitted pages in the journal for `recover`; the run is over."""
        for page in (self._out, self._next):
            if page is not None:
                page.leave()
        self._out = self._next = None
