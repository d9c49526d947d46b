"""Common fixtures have a type annotation in each test, so that mypy checks how they are used."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
#: parameters that mean the same thing everywhere in the tests
KNOWN = {
    "running_gateway",
    "new_database",
    "pair",
    "quiet",
    "rt",
    "settings",
    "shared_world",
    "shell",
    "site",
    "stage",
    "world",
}


def untyped(tree: ast.Module) -> Iterator[str]:
    """Yield the known parameters that have no annotation or `Any`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for given in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                annotation = "Any" if given.annotation is None else ast.unparse(given.annotation)
                if given.arg in KNOWN and annotation == "Any":
                    yield f"{node.lineno} {node.name}: {given.arg}"


def test_common_fixtures_have_a_type_annotation_in_every_test() -> None:
    paths = sorted(TESTS.rglob("*.py"))
    found = [f"{path.name}:{each}" for path in paths for each in untyped(ast.parse(path.read_text("utf-8")))]

    assert len(paths) > 200
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "def test_it(world: Any) -> None: ...",
        "def test_it(world): ...",
        "def send(*, rt: Any) -> None: ...",
        "async def send(settings: Any) -> None: ...",
    ],
)
def test_a_common_fixture_without_a_type_annotation_is_reported(code: str) -> None:
    assert list(untyped(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["def test_it(world: World) -> None: ...", "def carrier(**settings: Any) -> None: ..."]
)
def test_annotated_fixtures_and_other_parameters_are_not_reported(code: str) -> None:
    assert not list(untyped(ast.parse(code)))
