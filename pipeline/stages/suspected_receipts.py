"""Suspected receipts: dead-letter `deliver_sm` texts that look like receipts, lack the flag, and name a known id."""

from collections.abc import Sequence

from pipeline.runtime import Runtime
from pipeline.store import dead_letters, receipt_id_matching, receipts
from schema.carriage import SuspectedReceipt


def keep_suspects(rt: Runtime, suspects: Sequence[SuspectedReceipt]) -> int:
    """Store as dead letters those with a message id that their carrier assigned, in any spelling; return how many.

    A handset could send the same text, but knows no such id. Their receipts then do not count as missing.
    """
    if not suspects:
        return 0
    with rt.begin() as conn:
        found = receipts.match(conn, [each.receipt for each in suspects], rt.now())
        named = [
            (each.receipt.carrier, None if it.message else each.receipt.carrier_ref)
            for each, it in zip(suspects, found, strict=True)
        ]
        otherwise = receipt_id_matching.assigned(conn, named, rt.now())
        known = [each.letter for at, each in enumerate(suspects) if found[at].message or at in otherwise]
        dead_letters.add(conn, rt.vault_or_none, rt.new_ids(), known)
    return len(known)
