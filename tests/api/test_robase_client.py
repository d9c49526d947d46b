"""Robase's own client works with this API as with Robase's."""

from collections.abc import Iterator

import pytest
from robasedev import Robase
from robasedev.errors import AuthenticationError, NotFoundError, RateLimitError, RobaseError

from tests.api.conftest import RunningGateway
from tests.dialects.vendors import Vendor

RIDE = {"to": "+2348012345678", "from": "ACME", "body": "Your ride arrives at 9."}
URL, EVENTS = "https://93.184.215.14/hook", ["sms.delivered"]


@pytest.fixture
def client(running_gateway: RunningGateway) -> Iterator[Robase]:
    """The client with a live key."""
    key = running_gateway.key(Vendor.ROBASE)["api_key"]
    with Robase(key, base_url=f"{running_gateway.url}/robase") as robase:
        yield robase


def test_the_vendors_client_sends_reads_lists_and_cancels(client: Robase) -> None:
    headers = {"Idempotency-Key": "order-9"}

    sent = client.http.request("POST", "/v1/sms", json=RIDE, headers=headers)
    again = client.http.request("POST", "/v1/sms", json=RIDE, headers=headers)
    later = client.http.request("POST", "/v1/sms", json=RIDE | {"send_at": "2020-01-01T00:00:00Z"})

    assert again == sent
    assert client.http.request("GET", f"/v1/sms/{sent['id']}")["sms"]["id"] == sent["id"]
    assert [each["id"] for each in client.http.request("GET", "/v1/sms", params={"limit": "1"})["data"]] == [
        later["id"]
    ]
    with pytest.raises(RobaseError) as refused:
        client.http.request("POST", f"/v1/sms/{sent['id']}/cancel")
    assert (refused.value.status, refused.value.type) == (409, "conflict")


def test_the_vendors_client_maps_error_responses_to_its_exceptions(
    client: Robase, running_gateway: RunningGateway
) -> None:
    with pytest.raises(RobaseError) as refused:
        client.http.request("POST", "/v1/sms", json=RIDE | {"to": "12"})
    assert (refused.value.status, refused.value.type) == (400, "phone_invalid")

    with pytest.raises(NotFoundError):
        client.http.request("GET", "/v1/sms/nothing")
    with (
        Robase("rb_live_nobody", base_url=f"{running_gateway.url}/robase") as nobody,
        pytest.raises(AuthenticationError),
    ):
        nobody.http.request("POST", "/v1/sms", json=RIDE)


def test_the_vendors_client_obeys_retry_after_when_it_is_rate_limited(running_gateway: RunningGateway) -> None:
    key = running_gateway.key(Vendor.ROBASE, settings={"rate": 0.5, "burst": 1})["api_key"]
    with Robase(key, base_url=f"{running_gateway.url}/robase") as hasty:
        hasty.http.request("POST", "/v1/sms", json=RIDE)
        with pytest.raises(RateLimitError) as refused:
            hasty.http.request("POST", "/v1/sms", json=RIDE, max_retries=0)
        later = hasty.http.request("POST", "/v1/sms", json=RIDE)

    assert refused.value.retry_after in (1, 2)
    assert later["status"] == "queued"


def test_the_vendors_client_manages_webhooks(client: Robase) -> None:
    made = client.webhooks.create(url=URL, events=EVENTS, name="production")

    assert client.webhooks.list() == [client.webhooks.get(made["id"])]
    assert client.webhooks.update(made["id"], enabled=False)["enabled"] is False
    assert client.webhooks.rotate_secret(made["id"])["secret"] != made["secret"]
    assert client.webhooks.remove(made["id"]) is None
    assert client.webhooks.list() == []
