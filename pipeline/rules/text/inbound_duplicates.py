"""Duplicates of inbound messages (MO): which of those that arrive together may be repetitions of one another."""

from collections.abc import Sequence

from pipeline.rules.consent.consent_numbers import canonical
from schema.carriage import Inbound


def doubtful(messages: Sequence[Inbound]) -> dict[int, bool]:
    """Return place → whether it is to be compared with stored messages; duplicates within `messages` are left out.

    `messages`: in order of arrival. A message repeats the one before it from the same phone to the same number, if
    their keys agree up to the `/`.
    """
    latest: dict[tuple[str, str], str] = {}
    found: dict[int, bool] = {}
    for place, each in enumerate(messages):
        mobile, digest = (canonical(each.phone), each.sender), f"{each.carrier}/{each.key.partition('/')[0]}"
        before = latest.get(mobile)
        if not (each.is_doubtful and before == digest):
            found[place] = each.is_doubtful and (before is None or each.part_ref is not None)
        latest[mobile] = digest
    return found
