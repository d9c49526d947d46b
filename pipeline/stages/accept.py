"""Accept: ingest, segment and bill requests of synchronous API calls in one transaction, with one write of each row.

It assumes that the wallets suffice. Where one does not, nothing is written, and the separate stages (ingest, segment,
bill) find out which messages can be paid for.
"""

from collections.abc import Mapping, Sequence

from pipeline.rules.batching import answered, as_written, pack
from pipeline.rules.text.segments import Capacity
from pipeline.runtime import Runtime
from pipeline.store import batches, wallet_ledger
from pipeline.store.api import challenges
from pipeline.transitions import new_batches, new_requests, priced_batches
from schema.api import Challenge
from schema.message import Accepted, Admission, Answered, Hint
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
    """Write admissions as billed batches; return their responses. InsufficientFunds: nothing was written.

    `opened`: challenges of the codes in their texts, written with them; existing ones are unchanged.
    `capacities`: segment lengths of APIs that bill by other ones than are sent, by name space of requests.
    """
    with rt.begin() as conn:
        challenges.write(conn, opened)
        fresh, earlier = new_requests.write_new(conn, admissions)
        now, clock = rt.now(), batches.clock(conn)
        new = [each for each in admissions if each.request in fresh]
        loads = list(pack(new, rt.new_ids(), clock, rt.settings.batch_size))
        found = priced_batches.price(conn, rt.common_time(clock), loads, capacities)
        hints, holds = new_batches.accept(conn, now, found.priced, found.subscribing, clock=clock)
        wallet_ledger.hold_all(conn, holds, now)
    written = as_written(loads, (charges for _, charges in found.priced))
    answers = [earlier.get(each.request) or answered(each, written) for each in admissions]
    return AcceptResult(answers, hints)
