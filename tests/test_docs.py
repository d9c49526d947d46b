"""Documents name files, modules and imports that exist: README, CONTRIBUTING, SECURITY, docs/ and docs/decisions/."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from schema.tables import metadata
from workers.cli.command import postroad

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "client" / "README.md"),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
]
PACKAGES = ("schema", "pipeline", "workers")
FOLDERS = (*PACKAGES, "tests", "docs", "deploy", "client", ".ci")
SUFFIXES = {".cfg", ".csv", ".html", ".json", ".lua", ".md", ".py", ".toml", ".yml"}

FILES = {path.relative_to(ROOT) for path in ROOT.iterdir() if path.is_file()} | {
    path.relative_to(ROOT)
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and not {"__pycache__", "build"} & set(path.parts)
}
PATHS = FILES | {folder for path in FILES for folder in path.parents}
#: each path and all its ends: `batch_claims.py`, `store/batch_claims.py`, `pipeline/store/batch_claims.py`
ENDS = {"/".join(path.parts[start:]) for path in PATHS for start in range(len(path.parts))}

FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
MODULE = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT).as_posix())
)


def missing_paths(text: str) -> Iterator[str]:
    """Yield what stands in backticks, looks like a file, folder or module of ours, and is none."""
    for word in re.findall(r"`([\w./-]+)`", FENCED.sub("", text)):
        if MODULE.fullmatch(word) and Path(word).suffix not in SUFFIXES:
            if not is_importable(word):
                yield word
        elif looks_like_a_path(word) and word.rstrip("/") not in ENDS:
            yield word


def looks_like_a_path(word: str) -> bool:
    """Tell whether a word is meant as a path of this repository; `/receipts/NAME` is a path of HTTP."""
    path = Path(word)
    if word.startswith("/") or word in SUFFIXES:
        return False
    return path.suffix in SUFFIXES or word.endswith("/") or ("/" in word and path.parts[0] in FOLDERS)


def missing_links(text: str, folder: Path) -> Iterator[str]:
    """Yield targets of links to files that do not exist."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCED.sub("", text)):
        if "://" not in target and not (folder / target).exists():
            yield target


def missing_imports(text: str) -> Iterator[str]:
    """Yield what blocks of code import or run (`python -m`) of our packages, and is not there."""
    for module in re.findall(r"python3? -m ([\w.]+)", text):
        if module.split(".")[0] in PACKAGES and not is_importable(module):
            yield module
    for language, code in FENCED.findall(text):
        if language == "python":
            yield from (name for name in imported(ast.parse(code)) if not is_importable(name))


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the full names of what code imports of our packages."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.split(".")[0] in PACKAGES)


def unknown_commands(text: str) -> Iterator[str]:
    """Yield what documents call of `postroad`, a command or an option, that the command line does not have."""
    for line in re.findall(r"(?<![\w/.-])postroad +([a-z-][^`|#\n]*)", text.replace("\\\n", "")):
        command: click.Command = postroad
        words = line.split()
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(click.Context(command), words.pop(0))
            if found is None:
                yield f"postroad {line}"
                break
            command = found
        else:
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            known |= {"--help", "--version"}
            yield from (f"{command.name} {word}" for word in re.findall(r"(?<!\S)--[a-z-]+", line) if word not in known)


def is_importable(name: str) -> bool:
    """Tell whether a dotted name is a module, or an attribute of one."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return bool(module) and is_importable(module) and hasattr(importlib.import_module(module), attribute)
    return True


@each_document
def test_a_document_names_files_and_modules_that_exist(document: Path) -> None:
    assert not list(missing_paths(document.read_text("utf-8")))


@each_document
def test_a_document_links_to_files_that_exist(document: Path) -> None:
    assert not list(missing_links(document.read_text("utf-8"), document.parent))


@each_document
def test_code_in_a_document_imports_what_exists(document: Path) -> None:
    assert not list(missing_imports(document.read_text("utf-8")))


@each_document
def test_a_document_names_commands_and_options_that_exist(document: Path) -> None:
    assert not list(unknown_commands(document.read_text("utf-8")))


def test_the_tables_that_the_glossary_names_exist() -> None:
    named = re.findall(r"\b[Rr]ows? of `(\w+)`", (ROOT / "docs" / "glossary.md").read_text("utf-8"))

    assert {"batches", "messages", "provider_attempts"} <= set(named) <= metadata.tables.keys()


@pytest.mark.parametrize(
    "text",
    [
        "`pipeline/stages/teleport.py`",
        "`teleport.py`",
        "`store/teleport.py`",
        "`pipeline/teleport/`",
        "`tests/bench/TELEPORT`",
        "`workers.teleport`",
        "`workers.producer.teleport`",
    ],
)
def test_a_path_that_does_not_exist_is_reported(text: str) -> None:
    assert list(missing_paths(text))


@pytest.mark.parametrize(
    "text",
    [
        "`pipeline/store/batch_claims.py`",
        "`store/batch_claims.py`",
        "`pipeline/store/`",
        "`tests/bench/BASE`",
        "`workers.producer.submit`",
        "`/receipts/NAME`",
        "`text/plain`",
        "```sh\ncat teleport.py\n```",
    ],
)
def test_existing_paths_and_text_that_is_not_a_path_of_the_repository_are_not_reported(text: str) -> None:
    assert not list(missing_paths(text))


@pytest.mark.parametrize(
    "code",
    [
        "```python\nfrom workers.producer import teleport\n```",
        "```python\nimport pipeline.teleport\n```",
        "    python -m workers.teleport 1.json",
    ],
)
def test_an_import_that_fails_is_reported(code: str) -> None:
    assert list(missing_imports(code))


@pytest.mark.parametrize(
    "text", ["`postroad teleport`", "    postroad carrier teleport acme", "postroad send --teleport", "`postroad --x`"]
)
def test_a_command_or_option_that_does_not_exist_is_reported(text: str) -> None:
    assert list(unknown_commands(text))


def test_a_link_to_a_missing_file_is_reported() -> None:
    assert list(missing_links("[there](docs/teleport.md#home)", ROOT))
