"""Accept: ingest, segment and bill requests of synchronous API calls in one transaction, with one write of each row.

It assumes that the wallets suffice. Where one does not, nothing is written, and the separate stages (ingest, segment,
bill) find out which messages can be paid for.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from pipeline.rules.batching import PackedBatch, answered, as_written, pack
from pipeline.rules.money.prices import PriceBook, charge
from pipeline.rules.text.segments import Capacity, billed, measure
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, ledger
from pipeline.store.api import challenges
from pipeline.store.ledger import month_of
from pipeline.transitions import new_batches, new_requests
from schema.api import Challenge
from schema.message import Accepted, Admission, Answered, Charge, Hint
from schema.value_class import value_class


@value_class
class AcceptResult:
    """Responses to admissions, and the batches to deliver."""

    #: one for each admission, in order; Accepted: an earlier response, whose messages are still to be read
    answers: list[Answered | Accepted]
    #: batches that may be delivered now
    hints: list[Hint]


def accept(
    rt: Runtime,
    admissions: Sequence[Admission],
    opened: Sequence[Challenge] = (),
    *,
    capacities: Mapping[str, Capacity],
) -> AcceptResult:
    """Write admissions as billed batches; return their responses. ShortOfFunds: nothing was written.

    `opened`: challenges of the codes in their texts, written with them; existing ones are unchanged.
    `capacities`: segment lengths of APIs that bill by other ones than are sent, by name space of requests.
    """
    with rt.begin() as conn:
        challenges.write(conn, opened)
        fresh, earlier = new_requests.take_in(conn, admissions)
        now = batches.clock(conn)
        new = [each for each in admissions if each.request in fresh]
        loads = list(pack(new, rt.new_ids(), now, rt.settings.batch_size))
        balances = _Balances(conn, loads, rt.now(), capacities)
        charges = [balances.charge(load) for load in loads]
        priced = list(zip(loads, charges, strict=True))
        hints, holds = new_batches.accept(conn, now, priced, balances.subscribing)
        ledger.hold_all(conn, holds, now)
    written = as_written(loads, charges)
    answers = [earlier.get(each.request) or answered(each, written) for each in admissions]
    return AcceptResult(answers, hints)


class _Balances:
    """Prices and remaining quotas of the batches' accounts, as read at the start."""

    def __init__(
        self, conn: Connection, loads: Sequence[PackedBatch], now: datetime, capacities: Mapping[str, Capacity]
    ) -> None:
        self._capacities = capacities
        paying = [load for load in loads if not load.batch.test]
        self._books = {
            account: PriceBook(lines)
            for account, lines in ledger.books(conn, {load.batch.account for load in paying}, now).items()
        }
        wanted = {_payer(load) for load in loads}
        found = ledger.quotas_left(conn, wanted) if wanted else {}
        self._quotas = {payer: quota for payer, (quota, _) in found.items()}
        #: accounts that events are written for
        self.subscribing = {account for (account, _), (_, subscribes) in found.items() if subscribes}

    def charge(self, load: PackedBatch) -> list[Charge]:
        """Return the measure and cost of each message of a batch; quota it uses is not available to the next batch."""
        measures = measure(draft.body for _, draft in load.members)
        if load.batch.test:
            return [Charge(each, 0, 0, None) for each in measures]
        payer, book = _payer(load), self._books.get(load.batch.account, _NO_PRICES)
        prices = [book.per_segment(draft.phone, draft.country) for _, draft in load.members]
        parts = [
            billed(draft.body, each, self._capacities.get(admission.door or ""))
            for (admission, draft), each in zip(load.members, measures, strict=True)
        ]
        charges = charge(measures, parts, prices, quota=self._quotas.get(payer, 0), money=None)
        self._quotas[payer] = self._quotas.get(payer, 0) - sum(each.quota for each in charges)
        return charges


_NO_PRICES = PriceBook([])


def _payer(load: PackedBatch) -> tuple[int, date]:
    return load.batch.account, month_of(load.batch.first)
