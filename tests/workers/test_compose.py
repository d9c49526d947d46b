"""docker-compose.yml, the Dockerfile and the Procfile are consistent."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.lab.supervisor.supervise import StopTimeouts
from workers.processes.health_checks import ANSWER
from workers.processes.procfile import read_procfile, shell
from workers.queues import QUEUES

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SERVERS = {"postgres", "valkey"}
SECRETS = {
    "POSTROAD_POSTGRES_PASSWORD": "secret1",
    "POSTROAD_VALKEY_PASSWORD": "secret2",
    "POSTROAD_FLOWER_PASSWORD": "secret3",
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


def ours(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if name in read_procfile()}


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def has_compose() -> bool:
    docker = shutil.which("docker")
    return bool(docker) and run([str(docker), "compose", "version"], os.environ).returncode == 0


def run(command: list[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


@pytest.mark.skipif(not has_compose(), reason="docker compose is not here; the tests below read the file themselves")
def test_docker_compose_accepts_the_file() -> None:
    command = ["docker", "compose", "--file", str(COMPOSE), "config", "--quiet"]

    assert run(command, os.environ | SECRETS).stderr == ""


def test_each_line_of_the_procfile_has_one_container(services: dict[str, Any]) -> None:
    lines = read_procfile()

    assert set(services) == {*lines, *SERVERS, "migrate"}
    for name in lines:
        assert services[name]["command"] == ["python", "-m", "workers.processes.procfile", name]


def test_every_queue_is_consumed_by_one_process_of_the_procfile() -> None:
    queues = re.findall(r"-Q (\S+)", " ".join(read_procfile().values()))

    assert sorted(",".join(queues).split(",")) == sorted(queue.name for queue in QUEUES)


def test_processes_wait_for_the_migrations_which_wait_for_the_servers(services: dict[str, Any]) -> None:
    healthy = {name: {"condition": "service_healthy"} for name in SERVERS}

    assert services["migrate"]["depends_on"] == healthy
    for service in ours(services).values():
        assert service["depends_on"] == healthy | {"migrate": {"condition": "service_completed_successfully"}}


def test_stop_timeouts_grow_from_celery_soft_shutdown_to_process_to_container(
    services: dict[str, Any],
) -> None:
    code = "from workers.app import app; print(app.conf.worker_soft_shutdown_timeout)"
    process = run([sys.executable, "-c", code], os.environ | {"BROKER_URL": "redis://127.0.0.1:1"})

    grace = StopTimeouts().grace

    assert float(process.stdout) < grace
    for service in ours(services).values():
        assert grace < seconds(service["stop_grace_period"])


def test_each_line_of_the_procfile_is_checked_by_postroad_health(services: dict[str, Any]) -> None:
    for name, service in ours(services).items():
        check = service["healthcheck"]
        assert check["test"] == ["CMD", "postroad", "health", name]
        assert ANSWER < seconds(check["timeout"]) < seconds(check["interval"])
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"migrate"}


def test_ports_are_published_on_the_loopback_address_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]

    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:") for port in published)
    # it has no password: for Prometheus on the same network
    assert "ports" not in services["metrics"]


def test_no_password_has_a_default() -> None:
    used = re.findall(r"\$\{(\w+_PASSWORD)([^}]*)\}", COMPOSE.read_text())

    assert {name for name, _ in used} == set(SECRETS)
    assert all(rest.startswith(":?") for _, rest in used)


def test_the_data_of_postgresql_and_valkey_are_on_volumes(services: dict[str, Any]) -> None:
    content = yaml.safe_load(COMPOSE.read_text())
    settings = content["configs"]["valkey"]["content"]

    assert set(content["volumes"]) == {"postgres", "valkey", "journals"}
    assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert services["valkey"]["volumes"] == ["valkey:/data"]
    for line in ("dir /data", "appendonly yes", "maxmemory-policy noeviction", "requirepass ${"):
        assert line in settings


def test_processes_that_send_messages_share_a_writable_volume_of_journals(services: dict[str, Any]) -> None:
    home = re.search(r"^ENV POSTROAD_HOME=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert home
    folder = f"{home[1]}/journals"

    for name in ("worker", "lane", "clock", "carriers"):
        assert services[name]["volumes"] == [f"journals:{folder}"]
    # a volume is made with the owner of what it is mounted on
    assert re.search(rf"install --directory --owner=postroad --mode=700 .*{folder}", (ROOT / "Dockerfile").read_text())


def test_the_image_is_built_from_the_hashed_runtime_lock_and_does_not_run_as_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    image = dockerfile.rpartition("\nFROM ")[2]

    assert "pip install --require-hashes -r requirements-runtime.lock" in image
    assert "requirements.lock" not in image
    assert re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE) == ["postroad"]


def test_flower_starts_only_with_a_password() -> None:
    line = read_procfile()["flower"]
    command = shell(line.replace("celery", "echo"))
    environment = {"PATH": os.defpath}

    without = run(command, environment)
    with_one = run(command, environment | {"POSTROAD_FLOWER_BASIC_AUTH": "ops:secret"})

    assert without.returncode != 0
    assert "user:password" in without.stderr
    options = "--read-only --max-tasks=10000 --max-workers=500 --purge-offline-workers=3600 --logging=none"
    assert with_one.stdout == f"-q -A workers.app flower --address=127.0.0.1 --port=5555 {options}\n"


def test_the_example_env_file_names_every_setting_of_the_compose_files_and_no_secret() -> None:
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    written = COMPOSE.read_text() + (ROOT / "docker-compose.monitoring.yml").read_text()
    read = dict(re.findall(r"\$\{(POSTROAD_\w+):(?:-([^}]*)|\?[^}]*)\}", written))

    assert example == read
    assert {name for name, word in example.items() if not word} == {
        *SECRETS,
        "POSTROAD_CONSOLE_URL",
        "POSTROAD_GRAFANA_PASSWORD",
        "POSTROAD_SECRET_KEY",
        "POSTROAD_SECRET_KEY_OLD",
        "POSTROAD_SENTRY_DSN",
        *("POSTROAD_ALERT_EMAIL_TO", "POSTROAD_ALERT_EMAIL_FROM", "POSTROAD_SMTP_URL"),
    }


def test_the_gateway_s_proxies_can_be_set_in_the_compose_file(services: dict[str, Any]) -> None:
    assert "POSTROAD_GATEWAY_PROXIES" in services["gateway"]["environment"]
    assert "POSTROAD_GATEWAY_PROXIES" in (ROOT / "README.md").read_text()
