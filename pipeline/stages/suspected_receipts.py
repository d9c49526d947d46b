"""Suspect: set aside what reads like a receipt, does not say that it is one, and names what its carrier was given."""

from collections.abc import Sequence

from pipeline.runtime import Runtime
from pipeline.store import dead_letters, id_spellings, receipts
from schema.carriage import SuspectedReceipt


def suspect(rt: Runtime, suspects: Sequence[SuspectedReceipt]) -> int:
    """Keep as dead letters those that name a reference which their carrier gave, however spelt; return how many.

    A handset could write the same, but knows no such reference. Their carrier is not taken for silent then.
    """
    if not suspects:
        return 0
    with rt.begin() as conn:
        found = receipts.match(conn, [each.receipt for each in suspects], rt.now())
        reported = [
            (each.receipt.carrier, None if it.message else each.receipt.carrier_ref)
            for each, it in zip(suspects, found, strict=True)
        ]
        otherwise = id_spellings.given(conn, reported, rt.now())
        known = [each.letter for at, each in enumerate(suspects) if found[at].message or at in otherwise]
        dead_letters.add(conn, rt.vault_or_none, rt.new_ids(), known)
    return len(known)
