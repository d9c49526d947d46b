"""Which refusals of SMSCs and HTTP vendors are final, and which send a message to the next carrier."""

from typing import Any

import pytest

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import CommandStatus
from pipeline.stages.admin.carriers import set_carrier
from tests.carriers.raw import listening, plain, saying
from tests.carriers.smpp.peer import SETTINGS, EsmeConnection, smsc
from tests.world import World

NEXT_CARRIER = [("alpha", "refused_transient"), ("beta", "accepted")]
FINAL = [("alpha", "refused_permanent")]


def tried(world: World) -> list[Any]:
    found: list[Any] = world.rows("SELECT carrier, outcome FROM provider_attempts ORDER BY n")
    return found


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (CommandStatus.RINVSRCADR, NEXT_CARRIER),
        (CommandStatus.RINVSRCTON, NEXT_CARRIER),
        (CommandStatus.RINVSERTYP, NEXT_CARRIER),
        (CommandStatus.RINVBNDSTS, NEXT_CARRIER),
        (CommandStatus.RINVCMDLEN, NEXT_CARRIER),
        (CommandStatus.RINVDSTADR, FINAL),
        (CommandStatus.RINVMSGLEN, FINAL),
    ],
)
def test_the_command_status_of_an_smsc_decides_whether_the_next_carrier_is_tried(
    world: World, status: CommandStatus, expected: list[Any]
) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            esme.say(pdu.submit_sm_resp(esme.submit()[2], "", status))

    world.add_carrier("beta", rank=2)
    with smsc(behaviour) as port:
        set_carrier(world.rt, "alpha", "smpp", {**SETTINGS, "port": port})
        [message] = world.send("+2348012345678").messages
        world.rt.close()

    assert tried(world) == expected
    assert world.status(message) == ("failed" if expected is FINAL else "sent")


TWILIO = {"account_sid": "AC1", "auth_token": "t"}
KEYS = {"api_key": "k", "api_secret": "s", "receipt_token": "t"}
VENDORS: dict[str, tuple[str, dict[str, Any], str, bytes, list[Any]]] = {
    "termii, the sender": (
        "termii",
        {"api_key": "k", "secret_key": "s"},
        "422 Unprocessable",
        b'{"message": "The given data was invalid.", "errors": {"from": ["The from field is required."]}}',
        NEXT_CARRIER,
    ),
    "termii, the number": (
        "termii",
        {"api_key": "k", "secret_key": "s"},
        "422 Unprocessable",
        b'{"message": "The given data was invalid.", "errors": {"to": ["The to format is invalid."]}}',
        FINAL,
    ),
    "infobip, a content type of ours": (
        "infobip",
        {"api_key": "k", "receipt_token": "t"},
        "400 Bad Request",
        b'{"errorCode": "E400", "violations": [{"property": "messages[0].webhooks.contentType", "violation": "?"}]}',
        NEXT_CARRIER,
    ),
    "vonage, the sender": (
        "vonage",
        KEYS,
        "200 OK",
        b'{"messages": [{"status": "2", "error-text": "Missing from param"}]}',
        NEXT_CARRIER,
    ),
    "vonage, the number": (
        "vonage",
        KEYS,
        "200 OK",
        b'{"messages": [{"status": 3, "error-text": "Invalid to param"}]}',
        FINAL,
    ),
    "twilio, no route": ("twilio", TWILIO, "400 Bad Request", b'{"code": 21612, "status": 400}', NEXT_CARRIER),
    "twilio, a premium number": ("twilio", TWILIO, "400 Bad Request", b'{"code": "21268", "status": 400}', FINAL),
}


@pytest.mark.parametrize(("kind", "given", "status", "body", "expected"), VENDORS.values(), ids=VENDORS.keys())
def test_the_field_named_in_a_vendors_error_decides_whether_a_refusal_is_final(
    world: World, kind: str, given: dict[str, Any], status: str, body: bytes, expected: list[Any]
) -> None:
    world.add_carrier("beta", rank=2)
    with listening(saying(plain(status, body))) as url:
        set_carrier(world.rt, "alpha", kind, {**given, "base_url": url})
        world.send("+2348012345678")
        world.rt.close()

    assert tried(world) == expected
