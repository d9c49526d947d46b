"""All carriers' codes have the outcomes in docs/outcomes.md, and a reason the same one for all carriers."""

from pathlib import Path

import pytest

from pipeline.carriers.outcome_tables import markdown
from pipeline.carriers.registry import KINDS
from pipeline.carriers.smpp.codes import CommandStatus
from pipeline.carriers.smpp.submit_exchange import OUTCOMES as OF_SMPP
from pipeline.rules.routing.retryable import OUTCOMES, may_another_help
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "outcomes.md"
#: the reasons for which number, text or consent are at fault
OF_THE_MESSAGE = {
    RefusalReason.INVALID_NUMBER,
    RefusalReason.SUBSCRIBER,
    RefusalReason.ABSENT,
    RefusalReason.OPTED_OUT,
    RefusalReason.INVALID_TEXT,
    RefusalReason.FORBIDDEN_TEXT,
    RefusalReason.MESSAGE_REFUSED,
    RefusalReason.EXPIRED,
}


def test_docs_outcomes_md_is_current() -> None:
    assert PAGE.read_text() == markdown(), "make outcomes"


def test_each_carrier_kind_has_a_table_of_codes_except_generic_and_simulated() -> None:
    assert {name for name, kind in KINDS.items() if not kind.codes} == {"generic", "simulated"}


def test_each_refusal_reason_has_one_outcome_and_at_least_one_code() -> None:
    given = {reason for kind in KINDS.values() for table in kind.codes.values() for reason in table.values()}

    assert set(OUTCOMES) == set(RefusalReason) == given


def test_only_reasons_of_number_text_and_consent_refuse_a_message_permanently() -> None:
    assert {reason for reason, outcome in OUTCOMES.items() if outcome is Outcome.REFUSED_PERMANENT} == OF_THE_MESSAGE


@pytest.mark.parametrize("reason", RefusalReason)
def test_another_carrier_may_be_tried_exactly_after_a_transient_refusal(reason: RefusalReason) -> None:
    assert may_another_help(reason) is (OUTCOMES[reason] is Outcome.REFUSED_TRANSIENT)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (CommandStatus.RINVSRCADR, Outcome.REFUSED_TRANSIENT),
        (CommandStatus.RINVDSTADR, Outcome.REFUSED_PERMANENT),
        (CommandStatus.RINVSERTYP, Outcome.REFUSED_TRANSIENT),
        (CommandStatus.RINVCMDLEN, Outcome.REFUSED_TRANSIENT),
        (CommandStatus.RINVNUMDESTS, Outcome.REFUSED_TRANSIENT),
        (CommandStatus.RINVDLNAME, Outcome.REFUSED_TRANSIENT),
        (CommandStatus.RCNTSUBDL, Outcome.REFUSED_TRANSIENT),
        (CommandStatus.RX_P_APPN, Outcome.REFUSED_TRANSIENT),
        (CommandStatus.RX_R_APPN, Outcome.REFUSED_PERMANENT),
        (CommandStatus.RINVMSGLEN, Outcome.REFUSED_PERMANENT),
        (CommandStatus.RBINDFAIL, Outcome.REFUSED_TRANSIENT),
    ],
)
def test_a_command_status_is_a_permanent_refusal_only_if_the_message_itself_is_at_fault(
    status: CommandStatus, outcome: Outcome
) -> None:
    assert OF_SMPP[status] is outcome
