"""Receipts of one message, from several carriers, of whole messages and of parts, have the same result in any order."""

from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.stages.receive import keep
from pipeline.stages.settle import settle, settle_on_arrival
from schema.carriage import Receipt
from schema.vocabulary import Outcome, ReceiptVerdict
from tests.stages.scripted import Stage

#: what is said of one thing: some final word at least, any of them more than once
WORDS = st.tuples(
    st.sampled_from([ReceiptVerdict.DELIVERED, ReceiptVerdict.FAILED]),
    st.lists(st.sampled_from(ReceiptVerdict), max_size=2),
)
#: the first carrier may have it, the second was given it in two parts
THINGS = [("alpha", None), ("beta", 1), ("beta", 2)]


def tell(stage: Stage, reports: Sequence[Receipt], cuts: Sequence[int], *, at_once: bool) -> None:
    """Bring receipts in portions."""
    rest = list(reports)
    for size in [*cuts, len(rest)]:
        if at_once:
            settle_on_arrival(stage.rt, rest[:size])
        else:
            keep(stage.rt, rest[:size])
            settle(stage.rt)
        rest = rest[size:]


@settings(max_examples=20, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.tuples(*[WORDS] * len(THINGS)),
    orders=st.tuples(*[st.randoms(use_true_random=False)] * 2),
    cuts=st.lists(st.integers(0, 3), max_size=4),
    at_once=st.booleans(),
)
def test_receipt_order_does_not_change_the_status(stage: Stage, words, orders, cuts: list[int], at_once: bool) -> None:  # type: ignore[no-untyped-def]
    if not stage.lines:
        stage.carrier("alpha")
        stage.carrier("beta").parts = 2
    stage.lines["alpha"].answers = [Outcome.UNKNOWN] * 2
    messages = stage.send("+2348012345678", "+2348012345679")
    stage.passes(601)
    stage.turn()

    for message, order in zip(messages, orders, strict=True):
        reports = [
            stage.report(message, carrier, verdict, part=part, by_us=part is None)
            for (carrier, part), (final, others) in zip(THINGS, words, strict=True)
            for verdict in [final, *others]
        ]
        reports += reports[:2]
        order.shuffle(reports)
        tell(stage, reports, cuts, at_once=at_once)

    alpha, *parts = ({final, *others} for final, others in words)
    is_delivered = ReceiptVerdict.DELIVERED in alpha or all(ReceiptVerdict.DELIVERED in part for part in parts)
    assert [stage.world.status(message) for message in messages] == ["delivered" if is_delivered else "failed"] * 2
