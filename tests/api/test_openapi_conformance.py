"""Every API conforms to its own OpenAPI document: Schemathesis generates the requests from nothing else."""

from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from pipeline.dialects.registry import DIALECTS
from tests.api.attack_target import TARGETS, settle
from tests.api.conftest import RunningGateway
from tests.dialects.vendors import Vendor
from tests.world import World

#: requests to each operation; our own API has as many operations as all others together
EXAMPLES = dict.fromkeys(Vendor, 20) | {Vendor.POSTROAD: 10}
METHODS = ("get", "post", "put", "patch", "delete")
#: positive_data_acceptance is not among them: what fits a schema may still name nothing that is there
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

OPERATIONS = [
    (dialect, method, path)
    for dialect in Vendor
    for path, item in DIALECTS[dialect].document()["paths"].items()
    for method in METHODS
    if method in item
]


@pytest.mark.parametrize("dialect", list(Vendor))
def test_the_document_is_an_openapi_document(dialect: Vendor) -> None:
    schemathesis.openapi.from_dict(DIALECTS[dialect].document()).validate()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("dialect", "method", "path"), OPERATIONS)
def test_responses_conform_to_the_openapi_document(
    world: World, running_gateway: RunningGateway, dialect: Vendor, method: str, path: str
) -> None:
    settle(world)
    target = TARGETS[dialect](running_gateway, world.rt)
    schema = schemathesis.openapi.from_dict(target.document)
    schema.config.update(base_url=f"{running_gateway.url}/{dialect}")
    operation = schema[path][method]
    headers = {} if "security" in operation.definition.raw else dict(target.key)
    cases = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]

    @hypothesis.settings(
        max_examples=EXAMPLES[dialect], database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(case=st.one_of(cases), is_known=st.booleans())
    def hold(case: Any, is_known: bool) -> None:
        for name in case.path_parameters or {} if is_known else ():
            case.path_parameters[name] = target.known(path)
        # an id that is there may have mended the case, and of a query that we do not know we take no notice
        strict = [] if is_known or method == "get" else [negative_data_rejection]
        case.call_and_validate(headers=headers, checks=CHECKS + strict)

    hold()
