"""The country of a recipient, by the number or as the order gives it, and senders approved for certain countries."""

import pytest

from pipeline.stages.admit import admit
from schema.vocabulary import Code
from tests.world import World

GUERNSEY = "+447911123456"


def test_a_recipients_country_selects_among_the_countries_of_a_calling_code(world: World) -> None:
    order = world.order(recipients=[{"to": GUERNSEY}, {"to": GUERNSEY, "country": "GB"}])

    [admission] = admit(world.rt, [(world.rt.new_ids(), order)])

    assert [draft.country for draft in admission.drafts] == ["GG", "GB"]


def test_a_recipient_whose_country_does_not_fit_the_number_is_refused(world: World) -> None:
    order = world.order(recipients=[{"to": "+2348012345678", "country": "GH"}, {"to": "+80012345678", "country": "GH"}])

    [admission] = admit(world.rt, [(world.rt.new_ids(), order)])

    assert admission.drafts == []
    assert [(each.code, each.field) for each in admission.refusals] == [
        (Code.INVALID_FIELD, f"recipients[{index}].country") for index in (0, 1)
    ]
    assert "NG" in admission.refusals[0].message


def test_the_route_follows_the_country_given_for_the_recipient(world: World) -> None:
    world.add_carrier("britain", route="GB")
    order = world.order(recipients=[{"to": GUERNSEY}, {"to": GUERNSEY, "country": "GB"}])

    [admission] = admit(world.rt, [(world.rt.new_ids(), order)])

    assert [draft.carrier for draft in admission.drafts] == ["alpha", "britain"]


def test_a_national_number_is_read_by_the_country_of_the_recipient_or_the_order(world: World) -> None:
    recipients = [
        {"to": "0803 123 4567"},
        {"to": "07400 123456", "country": "GB"},
        {"to": "+49 151 12345678"},
        {"to": "0664/1234567"},
    ]
    order = world.order(recipients=recipients, country="NG")

    [admission] = admit(world.rt, [(world.rt.new_ids(), order)])

    assert [(draft.phone, draft.country) for draft in admission.drafts] == [
        ("+2348031234567", "NG"),
        ("+447400123456", "GB"),
        ("+4915112345678", "DE"),
    ]
    assert [(each.code, each.index) for each in admission.refusals] == [(Code.PHONE_INVALID, 3)]
    assert "no known number of NG" in admission.refusals[0].message


def test_a_national_number_without_a_country_is_refused(world: World) -> None:
    [admission] = admit(world.rt, [(world.rt.new_ids(), world.order("0803 123 4567"))])

    assert "national, or" in admission.refusals[0].message


def test_a_refusal_names_the_country_of_the_recipient(world: World) -> None:
    world.run("DELETE FROM routes")
    world.run("UPDATE sender_ids SET countries = '{NG,GG}'")
    order = world.order(recipients=[{"to": GUERNSEY}, {"to": "+233201234567"}])

    [admission] = admit(world.rt, [(world.rt.new_ids(), order)])

    assert "GG" in admission.refusals[0].message
    assert "GH" in admission.refusals[1].message


@pytest.mark.parametrize("test", [False, True])
def test_a_sender_is_refused_in_a_country_where_it_is_not_approved(world: World, test: bool) -> None:
    world.run("UPDATE sender_ids SET countries = '{NG}'")
    order = world.order("+2348012345678", "+233201234567", test=test)

    [admission] = admit(world.rt, [(world.rt.new_ids(), order)])

    assert [draft.phone for draft in admission.drafts] == ["+2348012345678"]
    assert [(each.code, each.field) for each in admission.refusals] == [(Code.SENDER_INVALID, "recipients[1].sender")]
