"""What a newcomer installs is what the house needs, whole and locked."""

import ast
import configparser
import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def test_a_wheel_holds_every_file_of_the_house(tmp_path: Path) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for floor in HOUSE
        for path in (ROOT / floor).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name in [*files, "setup.cfg", "pyproject.toml", "LICENSE"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())

    code = "from setuptools import build_meta; build_meta.build_wheel('.')"
    outcome = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stderr
    [wheel] = tmp_path.glob("*.whl")
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert shipped == files, "package_data in setup.cfg names what is not Python"
