"""PostgreSQL and Valkey for tests, on copies of one cluster that is created and migrated once a test run."""

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from pipeline.settings import Settings
from tests.databases import Databases
from workers import generated_secrets
from workers.lab.embedded import data_folder, development

#: settings that only protect against a crash of the machine, not of a process; and autovacuum, of hundreds of databases
_UNSAFE = ("fsync", "full_page_writes", "autovacuum")


@contextmanager
def servers(shared: Path) -> Iterator[development.EmbeddedServers]:
    """Yield servers in a temporary folder, on a copy of the cluster in that folder; it is made by who comes first."""
    with (shared / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "cluster").exists():
            _make_cluster(shared)
    with _temporary() as home:
        data = data_folder.choose(home).data
        _copy(shared / "cluster" / "postgres", data)
        password = generated_secrets.password(shared / "cluster", "postgres")
        generated_secrets.write(data / "kept.json", {"postgres_password": password})
        with development.start(Settings(database_url="", broker_url="", home=home)) as running:
            yield running


def _make_cluster(shared: Path) -> None:
    with development.temporary() as running:
        _make_cheap(running.database_url)
        Databases(running).close()
        running.stop()
        data, draft = data_folder.choose(running.home).data, shared / "draft"
        draft.mkdir()
        for name in ("postgres", "kept.json"):
            _copy(data / name, draft)
        draft.rename(shared / "cluster")


def _make_cheap(database_url: str) -> None:
    """Do without durability, and without guarding the password against being guessed."""
    url = make_url(database_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as conn:
        for name in _UNSAFE:
            conn.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
        conn.execute("SELECT pg_reload_conf()")
        conn.execute("SET scram_iterations = 1")
        role, password = sql.Identifier(url.username or ""), sql.Literal(url.password)
        conn.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))


def _copy(source: Path, into: Path) -> None:
    """Copy a file or folder with its owner."""
    subprocess.run(["cp", "-a", source, into], check=True)


@contextmanager
def _temporary() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="postroad-"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home)
