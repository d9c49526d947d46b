"""Where a trip's portions are noted in the journal of its process: the one that is out, and the one that goes next."""

from pipeline.carriers.contract import NO_NOTES, SubmitNotes
from pipeline.journal import Journal, JournalPage
from pipeline.stages.deliver.portions import Portion


class Pages:
    """The pages of one trip. Without a journal, or where it has no room, nothing is noted: a portion is in doubt."""

    def __init__(self, journal: Journal | None = None) -> None:
        """Take the process's journal."""
        self._journal = journal
        self._out: JournalPage | None = None
        self._next: JournalPage | None = None

    def open(self, portion: Portion) -> None:
        """Note the portion that goes next, before it is marked: none of its messages is handed over."""
        if self._journal is not None and portion.members:
            self._next = self._journal.open(portion.runs())

    def notes(self, portion: Portion, sent: Portion) -> SubmitNotes:
        """Return where the carrier notes what becomes of those of the portion (or of its beginning) that are sent."""
        if self._out is None:
            return NO_NOTES
        if len(sent.members) < len(portion.members):
            refs = {parcel.ref for _, parcel in sent.members}
            self._out.narrow([at for at, (_, parcel) in enumerate(portion.members) if parcel.ref in refs])
        return self._out

    def turn(self) -> None:
        """Forget the portion that was out, whose outcomes are committed; the next one is out from now on."""
        if self._out is not None:
            self._out.release()
        self._out, self._next = self._next, None

    def leave(self) -> None:
        """Keep what was not committed for whoever settles it; the trip is over."""
        for page in (self._out, self._next):
            if page is not None:
                page.leave()
        self._out = self._next = None
