"""The running embedded PostgreSQL and Valkey of a data folder: their URLs, from its run file, if they answer."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg


@dataclass(frozen=True, slots=True)
class RunningServers:
    """The URLs of the running servers; "" for a server that their owner did not start."""

    database_url: str
    broker_url: str
    #: the process that started them and will stop them
    owner: int


def running(home: Path) -> RunningServers | None:
    """Return the servers of that data folder, if all of them run and answer."""
    try:
        content = json.loads(run_file(home).read_text())
    except (FileNotFoundError, ValueError):
        return None
    found = RunningServers(content["database_url"], content["broker_url"], content["owner"])
    if found.database_url and not postgres_answers(found.database_url):
        return None
    if found.broker_url and not valkey_answers(found.broker_url):
        return None
    return found


def run_file(home: Path) -> Path:
    """Return the file in which the owner of the servers writes their URLs and process ids."""
    return home / "run.json"


def postgres_answers(url: str) -> bool:
    """Whether a PostgreSQL answers at that URL and accepts its password."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def valkey_answers(url: str) -> bool:
    """Whether a Valkey answers PING at that URL, accepts its password and has loaded its append-only file."""
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
            connection.sendall(f"AUTH {address.password}\r\nPING\r\n".encode())
            received = b""
            while received.count(b"\r\n") < 2 and (more := connection.recv(1024)):
                received += more
    except OSError:
        return False
    return received == b"+OK\r\n+PONG\r\n"
