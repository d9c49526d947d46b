import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.routing.unknown_outcomes import UnknownAction, UnknownCase, UnknownTimeouts, action, pause
from schema.message_class import MessageClass
from schema.vocabulary import Outcome, UnknownAbility

TIMEOUT = UnknownTimeouts(otp=20, transactional=600)
#: a doubt that just came up, of a message that is worth something for an hour
FRESH = UnknownCase(MessageClass.TRANSACTIONAL, None, UnknownAbility.BLIND, 0, age=0, rest=0, repeats=0, left=3600)

OTP, TRANSACTIONAL, BULK = MessageClass
BLIND, DEDUPES, QUERYABLE = UnknownAbility.BLIND, UnknownAbility.DEDUPES, UnknownAbility.QUERYABLE
WAIT, ASK, SAME, ELSEWHERE, LEAVE = (
    UnknownAction.WAIT,
    UnknownAction.QUERY,
    UnknownAction.RESEND_SAME,
    UnknownAction.RESEND_OTHER,
    UnknownAction.LEAVE,
)


def asked(**fields: Any) -> UnknownCase:
    """Return a doubt; one of which nothing else is said was given its carrier once."""
    fields.setdefault("rest", fields.get("age", 0))
    return replace(FRESH, **fields)


@pytest.mark.parametrize(
    ("ability", "message_class", "by_age"),
    [
        (BLIND, OTP, {0: WAIT, 19.9: WAIT, 20: ELSEWHERE, 3000: ELSEWHERE}),
        (BLIND, TRANSACTIONAL, {0: WAIT, 20: WAIT, 599: WAIT, 600: ELSEWHERE}),
        (BLIND, BULK, {0: LEAVE, 600: LEAVE, 90_000: LEAVE}),
        (QUERYABLE, OTP, {0: WAIT, 2: ASK, 19.9: ASK, 20: ELSEWHERE}),
        (QUERYABLE, TRANSACTIONAL, {0: WAIT, 2: ASK, 599: ASK, 600: ELSEWHERE}),
        (QUERYABLE, BULK, {0: WAIT, 2: ASK, 600: ASK, 90_000: ASK}),
        (DEDUPES, OTP, {0: WAIT, 2: SAME, 19: SAME, 20: ELSEWHERE}),
        (DEDUPES, TRANSACTIONAL, {0: WAIT, 2: SAME, 299: SAME, 300: WAIT, 600: ELSEWHERE}),
        (DEDUPES, BULK, {0: WAIT, 2: SAME, 299: SAME, 300: LEAVE}),
    ],
    ids=lambda value: str(value) if not isinstance(value, dict) else "",
)
def test_the_action_for_an_unknown_outcome_depends_on_the_carrier_s_ability_the_class_and_the_age(
    ability: UnknownAbility, message_class: MessageClass, by_age: dict[float, UnknownAction]
) -> None:
    found = {
        age: action(asked(ability=ability, message_class=message_class, window=300, age=age), TIMEOUT) for age in by_age
    }

    assert found == by_age


@pytest.mark.parametrize("message_class", MessageClass)
@pytest.mark.parametrize("ability", UnknownAbility)
@pytest.mark.parametrize(
    ("late", "in_time", "too_late"),
    [
        (Outcome.ACCEPTED, UnknownAction.CONFIRM, UnknownAction.CONFIRM),
        (Outcome.REFUSED_PERMANENT, UnknownAction.FAIL, UnknownAction.FAIL),
        (Outcome.REFUSED_TRANSIENT, ELSEWHERE, UnknownAction.EXPIRE),
        (Outcome.NOT_WRITTEN, ELSEWHERE, UnknownAction.EXPIRE),
    ],
)
def test_a_late_answer_resolves_an_unknown_outcome_at_once(
    late: Outcome, in_time: UnknownAction, too_late: UnknownAction, ability: UnknownAbility, message_class: MessageClass
) -> None:
    question = asked(late=late, ability=ability, message_class=message_class)

    assert action(question, TIMEOUT) is in_time
    assert action(replace(question, left=0), TIMEOUT) is too_late


@pytest.mark.parametrize(
    ("ability", "expected"), [(BLIND, LEAVE), (QUERYABLE, ASK), (DEDUPES, LEAVE)], ids=["blind", "queryable", "dedupes"]
)
@pytest.mark.parametrize("message_class", MessageClass)
def test_a_message_of_unknown_outcome_is_not_resent_after_its_validity(
    ability: UnknownAbility, message_class: MessageClass, expected: UnknownAction
) -> None:
    question = asked(ability=ability, message_class=message_class, window=1e6, age=700, left=0)

    assert action(question, TIMEOUT) is expected


@pytest.mark.parametrize(("repeats", "rest", "expected"), [(1, 3.9, WAIT), (1, 4, SAME), (3, 15, WAIT), (3, 16, SAME)])
def test_resends_to_a_deduplicating_carrier_are_spaced_exponentially(
    repeats: int, rest: float, expected: UnknownAction
) -> None:
    question = asked(ability=DEDUPES, window=300, age=60, rest=rest, repeats=repeats)

    assert action(question, TIMEOUT) is expected


questions = st.builds(
    UnknownCase,
    st.sampled_from(MessageClass),
    st.none() | st.sampled_from(Outcome),
    st.sampled_from(UnknownAbility),
    window=st.floats(0, 1e5),
    age=st.floats(0, 1e5),
    rest=st.floats(0, 1e5),
    repeats=st.integers(0, 20),
    left=st.floats(-1e5, 1e5),
)


@given(questions)
def test_a_bulk_message_goes_to_another_carrier_only_after_a_late_refusal(question: UnknownCase) -> None:
    question = replace(question, message_class=MessageClass.BULK)

    went = action(question, TIMEOUT) is ELSEWHERE

    assert not went or question.late in (Outcome.REFUSED_TRANSIENT, Outcome.NOT_WRITTEN)


@given(questions)
def test_no_message_of_unknown_outcome_is_resent_after_its_validity(question: UnknownCase) -> None:
    question = replace(question, left=-abs(question.left))

    assert action(question, TIMEOUT) not in (SAME, ELSEWHERE)


@given(questions, st.integers(0, 1000))
def test_an_unknown_outcome_is_checked_again_no_later_than_its_timeout_and_validity(
    question: UnknownCase, looks: int
) -> None:
    wait = pause(question, TIMEOUT, looks)

    assert 0 < wait <= 1280
    until = TIMEOUT.of(question.message_class) - question.age
    assert math.isinf(until) or until <= 0 or wait <= max(until, 0.1)
    assert question.left <= 0 or wait <= max(question.left, 0.1)
