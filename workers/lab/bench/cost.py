"""Measures cost: CPU by process with all its children (Linux), write-ahead log, rows written."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from workers.lab.bench.setup import value

_PROC = Path("/proc")
_WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
#: partitions count as their table
_ROWS = """
SELECT regexp_replace(relname, '_([0-9]{6}|[0-9]{8}|beyond)$', ''),
       sum(n_tup_ins)::int8, sum(n_tup_upd)::int8, sum(n_tup_hot_upd)::int8, sum(n_tup_del)::int8
FROM pg_stat_user_tables GROUP BY 1
"""
_KINDS = ("inserted", "updated", "updated_hot", "deleted")


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU time used up to one moment."""

    at: float
    #: seconds by process
    spent: dict[str, float]
    #: seconds for which all cores together were busy and idle
    busy: float
    idle: float


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU time used since a reading."""

    #: CPU seconds by process, with its descendants; empty where unknown
    cpu: dict[str, float]
    #: how many cores were used by these processes, by others, and idle; empty where unknown
    cores: dict[str, float]


def read(roots: Mapping[str, int]) -> CpuReading:
    """Take a reading of these processes (name → pid)."""
    return CpuReading(time.monotonic(), _cpu(roots), *_machine())


def since(reading: CpuReading, roots: Mapping[str, int], more: Mapping[str, float] | None = None) -> Spent:
    """Return the CPU time since a reading; `more` are CPU seconds measured elsewhere."""
    now = read(roots)
    if not now.spent:
        return Spent({}, {})
    cpu = {name: seconds - reading.spent[name] for name, seconds in now.spent.items()} | dict(more or {})
    ours, busy = sum(cpu.values()), now.busy - reading.busy
    shares = {"ours": ours, "elsewhere": max(0.0, busy - ours), "idle": now.idle - reading.idle}
    return Spent(cpu, {name: round(share / (now.at - reading.at), 2) for name, share in shares.items()})


def _cpu(roots: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds of each process with its descendants, also dead ones."""
    if not _PROC.joinpath("self/stat").exists():
        return {}
    spent: dict[int, float] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for pid, parent, seconds in _processes():
        spent[pid] = seconds
        children[parent].append(pid)

    def whole(pid: int) -> float:
        return spent.get(pid, 0) + sum(whole(child) for child in children[pid])

    return {name: whole(pid) for name, pid in roots.items()}


def _machine() -> tuple[float, float]:
    if not _PROC.joinpath("stat").exists():
        return 0, 0
    first = _PROC.joinpath("stat").read_text().partition("\n")[0]
    user, nice, system, idle, waiting, *interrupts = map(int, first.split()[1:9])
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + sum(interrupts)) / tick, (idle + waiting) / tick


def _processes() -> Iterator[tuple[int, int, float]]:
    """Yield (pid, parent, CPU seconds with its dead children's) of every process."""
    tick = os.sysconf("SC_CLK_TCK")
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(folder.name), int(fields[1]), sum(map(int, fields[11:15])) / tick


def wal(conn: "psycopg.Connection[Any]") -> int:
    """Return the bytes of write-ahead log written so far."""
    return int(value(conn, _WAL))


def rows(conn: "psycopg.Connection[Any]") -> dict[str, dict[str, int]]:
    """Return the rows written so far by table and kind; complete once the writers have disconnected."""
    return {table: dict(zip(_KINDS, counts, strict=True)) for table, *counts in conn.execute(_ROWS)}
