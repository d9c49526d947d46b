"""Rules for the source code: layers, names, sizes, docstrings, and the parts of Celery that are not used."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ("schema", "pipeline", "workers")
FILES = sorted(path for floor in HOUSE for path in (ROOT / floor).rglob("*.py"))

LONGEST, LONGEST_FUNCTION, MOST_BRANCHES = 400, 50, 15
EMPTY_WORDS = {
    "base",
    "bases",
    "common",
    "helper",
    "helpers",
    "manager",
    "managers",
    "service",
    "services",
    "util",
    "utils",
}
CELERY_WITHOUT = {"AsyncResult", "GroupResult", "ResultSet", "chain", "chord", "chunks", "group"}
PUBLISHING = {"apply_async", "delay", "send_task"}
CLOCKS = {"now", "today", "utcnow"}


#: rules that a file is held to, and the files
RULES: list[tuple[Callable[[Path], None], frozenset[Path]]] = []


@lru_cache(maxsize=1)
def tree(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text("utf-8"))


def each_of(paths: Iterable[Path]) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Make a function a rule for each of these files; `test_each_file_keeps_the_rules` reports those that break it."""

    def add(rule: Callable[[Path], None]) -> Callable[[Path], None]:
        RULES.append((rule, frozenset(paths)))
        return rule

    return add


each_file = each_of(FILES)


# What the rules are -------------------------------------------------------------------------------------------


def undocumented(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield what is public and has no docstring; Alembic's own names, upgrade() and downgrade(), need none."""
    if not ast.get_docstring(tree):
        yield path.name
    if "migrations" in path.parts:
        return
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and lacks_docstring(node):
            yield f"{path.name}:{node.lineno} {node.name}"


def lacks_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    overload = any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list)
    return not node.name.startswith("_") and not overload and not ast.get_docstring(node)


def empty_words(path: Path) -> set[str]:
    """Return the words in a path that name no thing: `phone_utils.py` is as bad as `utils/phone.py`."""
    return {word for part in path.with_suffix("").parts for word in part.lower().split("_")} & EMPTY_WORDS


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every import in a module, wherever it stands, as line and full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)


def second_clocks(tree: ast.Module) -> Iterator[str]:
    """Yield uses of Celery's eta, countdown, retry, canvas and results: ours is one clock, one truth, one wiring."""
    for line, name in imports(tree):
        if name.split(".")[0] == "celery" and name.split(".")[-1] in CELERY_WITHOUT | {"canvas", "result"}:
            yield f"{line}: imports {name}"
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="eta" | "countdown" | "autoretry_for" as word):
                yield f"{node.value.lineno}: {word}="
            case ast.Constant(value="eta" | "countdown" as word):
                yield f"{node.lineno}: {word!r}, an option by another road"
            case ast.Call(func=ast.Attribute(attr="retry")):
                yield f"{node.lineno}: .retry("
            case ast.Call(func=ast.Attribute(attr="get", value=ast.Call(func=ast.Attribute(attr=sent)))) if (
                sent in PUBLISHING
            ):
                yield f"{node.lineno}: .{sent}(…).get("
            case ast.Attribute(attr="AsyncResult"):
                yield f"{node.lineno}: .AsyncResult"
            case ast.Attribute(value=ast.Name(id="celery"), attr=word) if word in CELERY_WITHOUT:
                yield f"{node.lineno}: celery.{word}"


def stage_imports(tree: ast.Module, own: str = "") -> Iterator[str]:
    """Yield what a stage knows of other stages; `own` is the folder of a stage that has several files."""
    for line, name in imports(tree):
        if name.startswith((".", "pipeline.stages")) and not (own and name.startswith(f"pipeline.stages.{own}.")):
            yield f"{line}: {name}"


def impurities(tree: ast.Module) -> Iterator[str]:
    """Yield where a rule looks at a clock."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            yield f"{node.lineno}: {ast.unparse(node.func)}()"


def is_number(index: ast.expr | None) -> bool:
    match index:
        case ast.Constant(value=int()) | ast.UnaryOp(operand=ast.Constant(value=int())):
            return True
        case ast.Slice(lower=lower, upper=upper):
            return is_number(lower) or is_number(upper)
    return False


def is_row(value: ast.expr) -> bool:
    """Return whether an expression is a row: `row`, one of `rows`, or what a query's `first()` and the like return."""
    match value:
        case ast.Name(id="row"):
            return True
        case ast.Subscript(value=ast.Name(id="rows"), slice=place):
            return not isinstance(place, ast.Slice)
        case ast.Call(func=ast.Attribute(attr="fetchone" | "first" | "one" | "one_or_none")):
            return True
    return False


