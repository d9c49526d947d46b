"""Fixtures of the command-line tests: commands run in this process, with the test's settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.settings import Settings
from pipeline.settings import settings as read_settings
from tests.workers.conftest import Site
from workers.cli.command import run


@dataclass(frozen=True)
class Said:
    """A command's output and exit code."""

    code: int
    out: str
    err: str


class Shell:
    """Runs commands: `shell("show", id)`."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: object) -> Said:
        self._capsys.readouterr()
        code = run([str(each) for each in arguments])
        out, err = self._capsys.readouterr()
        return Said(code, out, err)

    def set(self, **environment: str) -> None:
        """Set settings as POSTROAD_ variables."""
        for name, value in environment.items():
            self._monkeypatch.setenv(f"POSTROAD_{name}", value)
        read_settings.cache_clear()


@pytest.fixture
def bare_shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    """Return a shell without any servers."""
    for name in ("DATABASE_URL", "BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    shell = Shell(capsys, monkeypatch)
    shell.set(DATABASE_URL="", BROKER_URL="", HOME=str(tmp_path))
    yield shell
    read_settings.cache_clear()


@pytest.fixture
def shell(bare_shell: Shell, settings: Settings) -> Shell:
    """Return a shell with the test's database, and the broker's last database."""
    broker = settings.broker_url.get_secret_value().rpartition("/")[0] + "/15"
    bare_shell.set(DATABASE_URL=settings.database_url.get_secret_value(), BROKER_URL=broker)
    return bare_shell


@pytest.fixture(scope="module")
def working(site: Site) -> Site:
    """Return the site, with a running worker."""
    site.start_worker()
    return site


@pytest.fixture
def submission(bare_shell: Shell, working: Site) -> Shell:
    """Return a shell on the site with the worker."""
    url = working.rt.settings.database_url.get_secret_value()
    bare_shell.set(DATABASE_URL=url, BROKER_URL=working.broker_url)
    return bare_shell
