"""What a newcomer installs is what the house needs, whole and locked."""

import ast
import configparser
import importlib.metadata
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packages import Built, build_product

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ("schema", "pipeline", "workers")


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


@pytest.fixture(scope="module")
def lock() -> dict[str, tuple[str, int]]:
    """Return name → version and number of hashes."""
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text("utf-8").strip())
    return {
        canonicalize_name(entry.split("==")[0]): (entry.split("==")[1].split()[0], entry.count("--hash=sha256:"))
        for entry in entries
    }


def wanted(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_lock_holds_everything_setup_cfg_asks_for(
    setup: configparser.ConfigParser, lock: dict[str, tuple[str, int]]
) -> None:
    asked = [
        *wanted(setup["options"]["install_requires"]),
        *wanted(setup["options.extras_require"]["embedded"]),
        *wanted(setup["options.extras_require"]["dev"]),
    ]

    for requirement in asked:
        version, hashes = lock[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}: make lock"
        assert hashes, f"{requirement.name} has no hash"


def test_the_lock_names_no_place() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")

    assert "://" not in text
    assert "/" not in re.sub(r"--hash=\S+", "", text)


def test_what_is_imported_is_declared(setup: configparser.ConfigParser) -> None:
    declared = {
        canonicalize_name(requirement.name)
        for text in (setup["options"]["install_requires"], setup["options.extras_require"]["embedded"])
        for requirement in wanted(text)
    }
    homes = importlib.metadata.packages_distributions()

    undeclared = {
        f"{path.relative_to(ROOT)}: {module}"
        for floor in HOUSE
        for path in (ROOT / floor).rglob("*.py")
        for module in top_level_imports(ast.parse(path.read_text("utf-8")))
        if module not in sys.stdlib_module_names and module not in HOUSE
        if not declared & {canonicalize_name(name) for name in homes.get(module, [])}
    }

    assert not undeclared


def top_level_imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build_product(tmp_path_factory.mktemp("built"))


def test_a_wheel_built_from_the_sdist_holds_every_file_of_the_house(built: Built) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for floor in HOUSE
        for path in (ROOT / floor).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    with zipfile.ZipFile(built.wheel) as packed:
        shipped = {name for name in packed.namelist() if ".dist-info/" not in name}

    assert shipped == files, "package_data in setup.cfg names what is not Python"


def test_the_processes_of_a_wheel_are_those_of_the_procfile_at_the_top(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as packed:
        shipped = packed.read("workers/processes/Procfile")

    assert shipped == (ROOT / "Procfile").read_bytes()


def test_an_sdist_holds_what_builds_and_runs_the_product_and_neither_tests_nor_the_client(built: Built) -> None:
    documents = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*") if path.is_file()}
    with tarfile.open(built.sdist) as packed:
        names = {member.name.partition("/")[2] for member in packed if member.isfile()}

    assert names >= documents | {
        *(
            ".dockerignore",
            ".env.example",
            "CHANGELOG.md",
            "Dockerfile",
            "LICENSE",
            "Makefile",
            "Procfile",
            "README.md",
        ),
        *("docker-compose.yml", "pyproject.toml", "requirements.lock", "setup.cfg", "workers/processes/Procfile"),
    }
    assert not {name for name in names if name.startswith(("tests/", "client/"))}