def numbered_columns(tree: ast.Module) -> Iterator[str]:
    """Yield where a row's column is read by its number: a row is unpacked, or its column is read by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_number(node.slice) and is_row(node.value):
            yield f"{node.lineno}: {ast.unparse(node)}"


def branches(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many ways lead through a function: branches, loops, boolean operators, conditional expressions."""
    ways = 1
    for node in ast.walk(function):
        match node:
            case ast.If() | ast.For() | ast.AsyncFor() | ast.While() | ast.IfExp() | ast.ExceptHandler():
                ways += 1
            case ast.comprehension(ifs=ifs):
                ways += 1 + len(ifs)
            case ast.BoolOp(values=values):
                ways += len(values) - 1
    return ways


def too_large(tree: ast.Module) -> Iterator[str]:
    """Yield the functions that have too many lines or branches."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION or branches(node) > MOST_BRANCHES:
                yield f"{node.lineno} {node.name}: {lines} lines, {branches(node)} branches"


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the house in a folder, by the contracts in its setup.cfg."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


# The house keeps them -----------------------------------------------------------------------------------------


def test_all_packages_of_the_product_are_checked() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(HOUSE)
    assert ROOT / "schema" / "order.py" in FILES


def test_no_layer_imports_a_layer_above_it() -> None:
    outcome = lint_imports(ROOT)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@each_file
def every_public_name_has_a_docstring(path: Path) -> None:
    assert not list(undocumented(path, tree(path)))


@each_file
def no_file_name_has_a_meaningless_word_such_as_utils(path: Path) -> None:
    assert not empty_words(path.relative_to(ROOT))


@each_file
def a_file_is_no_longer_than_the_limit(path: Path) -> None:
    # the whole database is on one scroll on purpose
    longest = 2 * LONGEST if path.relative_to(ROOT) == Path("schema/tables.py") else LONGEST
    assert len(path.read_text("utf-8").splitlines()) <= longest


@each_file
def a_function_is_no_larger_than_the_limits(path: Path) -> None:
    # a migration is one function
    assert "versions" in path.parts or not list(too_large(tree(path)))


@each_file
def every_folder_of_python_is_a_package(path: Path) -> None:
    # import-linter does not see into a folder without it
    assert (path.parent / "__init__.py").exists() or path.parent.name == "versions"


@each_file
def no_celery_eta_countdown_retry_canvas_or_result_is_used(path: Path) -> None:
    found = list(second_clocks(tree(path)))
    # the gate reads what others say, to refuse it
    assert len(found) == (path.relative_to(ROOT) == Path("workers/broker/task_message.py")), found


@each_file
def columns_of_rows_are_read_by_name(path: Path) -> None:
    assert not list(numbered_columns(tree(path)))


#: stages that are a folder of files: one verb, too long for one
STAGES_OF_FILES = {"deliver", "resend"}


@each_of([path for path in FILES if (ROOT / "pipeline/stages") in path.parents])
def a_stage_imports_no_other_stage(path: Path) -> None:
    folder = path.parent.name
    assert not list(stage_imports(tree(path), folder if folder in STAGES_OF_FILES else ""))


DIALECTS = ROOT / "pipeline" / "dialects"
VENDORS = sorted(path.name for path in DIALECTS.iterdir() if (path / "__init__.py").exists())
#: our own API is named as the product is: of it only the folder is looked for
OWN_API = {"postroad": "dialects.postroad"}
#: who may name a vendor outside its folder, and why
NAMES_VENDORS = {
    "pipeline/dialects/registry.py": "the line that registers it",
    "schema/migrations/versions/0002_vendor_apis.py": "what was then",
    "schema/migrations/versions/0013_dialects.py": "what was until then",
    "schema/migrations/versions/0014_request_operations.py": "what was until then",
    "workers/cli/commands/bench.py": "prints what the bench measures",
    "workers/lab/bench/apis.py": "calls the vendors' APIs as their customers do",
    "workers/lab/bench/check.py": "calls the vendors' APIs as their customers do",
    "workers/lab/bench/table.py": "calls the vendors' APIs as their customers do",
    "workers/lab/demo/demo_keys.py": "calls the vendors' APIs as their customers do",
}


@each_file
def a_dialect_s_vendor_is_not_named_outside_its_folder(path: Path) -> None:
    assert len(VENDORS) >= 4
    own = path.relative_to(DIALECTS).parts[0] if path.is_relative_to(DIALECTS) else ""
    text = path.read_text("utf-8").lower()
    found = {each for each in VENDORS if OWN_API.get(each, each) in text} - {own}

    assert not found or path.relative_to(ROOT).as_posix() in NAMES_VENDORS


@each_of([path for path in FILES if DIALECTS in path.parents])
def a_dialect_opens_no_transaction(path: Path) -> None:
    calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]

    assert not [each for each in calls if isinstance(each, ast.Attribute) and each.attr in ("begin", "read_only")]


@each_of([path for path in FILES if (ROOT / "pipeline/rules") in path.parents])
def a_rule_does_not_read_the_clock(path: Path) -> None:
    assert not list(impurities(tree(path)))


def test_each_file_keeps_the_rules() -> None:
    assert len(RULES) >= 11
    broken = []
    for path in FILES:
        for rule, paths in RULES:
            try:
                if path in paths:
                    rule(path)
            except AssertionError as error:
                broken.append(f"{path.relative_to(ROOT).as_posix()}: {rule.__name__}: {error}")

    assert not broken, "\n".join(broken)


# And would notice if it did not -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "deliver.apply_async(args, eta=soon)",
        "deliver.apply_async(args, countdown=5)",
        "deliver.apply_async(args, **{'countdown': 5})",
        "self.retry(exc=error)",
        "raise self.retry()",
        "from celery import chord",
        "from celery import group as together",
        "from celery.canvas import chain",
        "from celery.result import AsyncResult",
        "import celery.result",
        "app.AsyncResult(id)",
        "celery.chord(header)(body)",
        "deliver.apply_async(args).get()",
        "deliver.delay(batch).get(timeout=3)",
        "def hidden():\n    app.send_task('sms.deliver').get()",
        "@app.task(autoretry_for=(OSError,))\ndef deliver(): ...",
    ],
)
def test_a_use_of_celery_scheduling_canvas_or_results_is_reported(code: str) -> None:
    assert list(second_clocks(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "re.match(pattern, text).group(1)",
        "from itertools import chain, groupby",
        "settings.get('eta_limit')",
        "deliver.apply_async([batch], queue=queue, retry=True)",
        "from pipeline.rules.routing import retry_delays",
    ],
)
def test_code_that_only_resembles_celery_scheduling_is_not_reported(code: str) -> None:
    assert not list(second_clocks(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "import pipeline.stages.bill",
        "from pipeline.stages import bill",
        "from pipeline.stages.bill import bill",
        "from . import bill",
        "from .bill import bill",
        "def late():\n    from pipeline.stages.bill import bill",
    ],
)
def test_a_stage_that_imports_another_stage_is_reported(code: str) -> None:
    assert list(stage_imports(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "row[0]",
        "row[-1]",
        "Span(*row[:3])",
        "Endpoint(*row[7:])",
        "{row[0]: row[1] for row in rows}",
        "rows[0][1]",
        "rows[-1][0]",
        "conn.execute(query).first()[0]",
    ],
)
def test_a_column_that_is_read_by_its_number_is_reported(code: str) -> None:
    assert list(numbered_columns(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["row.id", "row['id']", "rows[0]", "rows[0].id", "rows[:3]", "{id_: name for id_, name in rows}"]
)
def test_a_column_that_is_read_by_its_name_is_not_reported(code: str) -> None:
    assert not list(numbered_columns(ast.parse(code)))


@pytest.mark.parametrize("code", ["datetime.now(UTC)", "date.today()", "datetime.datetime.utcnow()"])
def test_a_rule_that_reads_the_clock_is_reported(code: str) -> None:
    assert list(impurities(ast.parse(code)))


@pytest.mark.parametrize(
    "name", ["pipeline/utils.py", "schema/phone_helpers.py", "workers/base/app.py", "workers/manager.py"]
)
def test_a_file_name_with_a_meaningless_word_is_reported(name: str) -> None:
    assert empty_words(Path(name))


@pytest.mark.parametrize(
    "code",
    [
        "def send(): ...",
        "'''A module.'''\ndef send(): ...",
        "'''A module.'''\nclass Parcel: ...",
        "'''A module.'''\nasync def send(): ...",
    ],
)
def test_a_missing_docstring_is_reported(code: str) -> None:
    assert list(undocumented(Path("send.py"), ast.parse(code)))


FAULTS = {
    "pipeline/stages/bill.py": "import pipeline.stages.deliver",
    "pipeline/stages/admin/audit.py": "import pipeline.stages.admin.operator_reports",
    "pipeline/dialects/robase/errors.py": "import pipeline.dialects.webex.errors",
    "pipeline/dialects/webex/errors.py": "import pipeline.stages.bill",
    "pipeline/store/batches.py": "import pipeline.stages.bill",
    "pipeline/stages/cancel.py": "import pipeline.store.message_moves",
    "pipeline/rules/money/price_lists.py": "import random",
    "pipeline/errors.py": "import celery",
    "pipeline/carriers/smpp.py": "import sqlalchemy",
    "pipeline/store/messages.py": "import redis",
    "pipeline/runtime.py": "import pydantic",
    "workers/gateway.py": "import pydantic_settings",
    "pipeline/settings.py": "import aiohttp",
    "pipeline/vault.py": "import prometheus_client",
    "workers/queues.py": "import flower",
    "workers/logs.py": "import sentry_sdk",
    "schema/order.py": "import pipeline.errors",
    "workers/tasks.py": "import pipeline.store.batches",
    "workers/wiring.py": "import workers.app",
    "workers/producer.py": "import workers.lab.simulator",
}
#: modules that the contracts and the faults name
SOUND = [
    "pipeline/stages/deliver.py",
    "pipeline/stages/admin/operator_reports.py",
    "pipeline/store/message_moves.py",
    "pipeline/transitions/final_statuses.py",
    "workers/app.py",
    "workers/lab/simulator/scripts.py",
    *(f"workers/cli/commands/{command}.py" for command in ("bench", "demo", "simulator", "up")),
]


def test_every_import_contract_is_broken_by_a_forbidden_import(tmp_path: Path) -> None:
    contracts = (ROOT / "setup.cfg").read_text("utf-8")
    # the small tree has none of the exempt imports
    lenient = contracts.replace("unmatched_ignore_imports_alerting = error", "unmatched_ignore_imports_alerting = none")
    (tmp_path / "setup.cfg").write_text(lenient, "utf-8")
    for file in [*SOUND, *FAULTS]:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in list(path.relative_to(tmp_path).parents)[:-1]:
            (tmp_path / folder / "__init__.py").touch()
        path.write_text(FAULTS.get(file, "") + "\n", "utf-8")

    outcome = lint_imports(tmp_path)

    names = re.findall(r"^name = (.*)$", contracts, re.MULTILINE)
    assert len(names) == len(FAULTS)
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    for name in names:
        assert f"{name} BROKEN" in " ".join(outcome.stdout.split())


def test_decision_files_are_numbered_consecutively_and_their_headings_have_the_same_number() -> None:
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(path.name[:4]) for path in files]

    assert numbers == list(range(1, len(files) + 1))
    assert [path.read_text().partition(".")[0] for path in files] == [f"# {number}" for number in numbers]


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n" + "    pass\n" * 51,
        "def f(a):\n    return " + " or ".join("a" * 16),
        "def f(a):\n    return [" + "1 if a else " * 14 + "0 for b in a]",
    ],
)
def test_a_function_that_is_too_large_is_reported(code: str) -> None:
    assert list(too_large(ast.parse(code)))


def test_a_function_with_fifteen_branches_is_not_reported() -> None:
    assert not list(too_large(ast.parse("def f(a):\n    return " + " or ".join("a" * 15))))
