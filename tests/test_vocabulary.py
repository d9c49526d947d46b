"""Names: classes and modules are named once, by the terms of the field and not by words of our own."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("schema", "pipeline", "workers")
FILES = sorted(path for folder in (*PRODUCT, "tests") for path in (ROOT / folder).rglob("*.py"))

#: layers in which the same word names the same thing: a rule, its rows, what is done with them
LAYERS = ("pipeline/rules/", "pipeline/store/", "pipeline/transitions/", "pipeline/stages/")
#: folders whose modules implement one interface each: a vendor's API, a vendor's carrier, a subcommand
INTERFACES = ("pipeline/dialects/", "pipeline/carriers/vendors/", "workers/cli/commands/", "workers/api/")
#: names that a whole package or contract has wherever it is one
EVERYWHERE = {"__init__", "__main__", "contract", "errors", "registry"}

#: words that were ours alone once, or a picture, where the field has a term (docs/glossary.md)
OURS = frozenset(
    """
    administer assets berth berths besieged blot browse burden company complain course desk dial doings doorkeys
    doors doubts ear enlist enrol errand examine fate feel felt fleet freight furnish gate gatehouse glance
    greeter ground handset hatched hatchery hear heard hearing heed heeded heeds herald heralds identify intake
    knock knocks lanes learn leftover letterbox located manner messenger mines mint moor nest news office onward
    paces patience permit proofs pulse purse purses reception recount rehearsal rehearse restrain restraints
    retake road roads ruling shares sheet showcase siege silences situation situations stand stories stranger
    strangers stumble survey suspect tellers tend tether thanks told tour trip turned unwell visit weigh wish
    wishes worthless
    """.split()  # noqa: SIM905 - a table of words
)

#: where such a word stays, and why
STAYS = {
    "doors": "a name that `postroad bench --only` takes",
    "road": "a name that `postroad bench --only` takes",
    "shares": "an option of `postroad gateway`; weights of a simulator script",
}
#: words that once had a meaning of ours as well, and stay in their usual one
ORDINARY = {
    "again": "a repetition; EAI_AGAIN",
    "answer": "a response",
    "answers": "responses",
    "calls": "of functions, tasks and HTTP operations",
    "conditions": "of a query",
    "days": "a unit of time",
    "down": "part of verbs: slow down, shut down",
    "entry": "of a ledger, a log or a table",
    "exchange": "a request with its response; AMQP's exchange",
    "garbage": "Python's garbage collector; malformed bytes in tests",
    "hint": "names a batch that is ready (docs/glossary.md)",
    "issue": "to issue an API key",
    "keys": "API keys, idempotency keys, keys of a mapping",
    "lane": "the setting POSTROAD_WEBHOOK_LANE and the queue of codes, which keep their names for one version",
    "loads": "of JSON; what a batch holds",
    "moments": "points in time",
    "number": "a phone number, an ordinal",
    "posts": "HTTP POST requests",
    "put": "the verb: of a queue, of HTTP",
    "reading": "of a stream, of a clock",
    "reasons": "of refusals",
    "references": "message references of SMPP",
    "register": "to register a sender id",
    "reports": "delivery reports; reports to an operator",
    "rows": "of a table",
    "script": "of the simulator; of Valkey",
    "sent": "the status of a message",
    "statements": "of SQL",
    "step": "of a simulator script",
    "subscribe": "to subscribe an account to events",
    "terms": "of a comparison",
    "texts": "of messages",
    "ticks": "of the clock that drives periodic tasks",
    "turns": "the order in which accounts are served",
    "verify": "a code, a signature; TLS",
    "windows": "of requests in flight (SMPP), of time",
}
#: migrations are history
HISTORY = re.compile(r"schema/migrations/versions/")


def words(name: str) -> list[str]:
    """Return the words of an identifier or file name, in lower case: split at underscores and capitals."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Yield each name that a module defines, binds or uses."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                # a test's name is a sentence
                yield "" if name.startswith("test_") else name
            case ast.alias(name=name, asname=other):
                yield from (*name.split("."), other or "")


def our_words(names: Iterable[str]) -> dict[str, set[str]]:
    """Return the words of ours in these names, each with the names that have it."""
    found = defaultdict(set)
    for name in names:
        for word in OURS.intersection(words(name)) - STAYS.keys():
            found[word].add(name)
    return dict(found)


def is_pair(paths: Iterable[str]) -> bool:
    """Tell whether modules of one name may be: one in each layer at most, and those of one interface."""
    rest = [path for path in paths if not path.startswith(INTERFACES)]
    layers = [next((layer for layer in LAYERS if path.startswith(layer)), path) for path in rest]
    return len(rest) < 2 or (len(set(layers)) == len(layers) and set(layers) <= set(LAYERS))


def test_no_identifier_or_file_name_has_a_word_of_our_own() -> None:
    names = {path: path.relative_to(ROOT).as_posix() for path in FILES}
    found = {
        name: our_words([*identifiers(ast.parse(path.read_text("utf-8"))), *name.removesuffix(".py").split("/")])
        for path, name in names.items()
        if not HISTORY.match(name)
    }

    assert {name: each for name, each in found.items() if each} == {}


def test_public_classes_are_defined_once() -> None:
    defined = defaultdict(list)
    for path in FILES:
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("tests/"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    defined[node.name].append(name)

    assert {name: paths for name, paths in defined.items() if len(paths) > 1} == {}


def test_a_module_s_name_is_used_once() -> None:
    named = defaultdict(list)
    for path in FILES:
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("tests/") and path.stem not in EVERYWHERE and not HISTORY.match(name):
            named[path.stem].append(name)

    assert {stem: paths for stem, paths in named.items() if not is_pair(paths)} == {}


def test_each_exception_is_needed_and_is_no_word_of_our_own() -> None:
    used = {word for path in FILES for name in identifiers(ast.parse(path.read_text("utf-8"))) for word in words(name)}
    named = {word for path in FILES for word in words(path.stem)}

    assert ORDINARY.keys() & OURS == set()
    assert ORDINARY.keys() | STAYS.keys() <= used | named


@pytest.mark.parametrize("name", ["Herald", "last_heard", "front_doors_desk", "_Trip", "STAND"])
def test_a_name_with_a_word_of_our_own_is_reported(name: str) -> None:
    assert our_words([name])


@pytest.mark.parametrize("name", ["unnest", "standard", "retaken", "pretend", "deskew", "ShownMessage"])
def test_a_word_that_merely_contains_a_word_of_our_own_is_not_reported(name: str) -> None:
    assert not our_words([name])


@pytest.mark.parametrize(
    ("paths", "may_be"),
    [
        (["pipeline/rules/text/templates.py", "pipeline/store/api/templates.py"], True),
        (["pipeline/dialects/robase/requests.py", "pipeline/store/requests.py"], True),
        (["pipeline/store/receipts.py", "workers/receipts.py"], False),
        (["pipeline/store/receipts.py", "pipeline/store/api/receipts.py"], False),
    ],
)
def test_modules_may_share_a_name_only_across_layers_or_as_implementations_of_an_interface(
    paths: list[str], may_be: bool
) -> None:
    assert is_pair(paths) is may_be
