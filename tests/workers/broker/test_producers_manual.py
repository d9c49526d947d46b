"""The manual of producers, docs/producers.md: its examples send orders, and its envelope is valid."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from pipeline.store import accounts
from tests.forked_processes import ROOT
from tests.workers.conftest import Eventually, Site
from workers.broker.envelope import opened

MANUAL = (ROOT / "docs" / "producers.md").read_text()
#: what stands for valkey-cli where there is none: the one command of the example
CLI = f"""#!{sys.executable}
import sys, redis
_, _, url, _, command, key = sys.argv
print(redis.Redis.from_url(url).execute_command(command, key, sys.stdin.buffer.read()))
"""


def example(language: str) -> str:
    """Return the only example in a language."""
    [found] = re.findall(rf"```{language}\n(.*?)```", MANUAL, re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def shop(site: Site) -> Site:
    """A site like that of the examples: account demo, sender Postroad, and one worker."""
    site.world.run("UPDATE accounts SET name = 'demo'")
    with site.rt.begin() as conn:
        accounts.set_sender(conn, site.world.account, "Postroad")
    site.start_worker()
    return site


def run(shop: Site, folder: Path, *command: str) -> UUID:
    """Run an example as a producer that knows of us only where the broker is; return the id that it prints."""
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "BROKER_URL": shop.broker_url}
    said = subprocess.run(
        [*command, "+2348031234567"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return UUID(said.stdout.strip())


def test_the_celery_example_sends_an_order(shop: Site, tmp_path: Path, eventually: Eventually) -> None:
    (tmp_path / "shop.py").write_text(example("python"))

    request = run(shop, tmp_path, sys.executable, "shop.py")

    eventually(lambda: shop.statuses(request) == ["sent"])


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node here")
def test_the_node_example_sends_an_order(shop: Site, tmp_path: Path, eventually: Eventually) -> None:
    (tmp_path / "shop.mjs").write_text(example("js"))

    request = run(shop, tmp_path, "node", "shop.mjs")

    eventually(lambda: shop.statuses(request) == ["sent"])
    assert shop.answer(request).request["class"] == "otp"


def test_the_shell_example_sends_an_order(shop: Site, tmp_path: Path, eventually: Eventually) -> None:
    (tmp_path / "shop.sh").write_text(example("sh"))
    if not shutil.which("valkey-cli"):
        (tmp_path / "valkey-cli").write_text(CLI)
        (tmp_path / "valkey-cli").chmod(0o755)

    request = run(shop, tmp_path, "/bin/sh", "shop.sh")

    eventually(lambda: shop.statuses(request) == ["sent"])


def test_the_envelope_in_the_manual_is_valid() -> None:
    envelope = example("json")

    assert opened(envelope.encode(), "ingest").keys() == json.loads(envelope).keys()
