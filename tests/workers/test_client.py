"""The client: a distribution of its own that is built from the product's modules."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from configparser import ConfigParser
from email import message_from_string
from pathlib import Path
from tarfile import TarFile
from zipfile import ZipFile

import pytest

from schema.order import Order
from schema.order_reader import read
from schema.sealed_order import ProducerKey
from tests.forked_processes import ROOT
from tests.packages import build, unpacked
from tests.workers.conftest import Site

COPIES = {
    "message_class.py": "schema/message_class.py",
    "order.py": "schema/order.py",
    "producer.py": "workers/producer.py",
    "sealed_order.py": "schema/sealed_order.py",
}
#: an application that has PyPI's package `schema`, and nothing of Postroad but its client
APPLICATION = """
import sys
import schema
from postroad_client import Order, submit

assert schema.Schema(int) == int
assert not {"pipeline", "workers", "sqlalchemy", "aiohttp"} & {name.split(".")[0] for name in sys.modules}
print(submit(Order.model_validate_json(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's wheel, built from its sdist, which is built in a copy of this checkout."""
    folder = tmp_path_factory.mktemp("client")
    shutil.copytree(ROOT / "client", folder / "checkout" / "client")
    for source in (*COPIES.values(), "LICENSE"):
        copy = folder / "checkout" / source
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / source, copy)
    sdist = build("sdist", folder / "checkout" / "client", folder)
    return build("wheel", unpacked(sdist, folder / "sdist"), folder)


@pytest.fixture(scope="module")
def application(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where an application imports from: the client, another's `schema`, and the libraries, but no checkout of ours."""
    folder = tmp_path_factory.mktemp("application")
    with ZipFile(wheel) as packed:
        packed.extractall(folder)  # noqa: S202 - our own wheel
    (folder / "schema.py").write_text("def Schema(kind):\n    return kind\n")
    paths = [str(folder), *{sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def submitted(quiet: Site, application: dict[str, str], order: Order, **environment: str) -> str:
    """Return the request id under which the application submitted an order."""
    # -S: what is installed in place, as this checkout is, is not found
    done = subprocess.run(
        [sys.executable, "-S", "-c", APPLICATION, order.model_dump_json(by_alias=True)],
        cwd=application["PYTHONPATH"].split(os.pathsep)[0],
        env={"BROKER_URL": quiet.broker_url, **application, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_an_application_submits_orders_with_only_the_client_installed(quiet: Site, application: dict[str, str]) -> None:
    order = quiet.world.order(idempotency_key="k")

    request = submitted(quiet, application, order)

    [(headers, ((sent,), _, _))] = quiet.waiting("ingest")
    assert (headers["task"], headers["id"]) == ("sms.ingest", request)
    arrived = read(sent)
    assert isinstance(arrived, Order)
    assert arrived.model_copy(update={"submitted_at": None}) == order


def test_an_application_seals_orders_with_only_the_client_installed(quiet: Site, application: dict[str, str]) -> None:
    key = str(ProducerKey.make())

    submitted(quiet, application, quiet.world.order(**{"class": "otp"}), POSTROAD_PRODUCER_KEY=key)

    [(_, ((sent,), _, _))] = quiet.waiting("otp")
    assert list(sent) == ["sealed"]


@pytest.mark.parametrize(("copy", "source"), COPIES.items())
def test_the_client_s_modules_are_copies_of_the_product_s(wheel: Path, copy: str, source: str) -> None:
    with ZipFile(wheel) as packed:
        copied = packed.read(f"postroad_client/{copy}").decode()

    assert copied.replace("from postroad_client.", "from schema.") == (ROOT / source).read_text("utf-8")


def test_the_client_s_wheel_and_sdist_contain_the_licence_and_a_notice(wheel: Path) -> None:
    [sdist] = wheel.parent.glob("*.tar.gz")
    with ZipFile(wheel) as packed, TarFile.open(sdist) as source:
        for name, original in (("LICENSE", ROOT / "LICENSE"), ("NOTICE", ROOT / "client" / "NOTICE")):
            [path] = [path for path in packed.namelist() if path.endswith(f".dist-info/licenses/{name}")]
            member = source.extractfile(f"{sdist.name.removesuffix('.tar.gz')}/{name}")
            assert member is not None
            assert packed.read(path) == member.read() == original.read_bytes()


def test_the_client_requires_celery_and_pydantic_and_has_the_version_of_the_product(wheel: Path) -> None:
    product = ConfigParser()
    product.read(ROOT / "setup.cfg")
    declared = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text("utf-8"))["project"]
    with ZipFile(wheel) as packed:
        [metadata] = [name for name in packed.namelist() if name.endswith("METADATA")]
        reported = message_from_string(packed.read(metadata).decode())
        names = {name.partition("/")[0] for name in packed.namelist()}

    assert reported["Version"] == declared["version"] == product["metadata"]["version"]
    needed = [each for each in reported.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert sorted(each.partition(">")[0].partition("<")[0] for each in needed) == ["celery", "pydantic"]
    assert {name for name in names if not name.endswith(".dist-info")} == {"postroad_client"}
