"""New requests and idempotency: each is written once; a repetition gets the earlier response, a conflict a refusal."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from pipeline.rules.api import idempotency
from pipeline.rules.api.idempotency import reports_conflicts
from pipeline.runtime import Connection
from pipeline.store import idempotency_keys, idempotent_replays, requests
from pipeline.store.idempotency_keys import key
from schema.message import Accepted, Admission


def write_new(conn: Connection, admissions: Sequence[Admission]) -> tuple[set[UUID], dict[UUID, Accepted]]:
    """Write the requests that are new; return their ids, and the earlier response to each of the others.

    An order of a producer that conflicts with an earlier one: under the same key it is written as a refused request;
    under the same request id a refusal is added to the earlier one. A repetition under its key is written as an empty
    request, with the first message of the earlier one. Dialects respond as their vendors do.
    """
    holders = _reserve(conn, admissions)
    holders |= _taken_before(conn, [each for each in admissions if not each.drafts])
    received_first = [each for each in admissions if holders.get(each.request, each.request) == each.request]
    fresh = requests.write(conn, sorted(received_first, key=lambda each: each.request))
    again = [each for each in admissions if each.request not in fresh]
    return fresh, _answer_again(conn, again, holders) if again else {}


def _answer_again(conn: Connection, again: Sequence[Admission], holders: Mapping[UUID, UUID]) -> dict[UUID, Accepted]:
    """Return the earlier response to each request that is not new; record repetitions and conflicts of producers."""
    answered = requests.answers(conn, [holders.get(each.request, each.request) for each in again])
    earlier = {each.request: _replay(each, *answered[holders.get(each.request, each.request)]) for each in again}
    own = {each.request: each for each in again if reports_conflicts(each.door, by_api=each.by_api)}
    asked = {id_: (each, holders.get(id_, id_)) for id_, each in own.items() if earlier[id_].altered}
    if asked and (same := idempotent_replays.alike(conn, asked)):
        earlier |= {id_: replace(earlier[id_], altered=False) for id_ in same}
    _write_repeats(conn, [each for id_, each in own.items() if holders.get(id_, id_) != id_], earlier)
    return earlier | _refuse(conn, [each for id_, each in own.items() if earlier[id_].altered], holders)


def _reserve(conn: Connection, admissions: Sequence[Admission]) -> dict[UUID, UUID]:
    """Reserve idempotency keys; return request → the request that has its key: itself, or an earlier one.

    Of two transactions with the same key, the second waits here until the first has ended. A key whose request could
    not be paid for, or has no messages, goes to the first request that asks for it again.
    """
    keyed = [each for each in admissions if each.idempotency_key and each.account is not None and each.drafts]
    keyed.sort(key=key)
    if not keyed:
        return {}
    if idempotency_keys.reserve(conn, keyed) == len(keyed):  # none of them was there before
        return {each.request: each.request for each in keyed}
    holders = idempotency_keys.holders(conn, keyed, lock=True)
    earlier = {holder for each in keyed if (holder := holders[key(each)]) != each.request}
    if free := _free(conn, earlier):
        asking = {own: each for each in reversed(keyed) if holders[own := key(each)] in free}
        taking = list(reversed(asking.values()))
        if idempotency_keys.take_over(conn, taking, holders):
            holders = idempotency_keys.holders(conn, keyed)
    return {each.request: holders[key(each)] for each in keyed}


def _free(conn: Connection, holders: Collection[UUID]) -> set[UUID]:
    """Return those of these requests whose keys may be taken over: not paid for, or without messages."""
    return requests.unpaid(conn, holders) | requests.vacant(conn, holders)


def _taken_before(conn: Connection, refused: Iterable[Admission]) -> dict[UUID, UUID]:
    """Return refused request → the earlier request that accepted the same order under its key."""
    keyed = [each for each in refused if each.idempotency_key and each.account is not None and each.fingerprint]
    if not keyed:
        return {}
    holders = idempotency_keys.holders(conn, keyed)
    found = requests.answers(conn, list(holders.values()))
    free = _free(conn, found)
    taken = {id_: fingerprint for id_, (_, fingerprint) in found.items() if id_ not in free}
    return {
        each.request: holder
        for each in keyed
        if (holder := holders.get(key(each))) and taken.get(holder) == each.fingerprint
    }


def _write_repeats(conn: Connection, repeats: Sequence[Admission], earlier: Mapping[UUID, Accepted]) -> None:
    """Write requests that only repeat an earlier one under its key, so that a look-up of them finds that one."""
    made = []
    for each in repeats:
        answer = earlier[each.request]
        place, id_ = next(((n, id_) for n, id_ in enumerate(answer.messages) if id_), (0, None))
        if id_ and not answer.altered:
            first = UUID(int=id_.int - place)
            made.append(replace(each, first=first, recipients=len(answer.messages), drafts=[], refusals=[]))
    if made:
        requests.write(conn, sorted(made, key=lambda each: each.request))


def _replay(admission: Admission, answer: Accepted, fingerprint: bytes | None) -> Accepted:
    altered = bool(admission.fingerprint and fingerprint and admission.fingerprint != fingerprint)
    return replace(answer, altered=altered)


def _refuse(conn: Connection, altered: Sequence[Admission], holders: Mapping[UUID, UUID]) -> dict[UUID, Accepted]:
    """Record that these orders were refused; return the responses to those with a request id of their own."""
    doubled = [each.request for each in altered if holders.get(each.request, each.request) == each.request]
    if doubled:
        requests.add_refusal(conn, doubled, idempotency.DUPLICATE_ID)
    others = [
        replace(each, drafts=[], refusals=[idempotency.CONFLICT]) for each in altered if each.request not in doubled
    ]
    if others:
        requests.write(conn, sorted(others, key=lambda each: each.request))
    return {
        each.request: Accepted(each.request, [None] * each.recipients, each.refusals, [], altered=True)
        for each in others
    }
