"""Parsing of untrusted orders: each error is a refusal with its code and field, and no input raises an exception."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import MAX_RECIPIENTS, Order, json_schema
from schema.order_reader import read
from schema.vocabulary import Code

PLAIN = {"account": "acme", "sender": "ACME", "body": "Hello", "recipients": [{"to": "+2348012345678"}]}


def faults(order: object) -> list[tuple[Code, str | None]]:
    """Return the code and field of each fault of an order."""
    found = read(json.dumps(order))
    assert isinstance(found, list)
    assert all(each.message for each in found)
    return [(each.code, each.field) for each in found]


def to(*numbers: str, **fields: Any) -> dict[str, Any]:
    return {"recipients": [{"to": number} | fields for number in numbers]}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in PLAIN.items() if name not in names}


# What is taken -------------------------------------------------------------------------------------------------


def test_an_order_with_account_sender_text_and_recipient_is_accepted_with_defaults() -> None:
    order = read(json.dumps(PLAIN))

    assert order == Order(account="acme", sender="ACME", body="Hello", recipients=[{"to": "+2348012345678"}])
    assert (order.message_class, order.test, order.send_at) == (MessageClass.TRANSACTIONAL, False, None)


def test_an_order_with_all_fields_is_accepted() -> None:
    full = {
        "account": "acme",
        "sender": "ACME",
        "template": "welcome",
        "merge": {"shop": "Acme"},
        "recipients": [{"to": "+2348012345678", "merge": {"first name": "Ada"}, "correlation_id": "order 7"}],
        "send_at": "2027-03-01T09:00:00+01:00",
        "valid_until": "2027-03-01T10:00:00Z",
        "idempotency_key": "order-7",
        "class": "otp",
        "test": True,
        "submitted_at": "2027-02-28T12:00:00Z",
    }

    order = read(json.dumps(full))

    assert isinstance(order, Order)
    assert order.message_class is MessageClass.OTP
    assert order.send_at == datetime(2027, 3, 1, 8, tzinfo=UTC)
    assert order.recipients[0].correlation_id == "order 7"


def test_an_order_is_read_back_from_its_json_unchanged() -> None:
    order = Order.model_validate(PLAIN | {"class": "bulk", "send_at": "2027-03-01T09:00:00+01:00", "merge": {"a": "é"}})

    assert read(order.model_dump_json(by_alias=True)) == order
    assert read(order.model_dump(mode="json", by_alias=True, exclude_none=True)) == order


@pytest.mark.parametrize(
    "moment",
    [
        "2027-03-01T08:00:00Z",
        "2027-03-01T09:00+01:00",
        "2027-03-01 08:00:00.000Z",
        datetime(2027, 3, 1, 8, tzinfo=UTC),
    ],
    ids=str,
)
def test_a_time_is_accepted_in_iso_8601_or_as_a_datetime(moment: Any) -> None:
    order = read(PLAIN | {"send_at": moment})

    assert isinstance(order, Order)
    assert order.send_at == datetime(2027, 3, 1, 8, tzinfo=UTC)


def test_the_refusal_of_an_invalid_time_states_the_expected_format() -> None:
    [refusal] = cast("list[Refusal]", read(PLAIN | {"send_at": 1803891600}))

    assert refusal.message.startswith("must be an ISO 8601 date and time with its zone")


@pytest.mark.parametrize("count", [1, 2, MAX_RECIPIENTS])
def test_an_order_may_have_up_to_ten_thousand_recipients(count: int) -> None:
    order = read(PLAIN | to(*["+2348012345678"] * count))

    assert isinstance(order, Order)
    assert len(order.recipients) == count


@pytest.mark.parametrize(
    "text", ["Grüße", "Ваш код", "👩‍👩‍👧", "tab\tand\nlines\r\n", "\x1b[31m", "\uffff", "\u202e", "x" * 1600]
)
def test_any_storable_text_is_accepted_as_body_and_merge_value(text: str) -> None:
    order = read(json.dumps(PLAIN | {"body": text, "merge": {"name": text}}))

    assert isinstance(order, Order)
    assert (order.body, order.merge["name"]) == (text, text)


# What is not ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param(without("account"), [(Code.MISSING_FIELD, "account")], id="no account"),
        pytest.param(without("sender"), [(Code.MISSING_FIELD, "sender")], id="no sender"),
        pytest.param(without("recipients"), [(Code.MISSING_FIELD, "recipients")], id="no recipients"),
        pytest.param(
            {},
            [(Code.MISSING_FIELD, "account"), (Code.MISSING_FIELD, "sender"), (Code.MISSING_FIELD, "recipients")],
            id="nothing",
        ),
        pytest.param(without("body"), [(Code.INVALID_FIELD, None)], id="neither body nor template"),
        pytest.param(PLAIN | {"template": "welcome"}, [(Code.INVALID_FIELD, None)], id="both body and template"),
        pytest.param(PLAIN | {"body": None}, [(Code.INVALID_FIELD, None)], id="body null"),
        pytest.param(PLAIN | {"body": ""}, [(Code.INVALID_FIELD, "body")], id="body empty"),
        pytest.param(PLAIN | {"body": "x" * 1601}, [(Code.INVALID_FIELD, "body")], id="body too long"),
        pytest.param(PLAIN | {"body": 7}, [(Code.INVALID_FIELD, "body")], id="body a number"),
        pytest.param(PLAIN | {"account": ""}, [(Code.INVALID_FIELD, "account")], id="account empty"),
        pytest.param(PLAIN | {"account": None}, [(Code.INVALID_FIELD, "account")], id="account null"),
        pytest.param(PLAIN | {"account": "x" * 65}, [(Code.INVALID_FIELD, "account")], id="account too long"),
        pytest.param(PLAIN | {"sender": "x" * 21}, [(Code.INVALID_FIELD, "sender")], id="sender too long"),
        pytest.param(PLAIN | {"recipients": []}, [(Code.INVALID_FIELD, "recipients")], id="no one to send to"),
        pytest.param(PLAIN | {"recipients": {}}, [(Code.INVALID_FIELD, "recipients")], id="recipients an object"),
        pytest.param(PLAIN | {"recipients": "+234"}, [(Code.INVALID_FIELD, "recipients")], id="recipients a string"),
        pytest.param(
            PLAIN | {"recipients": ["+1"]}, [(Code.INVALID_FIELD, "recipients[0]")], id="a recipient a string"
        ),
        pytest.param(
            PLAIN | {"recipients": [{"to": "+1"}, {}]}, [(Code.MISSING_FIELD, "recipients[1].to")], id="no number"
        ),
        pytest.param(PLAIN | to("+1", "9" * 1601), [(Code.INVALID_FIELD, "recipients[1].to")], id="number a novel"),
        pytest.param(
            PLAIN | {"recipients": [{"to": 2348012345678}]},
            [(Code.INVALID_FIELD, "recipients[0].to")],
            id="number unquoted",
        ),
        pytest.param(
            PLAIN | to("+1", phone="+2"),
            [(Code.INVALID_FIELD, "recipients[0].phone")],
            id="a recipient's unknown field",
        ),
        pytest.param(PLAIN | {"priority": 1}, [(Code.INVALID_FIELD, "priority")], id="an unknown field"),
        pytest.param(PLAIN | {"class": "marketing"}, [(Code.INVALID_FIELD, "class")], id="unknown class"),
        pytest.param(PLAIN | {"test": "perhaps"}, [(Code.INVALID_FIELD, "test")], id="test neither true nor false"),
        pytest.param(PLAIN | {"merge": []}, [(Code.INVALID_FIELD, "merge")], id="merge a list"),
        pytest.param(PLAIN | {"merge": {"n": 5}}, [(Code.INVALID_FIELD, "merge.n")], id="merge value a number"),
        pytest.param(PLAIN | {"merge": {"n": {}}}, [(Code.INVALID_FIELD, "merge.n")], id="merge value an object"),
        pytest.param(
            PLAIN | {"merge": {"n": "x" * 1601}}, [(Code.INVALID_FIELD, "merge.n")], id="merge value too long"
        ),
        pytest.param(
            PLAIN | {"merge": {"x" * 1000: "y"}},
            [(Code.INVALID_FIELD, f"merge.{'x' * 255}.[key]")],
            id="merge name too long",
        ),
        pytest.param(
            PLAIN | {"merge": {str(n): "x" for n in range(101)}}, [(Code.TOO_MANY, "merge")], id="too many merge fields"
        ),
        pytest.param(
            PLAIN | {"merge": {str(n): "x" for n in range(100_000)}}, [(Code.TOO_MANY, "merge")], id="far too many"
        ),
        pytest.param(
            PLAIN | to("+1", merge={str(n): "x" for n in range(101)}),
            [(Code.TOO_MANY, "recipients[0].merge")],
            id="too many of a recipient's",
        ),
        pytest.param(PLAIN | {"send_at": "tomorrow"}, [(Code.INVALID_FIELD, "send_at")], id="send_at in words"),
        pytest.param(PLAIN | {"send_at": "2027-03-01T09:00:00"}, [(Code.INVALID_FIELD, "send_at")], id="send_at naive"),
        pytest.param(PLAIN | {"send_at": "2027-03-01"}, [(Code.INVALID_FIELD, "send_at")], id="send_at a day"),
        pytest.param(PLAIN | {"send_at": "2027-02-30T09:00:00Z"}, [(Code.INVALID_FIELD, "send_at")], id="30 February"),
        pytest.param(
            PLAIN | {"valid_until": "2027-03-01T09:00:00"},
            [(Code.INVALID_FIELD, "valid_until")],
            id="valid_until naive",
        ),
        pytest.param(
            PLAIN | {"submitted_at": "2027-03-01T09:00:00"},
            [(Code.INVALID_FIELD, "submitted_at")],
            id="submitted_at naive",
        ),
        pytest.param(
            PLAIN | {"send_at": "2027-03-01T09:00:00Z", "valid_until": "2027-03-01T10:00:00+01:00"},
            [(Code.INVALID_FIELD, None)],
            id="valid_until not after send_at",
        ),
        pytest.param(PLAIN | {"send_at": 1803891600}, [(Code.INVALID_FIELD, "send_at")], id="send_at seconds"),
        pytest.param(PLAIN | {"send_at": "1803891600"}, [(Code.INVALID_FIELD, "send_at")], id="send_at quoted"),
        pytest.param(PLAIN | {"valid_until": 1.8e12}, [(Code.INVALID_FIELD, "valid_until")], id="valid_until a number"),
        pytest.param(PLAIN | {"submitted_at": True}, [(Code.INVALID_FIELD, "submitted_at")], id="submitted_at a truth"),
        pytest.param(PLAIN | {"test": "yes"}, [(Code.INVALID_FIELD, "test")], id="test in words"),
        pytest.param(PLAIN | {"test": 1}, [(Code.INVALID_FIELD, "test")], id="test a number"),
        pytest.param(PLAIN | {"idempotency_key": ""}, [(Code.INVALID_FIELD, "idempotency_key")], id="key empty"),
        pytest.param(
            PLAIN | {"idempotency_key": "x" * 256}, [(Code.INVALID_FIELD, "idempotency_key")], id="key too long"
        ),
        pytest.param(
            {"body": "x", "recipients": [{"to": 5}], "send_at": "x"},
            [
                (Code.MISSING_FIELD, "account"),
                (Code.MISSING_FIELD, "sender"),
                (Code.INVALID_FIELD, "recipients[0].to"),
                (Code.INVALID_FIELD, "send_at"),
            ],
            id="every fault at once",
        ),
    ],
)
def test_each_error_of_an_order_is_a_refusal_with_its_code_and_field(
    order: dict[str, Any], expected: list[tuple[Code, str | None]]
) -> None:
    assert faults(order) == expected


def test_an_order_with_more_than_ten_thousand_recipients_is_refused() -> None:
    found = read(PLAIN | to(*["+2348012345678"] * (MAX_RECIPIENTS + 1)))

    assert isinstance(found, list)
    assert [(each.code, each.field) for each in found] == [(Code.TOO_MANY, "recipients")]
    assert "10000" in found[0].message


def test_the_refusal_of_a_recipient_has_its_index() -> None:
    found = read(PLAIN | {"recipients": [{"to": "+1"}, {"to": "+2"}, {"to": None}]})

    assert isinstance(found, list)
    assert [each.index for each in found] == [2]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(b"", Code.BAD_JSON, id="nothing"),
        pytest.param(b"{", Code.BAD_JSON, id="cut off"),
        pytest.param(b"hello", Code.BAD_JSON, id="no JSON"),
        pytest.param(b"\xff\xfe", Code.BAD_JSON, id="no UTF-8"),
        pytest.param("[" * 100_000, Code.BAD_JSON, id="deeper than anyone reads"),
        pytest.param(rb'{"body": "\ud800"}', Code.BAD_JSON, id="half a surrogate pair"),
        pytest.param(b"null", Code.INVALID_FIELD, id="null"),
        pytest.param(b"[]", Code.INVALID_FIELD, id="a list"),
        pytest.param(b"7", Code.INVALID_FIELD, id="a number"),
        pytest.param(None, Code.INVALID_FIELD, id="None"),
        pytest.param(7, Code.INVALID_FIELD, id="no bytes at all"),
        pytest.param([PLAIN], Code.INVALID_FIELD, id="a list of orders"),
    ],
)
def test_a_payload_that_is_not_a_json_object_is_refused(payload: Any, code: Code) -> None:
    found = read(payload)

    assert isinstance(found, list)
    assert [(each.code, each.field) for each in found] == [(code, None)]


@pytest.mark.parametrize("field", ["account", "sender", "template", "idempotency_key"])
@pytest.mark.parametrize("control", ["\x00", "\n", "\r", "\t", "\x1b", "\x7f"], ids=ascii)
def test_control_characters_in_a_name_or_key_are_refused(field: str, control: str) -> None:
    order = (without("body") if field == "template" else PLAIN) | {field: f"a{control}b"}

    assert faults(order) == [(Code.INVALID_FIELD, field)]
    assert faults(order | {field: f"a{control}"}) == [(Code.INVALID_FIELD, field)]


@pytest.mark.parametrize("control", ["\x00", "\n", "\x1b"], ids=ascii)
def test_control_characters_in_a_correlation_id_are_refused(control: str) -> None:
    order = PLAIN | to("+1", correlation_id=f"a{control}b")

    assert faults(order) == [(Code.INVALID_FIELD, "recipients[0].correlation_id")]


# Text that PostgreSQL cannot keep, or UTF-8 not spell: Celery's JSON brings both.
@pytest.mark.parametrize("unspeakable", ["\x00", "\ud800", "a\udfff"], ids=ascii)
@pytest.mark.parametrize(
    ("order", "field"),
    [
        pytest.param({"body": "?"}, "body", id="body"),
        pytest.param({"account": "?"}, "account", id="account"),
        pytest.param({"sender": "?"}, "sender", id="sender"),
        pytest.param({"idempotency_key": "?"}, "idempotency_key", id="key"),
        pytest.param({"template": "?", "body": None}, "template", id="template"),
        pytest.param({"merge": {"name": "?"}}, "merge.name", id="merge"),
        pytest.param(to("+1", merge={"name": "?"}), "recipients[0].merge.name", id="a recipient's merge"),
        pytest.param(to("+1", correlation_id="?"), "recipients[0].correlation_id", id="correlation id"),
    ],
)
def test_text_with_nul_or_lone_surrogates_is_refused_with_its_field(
    order: dict[str, Any], field: str, unspeakable: str
) -> None:
    written = json.loads(json.dumps(PLAIN | order).replace('"?"', json.dumps(unspeakable)))

    found = read(written)

    assert isinstance(found, list)
    assert [(each.code, each.field) for each in found] == [(Code.INVALID_FIELD, field)]


@pytest.mark.parametrize("unspeakable", ["\x00", "\ud800", "a\nb"], ids=ascii)
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"?": 1}, id="an unknown field"),
        pytest.param({"merge": {"?": "x"}}, id="a merge name"),
        pytest.param({"merge": {"?": 5}}, id="a merge name with a bad value"),
        pytest.param({"recipients": [{"to": "+1", "?": 1}]}, id="a recipient's unknown field"),
        pytest.param({"recipients": [{"to": "+1", "merge": {"?": "x"}}]}, id="a recipient's merge name"),
    ],
)
def test_a_field_name_that_cannot_be_stored_is_refused_with_a_message_that_can(
    fields: dict[str, Any], unspeakable: str
) -> None:
    written = json.loads(json.dumps(PLAIN | fields).replace('"?"', json.dumps(unspeakable)))

    found = read(written)

    assert isinstance(found, list)
    assert {each.code for each in found} == {Code.INVALID_FIELD}
    assert all(_can_be_kept(each) for each in found)


def _can_be_kept(refusal: Refusal) -> bool:
    return f"{refusal.field}{refusal.message}".isprintable()


strings = st.text(
    st.one_of(st.characters(codec=None, exclude_categories=()), st.sampled_from("\x00\ud800a$")), max_size=4
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), strings),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(strings, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Order.model_fields, "class", "\ud800", "x"]), anything, max_size=8))
def test_any_input_is_read_as_an_order_or_refused(sent: dict[str, Any]) -> None:
    found = read(PLAIN | sent)

    if isinstance(found, Order):
        assert "\\u0000" not in found.model_dump_json()
    else:
        assert found
        assert all(_can_be_kept(each) for each in found)


def test_a_refusal_repeats_no_text_and_no_number() -> None:
    found = read(PLAIN | {"body": "secret 4711" * 200, "recipients": [{"to": "+234801" * 400}], "sender": "secret\n"})

    assert isinstance(found, list)
    assert len(found) == 3
    assert not any("secret" in each.message or "+234801" in each.message for each in found)


def test_an_invalid_phone_number_does_not_refuse_the_whole_order() -> None:
    order = read(PLAIN | to("", "9" * 65, "+234\x00", "not a number", "+2348012345678"))

    assert isinstance(order, Order)


# The schema for producers --------------------------------------------------------------------------------------


def test_the_json_schema_lists_required_fields_and_forbids_additional_ones() -> None:
    schema = json.loads(json_schema())

    assert schema["required"] == ["account", "sender", "recipients"]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {"class"} | set(Order.model_fields) - {"message_class"}
    assert schema["properties"]["recipients"]["maxItems"] == MAX_RECIPIENTS
    assert schema["$defs"]["MessageClass"]["enum"] == [str(word) for word in MessageClass]
    assert schema["$defs"]["Recipient"]["required"] == ["to"]


def test_every_ref_in_the_json_schema_has_its_definition() -> None:
    schema = json.loads(json_schema())

    references = set(_references(schema))

    assert references == {f"#/$defs/{name}" for name in schema["$defs"]}


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [each for value in node.values() for each in _references(value)]
    return [each for value in node for each in _references(value)] if isinstance(node, list) else []


def test_the_json_schema_is_deterministic_and_has_sorted_keys() -> None:
    first = json_schema()

    assert json_schema() == first
    assert json.dumps(json.loads(first), indent=2, sort_keys=True) == first


def test_the_json_schema_in_docs_is_current() -> None:
    published = Path(__file__).parents[2] / "docs/order.schema.json"

    assert published.read_text("utf-8") == json_schema() + "\n"


def test_an_order_of_a_producer_cannot_have_the_origin_of_an_automatic_reply() -> None:
    """It would be held up by no night and by no opt-out."""
    assert faults(PLAIN | {"door": "reply"}) == [(Code.INVALID_FIELD, "door")]
    assert isinstance(read(PLAIN | {"door": "shop"}), Order)
