"""A definition is compared with a stored campaign's in each of its fields."""

from pipeline.rules.campaigns.same_definition import _given, _stored, difference
from pipeline.stages.campaigns.create import create
from schema.campaign import CampaignDefinition
from tests.world import World


def test_each_field_of_a_definition_is_compared_with_the_stored_one(world: World) -> None:
    definition = CampaignDefinition(
        account="acme", name="spring", sender="ACME", body="Hi ${Name}", merge={"NAME": "Ada"}, segments_per_second=0.1
    )
    campaign = create(world.rt, definition)
    fields = {each.alias or name for name, each in CampaignDefinition.model_fields.items()} - {"account", "name"}

    assert set(_stored(campaign)) == set(_given(campaign, definition)) == fields
    assert difference(campaign, definition) is None
    other = definition.model_copy(update={"merge": {"name": "Eve"}, "local_hours": "09:00-18:00"})
    assert difference(campaign, other) == "local_hours"
    assert difference(campaign, other, {"local_hours"}) == "merge"
    assert difference(campaign, other, {"local_hours", "merge"}) is None
