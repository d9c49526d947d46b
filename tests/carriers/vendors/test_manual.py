"""docs/carriers.md: its example vendor and its generic settings work, and it lists each kind and each setting."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.registry import KINDS
from pipeline.carriers.vendors import generic
from schema.vocabulary import UnknownAbility
from tests.carriers.conformance import Conformance
from tests.carriers.vendors.exchanges import REF, posted
from tests.carriers.vendors.scripted_vendor import Call, Reply, Said, VendorRig, rigged

MANUAL = Path(__file__).parents[3] / "docs" / "carriers.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", MANUAL.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def acme() -> ModuleType:
    module = ModuleType("acme")
    code = next(text for kind, text in BLOCKS if kind == "python")
    exec(compile(code, str(MANUAL), "exec"), module.__dict__)  # noqa: S102 - our own manual
    return module


class Tongue:
    def receive(self, call: Call) -> Said | Reply:
        assert (call.url, call.headers["authorization"]) == ("/messages", "Bearer k")
        sent = call.json()
        return Said(sent["reference"], sent["to"], sent["text"])

    def accept(self, said: Said, given: str) -> Reply:
        return Reply(201, {"id": given})

    def refuse(self, code: str) -> Reply:
        return Reply(422, {"code": "bad_number"})

    def later(self, code: str) -> Reply:
        return Reply(402, {"code": "no_credit"})

    def throttle(self, seconds: str) -> Reply:
        return Reply(429, b"", {"retry-after": seconds})


@pytest.fixture
def rig(acme: ModuleType, tmp_path: Path) -> Iterator[VendorRig]:
    with rigged(acme.make, {"api_key": "k"}, Tongue(), tmp_path) as rig:
        yield rig


class TestTheExample(Conformance):
    REFUSED = ("refuse", "bad_number")
    REFUSED_FOR_NOW = ("refuse_transient", "no_credit")


def test_the_example_vendor_authenticates_and_reads_receipts(acme: ModuleType) -> None:
    body = json.dumps({"id": "a1", "status": "done", "reference": str(REF)}).encode()
    mac = hmac.new(b"s", body, hashlib.sha256).hexdigest()

    [receipt] = acme.read("alpha", {"receipt_key": "s"}, posted(body, x_acme_signature=mac)).receipts

    assert (receipt.key, receipt.ref) == ("a1/done", REF)
    with pytest.raises(ReceiptForged):
        acme.read("alpha", {"receipt_key": "s"}, posted(body))


def test_the_example_vendor_is_one_carrier_kind_object(acme: ModuleType) -> None:
    kind = acme.KIND

    assert (kind.name, kind.make, kind.receipts.read, kind.receipts.authenticate) == (
        "acme",
        acme.make,
        acme.read,
        acme.authenticate,
    )


def test_the_example_of_generic_settings_makes_a_carrier() -> None:
    settings = json.loads(next(text for kind, text in BLOCKS if kind == "json"))

    carrier = generic.make("gn", settings)

    assert carrier.unknown_ability is UnknownAbility.QUERYABLE
    carrier.close()


def test_every_carrier_kind_is_in_the_manual() -> None:
    assert {kind for kind in KINDS if f"| `{kind}` |" not in MANUAL.read_text()} == set()


READ = re.compile(
    r"""(?:\b(?:options|inner|rules|taken|absent|handset|cls|line)\.(?:text|flag|number|whole|choice|mapping|take)|secret)"""
    r"""\((?:options, )?"([a-z_]+)\""""
)
SOURCES = Path(generic.__file__).parents[1]


def test_every_setting_of_an_http_carrier_kind_is_in_the_manual() -> None:
    files = [*SOURCES.glob("*.py"), *SOURCES.glob("generic/*.py"), SOURCES.parent / "http.py"]
    keys = {key for file in files for key in READ.findall(file.read_text())}

    assert {"receipt_url", "dlt", "values", "at_format", "texts", "signature_secret"} <= keys
    assert {key for key in keys if not re.search(rf'[`"\'.]{key}[`"\']', MANUAL.read_text())} == set()
