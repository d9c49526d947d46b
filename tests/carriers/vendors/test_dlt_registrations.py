"""Messages to India are sent with the ids of their sender's registration, or not at all."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from pipeline.carriers.registry import KINDS, make
from pipeline.errors import ConfigurationError
from pipeline.rules.routing.dlt import is_able
from pipeline.rules.routing.outcomes import is_good
from schema.vocabulary import Outcome
from tests.carriers.conformance import parcel
from tests.carriers.raw import listening, plain, read_request

ENTITY, CODES, OTHER = "1101456320000012345", "1107169876543210987", "1107161234567890123"
DLT = {
    "ACME": {
        "entity_id": ENTITY,
        "content_id": OTHER,
        "templates": [{"pattern": "^Your code is [0-9]+", "content_id": CODES}],
    },
    "STRICT": {"entity_id": ENTITY, "templates": [{"pattern": "^Hi", "content_id": OTHER}]},
}
MUMBAI, VIENNA = {"to": "+919812345678", "country": "IN"}, {"to": "+436641234567", "country": "AT"}
VENDORS: dict[str, tuple[dict[str, Any], bytes]] = {
    "vonage": (
        {"base_url": "URL", "api_key": "k", "api_secret": "s"},
        b'{"messages": [{"status": "0", "message-id": "1"}]}',
    ),
    "infobip": (
        {"base_url": "URL", "api_key": "k"},
        b'{"messages": [{"messageId": "1", "status": {"groupId": 1, "id": 26}}]}',
    ),
    "generic": (
        {
            "url": "URL/send",
            "body": {"pe": "${dlt_entity_id}", "ct": "${dlt_content_id}", "to": "${to}"},
            "answers": {"accepted": {"statuses": [200]}},
        },
        b"OK",
    ),
}


def ids(kind: str, body: bytes) -> tuple[Any, Any]:
    """Return the ids that a request has."""
    if kind == "vonage":
        fields = parse_qs(body.decode())
        return fields.get("entity-id", [""])[0], fields.get("content-id", [""])[0]
    sent = json.loads(body)
    if kind == "generic":
        return sent["pe"], sent["ct"]
    found = sent["messages"][0].get("options", {}).get("regional", {}).get("indiaDlt", {})
    return found.get("principalEntityId", ""), found.get("contentTemplateId", "")


@pytest.mark.parametrize("kind", VENDORS)
def test_a_message_to_india_has_the_dlt_ids_of_its_sender_and_text_or_is_not_written(kind: str) -> None:
    settings, answer = VENDORS[kind]
    got: list[bytes] = []

    def behaviour(guest: Any) -> None:
        while body := read_request(guest):
            got.append(body)
            guest.sendall(plain("200 OK", answer))

    parcels = [
        parcel("Your code is 4711", **MUMBAI),
        parcel("Your code is 4711", sender="NOBODY", **MUMBAI),
        parcel("Your parcel is here", **MUMBAI),
        parcel("Your code is 4711", **VIENNA),
        parcel("Bye", sender="STRICT", **MUMBAI),
        parcel("Hi", sender="STRICT", to="+919812345678"),
    ]
    with listening(behaviour) as url:
        given = {key: value.replace("URL", url) if isinstance(value, str) else value for key, value in settings.items()}
        carrier = make("alpha", kind, {**given, "dlt": DLT, "window": 1, "deadline": 5}, 600)
        attempts = carrier.send(parcels)
        carrier.close()

    unsent = (Outcome.NOT_WRITTEN, "no_dlt_id")
    taken = (Outcome.ACCEPTED, None)
    assert [(each.outcome, each.code) for each in attempts] == [taken, unsent, taken, taken, unsent, taken]
    assert [each.ref for each in attempts] == [each.ref for each in parcels]
    assert [ids(kind, body) for body in got] == [(ENTITY, CODES), (ENTITY, OTHER), ("", ""), (ENTITY, OTHER)]
    # it is no illness of the carrier's
    assert is_good(attempts[1]) is None


def test_a_registration_under_the_star_applies_to_any_sender() -> None:
    settings, answer = VENDORS["vonage"]
    got: list[bytes] = []

    def behaviour(guest: Any) -> None:
        while body := read_request(guest):
            got.append(body)
            guest.sendall(plain("200 OK", answer))

    with listening(behaviour) as url:
        dlt = {"*": {"entity_id": ENTITY, "content_id": OTHER}}
        carrier = make("alpha", "vonage", {**settings, "base_url": url, "dlt": dlt, "deadline": 5}, 600)
        carrier.send([parcel(sender="ANY", **MUMBAI)])
        carrier.close()

    assert [ids("vonage", body) for body in got] == [(ENTITY, OTHER)]


@pytest.mark.parametrize(
    ("kind", "settings", "able"),
    [
        *((kind, {}, kind in ("http", "simulated")) for kind in KINDS),
        ("infobip", {"dlt": DLT}, True),
        ("vonage", {"dlt": DLT}, True),
        ("generic", {"dlt": DLT}, True),
        ("smpp", {"tlvs": {"0x1400": "1101"}}, True),
        ("smpp", {"tlvs": {"0x1399": "1101"}}, False),
        ("smpp", {"tlvs_by_sender": {"ACME": {"0x1399": "1101"}}}, False),
        ("smpp", {"tlvs_by_sender": {"ACME": {"0x1400": "1101"}}}, True),
        ("twilio", {"dlt": DLT}, False),
    ],
)
def test_a_carrier_has_the_dlt_capability_only_if_its_settings_have_dlt_ids_that_its_kind_sends(
    kind: str, settings: dict[str, Any], able: bool
) -> None:
    assert is_able(KINDS[kind].sends_dlt(settings), None) is able
    assert is_able(KINDS[kind].sends_dlt(settings), True) is True
    assert is_able(KINDS[kind].sends_dlt(settings), False) is False


@pytest.mark.parametrize(
    ("dlt", "named"),
    [
        ({"ACME": {}}, "dlt.ACME.entity_id must be the id"),
        ({"ACME": "x"}, "dlt.ACME.entity_id must be the id"),
        ({"ACME": {"entity_id": ENTITY}}, "dlt.ACME.content_id must be the id"),
        ({"ACME": {"entity_id": ENTITY, "content_id": "seven"}}, "dlt.ACME.content_id must be the id"),
        ({"ACME": {"entity_id": ENTITY, "templates": ["x"]}}, "dlt.ACME.templates must be a list of objects"),
        (
            {"ACME": {"entity_id": ENTITY, "templates": [{"pattern": "(", "content_id": OTHER}]}},
            "dlt.ACME.templates.0.pattern is not a regular expression",
        ),
        ({"ACME": {"entity_id": ENTITY, "content_id": OTHER, "wings": "2"}}, "wings is no setting"),
        ("x", "dlt must be an object"),
    ],
)
def test_an_invalid_dlt_registration_is_refused_by_its_name(dlt: Any, named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"carrier alpha: {named}"):
        make("alpha", "vonage", {"api_key": "k", "api_secret": "s", "dlt": dlt}, 600)


def test_the_dlt_setting_is_refused_if_the_generic_request_template_does_not_use_it() -> None:
    settings = {"url": "https://x", "answers": {"accepted": {"statuses": [200]}}, "dlt": DLT}

    with pytest.raises(ConfigurationError, match="carrier alpha: dlt has no effect"):
        make("alpha", "generic", settings, 600)
