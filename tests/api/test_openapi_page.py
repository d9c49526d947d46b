"""Each API serves its OpenAPI document without a key, with the URL at which it was requested."""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import jsonschema_rs
import pytest
from pydantic import SecretStr

from pipeline.dialects.registry import DIALECTS
from pipeline.settings import Settings
from tests.api.conftest import RunningGateway
from tests.dialects.envelopes import MEDIA
from tests.dialects.vendors import Vendor
from workers.api.dispatch import ApiDispatcher

each_dialect = pytest.mark.parametrize("dialect", list(Vendor))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of a gateway that speaks Robase at the root of a host."""
    return settings.model_copy(
        update={"gateway_hosts": {Vendor.ROBASE: "sms.example"}, "secret_key": SecretStr("long enough for a test")}
    )


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    methods = ("get", "post", "put", "delete", "patch")
    return {(word.upper(), path) for path, item in document["paths"].items() for word in item if word in methods}


@each_dialect
def test_an_api_serves_its_document_without_a_key(running_gateway: RunningGateway, dialect: Vendor) -> None:
    answer = running_gateway.ask("GET", f"/{dialect}/openapi.json")

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["openapi"].startswith("3.1.")
    assert answer.json["servers"] == [{"url": f"/{dialect}"}]


@each_dialect
def test_the_document_has_every_operation_of_the_api_and_no_other(dialect: Vendor) -> None:
    answered = {(each.method, each.path) for each in ApiDispatcher(DIALECTS[dialect]).operations}

    reported = operations(DIALECTS[dialect].document())

    assert answered - reported == {("GET", "/openapi.json"), ("GET", "/docs")}
    assert not reported - answered


@each_dialect
def test_examples_in_the_document_are_valid_by_their_schemas(dialect: Vendor) -> None:
    document = DIALECTS[dialect].document()
    components = {"components": document["components"]}

    shown = [(each, example) for each in schemas(document) for example in each.get("examples", [])]

    assert shown
    for schema, example in shown:
        assert jsonschema_rs.validator_for(schema | components).is_valid(example), (schema, example)


def schemas(thing: Any) -> Iterator[dict[str, Any]]:
    """Yield whatever may be a schema."""
    if isinstance(thing, dict):
        yield thing
    for inner in thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list) else ():
        yield from schemas(inner)


def test_the_scopes_of_operations_are_those_that_keys_may_have() -> None:
    for dialect, api in DIALECTS.items():
        asked = {operation.scope for operation in api.operations if operation.scope}
        # Robase's `sending` may do what asks for no scope
        assert asked | ({"sending"} if dialect == Vendor.ROBASE else set()) == set(api.scopes)


def test_at_a_host_name_of_its_own_an_api_is_served_at_the_root(running_gateway: RunningGateway) -> None:
    answer = running_gateway.ask("GET", "/openapi.json", headers={"Host": "sms.example:8080"})

    assert answer.json["servers"] == [{"url": "/"}]
    assert "/v1/sms" in answer.json["paths"]


@each_dialect
def test_the_content_security_policy_of_the_page_allows_only_its_own_script(
    running_gateway: RunningGateway, dialect: Vendor
) -> None:
    answer = running_gateway.ask("GET", f"/{dialect}/docs")

    text = answer.body.decode()
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    policy = answer.headers["content-security-policy"].split("; ")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert policy[0] == "default-src 'none'"
    assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert f"style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    assert not re.findall(r"https?:|\bsrc=|@import|\burl\(|innerHTML|<[^>]* (?:style|on\w+)=", text)


@each_dialect
def test_the_document_and_the_page_answer_post_with_405(running_gateway: RunningGateway, dialect: Vendor) -> None:
    for path in ("openapi.json", "docs"):
        answer = running_gateway.ask("POST", f"/{dialect}/{path}", {})

        assert answer.status == 405
        assert answer.headers["allow"] == "GET"
        assert answer.headers["content-type"] == MEDIA[dialect]
