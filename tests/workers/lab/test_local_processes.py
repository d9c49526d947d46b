"""The processes of a local installation, and when its carriers are ready."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import Settings
from pipeline.store import carriers
from tests.world import World
from workers.lab.supervisor import local_processes
from workers.processes.procfile import read_procfile


def add(world: World, name: str, kind: str, settings: dict[str, Any]) -> None:
    with world.rt.begin() as conn:
        carriers.save(conn, name, kind, settings)


def test_the_processes_are_the_simulator_and_then_those_of_the_procfile(settings: Settings) -> None:
    found = local_processes.processes(settings, Path("simulator.json"))

    assert [process.name for process in found] == ["simulator", *read_procfile()]


def test_carriers_with_their_own_process_are_waited_for_until_a_timeout(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = local_processes.connected(world.rt.settings)
    assert local_processes.own_carriers(world.rt.settings) == []
    assert ready()

    add(world, "beta", "http", {"base_url": "http://127.0.0.1:1"})
    add(world, "gamma", "smpp", {"host": "127.0.0.1", "system_id": "gamma"})

    assert sorted(local_processes.own_carriers(world.rt.settings)) == ["beta", "gamma"]
    assert not ready()
    monkeypatch.setattr(local_processes, "_CARRIERS_TIMEOUT", 0.0)
    assert local_processes.connected(world.rt.settings)()
