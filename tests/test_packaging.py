"""Packaging: lock files, declared requirements, NOTICE, and the contents of the sdist and the wheel."""

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

from tests.packages import Built, build_once

ROOT = Path(__file__).resolve().parent.parent
#: dependencies on other systems or older Python versions only
ELSEWHERE = {"async-timeout", "typing-extensions"}
#: a paragraph of NOTICE that lists distributions under a licence
LICENCE = re.compile(
    r"^(LGPL-3\.0-only|Apache-2\.0|MIT|MPL-2\.0|BSD \(2 or 3 clauses\)|PSF-2\.0): ([^:]+?)\n\n", re.MULTILINE
)
HOUSE = ("schema", "pipeline", "workers")


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


#: name → version and hashes
Lock = dict[str, tuple[str, frozenset[str]]]


@pytest.fixture(scope="module")
def lock() -> Lock:
    return read_lock("requirements.lock")


@pytest.fixture(scope="module")
def runtime_lock() -> Lock:
    return read_lock("requirements-runtime.lock")


def read_lock(name: str) -> Lock:
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8").strip())
    return {
        canonicalize_name(entry.split("==")[0]): (
            entry.split("==")[1].split()[0],
            frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})(?!\S)", entry)),
        )
        for entry in entries
    }


def wanted(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_lock_has_every_requirement_of_setup_cfg(setup: configparser.ConfigParser, lock: Lock) -> None:
    asked = [
        *wanted(setup["options"]["install_requires"]),
        *wanted(setup["options.extras_require"]["embedded"]),
        *wanted(setup["options.extras_require"]["sentry"]),
        *wanted(setup["options.extras_require"]["dev"]),
    ]

    for requirement in asked:
        version, hashes = lock[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}: make lock"
        assert hashes, f"{requirement.name} has no hash"


def test_the_runtime_lock_has_the_product_s_requirements_at_the_versions_of_the_development_lock(
    setup: configparser.ConfigParser, lock: Lock, runtime_lock: Lock
) -> None:
    required = {canonicalize_name(each.name) for each in wanted(setup["options"]["install_requires"])}

    assert required <= runtime_lock.keys()
    assert runtime_lock == {name: lock[name] for name in runtime_lock}, "make lock-runtime"


def test_the_runtime_lock_holds_dependencies_of_the_product_only(runtime_lock: Lock) -> None:
    assert runtime_lock.keys() <= dependencies("postroad[sentry]") | ELSEWHERE, "make lock-runtime"


def test_the_runtime_lock_has_no_development_tool_and_no_embedded_server(
    setup: configparser.ConfigParser, runtime_lock: Lock
) -> None:
    extras = setup["options.extras_require"]

    assert not runtime_lock.keys() & {
        canonicalize_name(each.name) for extra in ("dev", "embedded") for each in wanted(extras[extra])
    }


def dependencies(name: str) -> set[str]:
    """Return the distributions that an installed one requires here, directly or not, with requested extras only."""
    found: set[Requirement] = set()
    asked = [Requirement(name)]  # with its extras
    while asked:
        one = asked.pop()
        for requirement in map(Requirement, importlib.metadata.requires(one.name) or ()):
            environments = [{"extra": extra} for extra in ("", *one.extras)]
            marker = requirement.marker
            if requirement not in found and (not marker or any(map(marker.evaluate, environments))):
                found.add(requirement)
                asked.append(requirement)
    return {canonicalize_name(requirement.name) for requirement in found}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-runtime.lock"])
def test_a_lock_file_has_no_url_and_no_path(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")

    assert "://" not in text
    assert "/" not in re.sub(r"--hash=\S+", "", text)


def test_every_imported_distribution_is_declared_in_setup_cfg(setup: configparser.ConfigParser) -> None:
    declared = {
        canonicalize_name(requirement.name)
        for text in (
            setup["options"]["install_requires"],
            *(setup["options.extras_require"][extra] for extra in ("embedded", "sentry")),
        )
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


def test_notice_names_every_distribution_of_the_image_under_its_licence(runtime_lock: Lock) -> None:
    sections = dict(LICENCE.findall((ROOT / "NOTICE").read_text("utf-8")))
    listed = {licence: [name.strip() for name in names.split(",")] for licence, names in sections.items()}

    assert sorted(name for names in listed.values() for name in names) == sorted(runtime_lock)
    for licence, names in listed.items():
        family = re.split(r"\W", licence)[0]
        assert [name for name in names if name not in ELSEWHERE and family not in licence_of(name)] == []


def licence_of(name: str) -> str:
    package = importlib.metadata.metadata(name)
    return " ".join(
        str(word)
        for key in ("License-Expression", "License", "Classifier")
        for word in package.get_all(key, [])
        if key != "Classifier" or word.startswith("License ::")
    )


@pytest.fixture(scope="module")
def built(shared_folder: Path) -> Built:
    return build_once(shared_folder)


def test_a_wheel_built_from_the_sdist_has_every_file_of_the_product(built: Built) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for floor in HOUSE
        for path in (ROOT / floor).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    with zipfile.ZipFile(built.wheel) as packed:
        shipped = {name for name in packed.namelist() if ".dist-info/" not in name}

    assert shipped == files, "package_data in setup.cfg names what is not Python"


def test_a_wheel_has_the_licence_and_the_notice(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as packed:
        for name in ("LICENSE", "NOTICE"):
            [path] = [path for path in packed.namelist() if path.endswith(f".dist-info/licenses/{name}")]
            assert packed.read(path) == (ROOT / name).read_bytes()


def test_the_procfile_of_a_wheel_is_the_procfile_of_the_repository(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as packed:
        shipped = packed.read("workers/processes/Procfile")

    assert shipped == (ROOT / "Procfile").read_bytes()


def test_an_sdist_has_what_builds_and_runs_the_product_and_neither_tests_nor_the_client(built: Built) -> None:
    documents = {
        path.relative_to(ROOT).as_posix()
        for folder in ("docs", "deploy")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
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
            "NOTICE",
            "Procfile",
            "README.md",
            "SECURITY.md",
        ),
        *(
            "docker-compose.yml",
            "docker-compose.monitoring.yml",
            "pyproject.toml",
            "requirements-runtime.lock",
            "requirements.lock",
            "setup.cfg",
        ),
        "workers/processes/Procfile",
    }
    assert not {name for name in names if name.startswith(("tests/", "client/"))}
