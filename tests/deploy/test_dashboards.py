"""The dashboards of Grafana and the files around them are valid, and ask for metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.promtool import RULES
from workers.metrics.metric_definitions import GATEWAY, INSTALLATION, MetricType

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
_NAME = re.compile(r"\bpostroad_\w+")
#: names of samples → labels
SAMPLES = {
    f"{each.name}{suffix}": {*each.labels, *({"le"} if suffix == "_bucket" else ())}
    for each in (*INSTALLATION, *GATEWAY)
    for suffix in (("_bucket", "_count", "_sum") if each.type is MetricType.HISTOGRAM else ("",))
}

each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def unknown(expression: str) -> set[str]:
    """Return the metrics, and the labels in selectors, that do not exist."""
    found = set(_NAME.findall(expression)) - set(SAMPLES)
    for name, selector in re.findall(r"(postroad_\w+)\{([^}]*)\}", expression):
        found |= set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector)) - SAMPLES.get(name, set())
    return found


def test_there_is_a_dashboard_for_each_subject() -> None:
    assert [path.stem for path in DASHBOARDS] == [
        "postroad-api", "postroad-campaigns", "postroad-carriers", "postroad-overview",
    ]  # fmt: skip


@each_dashboard
def test_a_dashboard_is_one_that_grafana_provisions(path: Path) -> None:
    dashboard = json.loads(path.read_text())

    assert dashboard["uid"] == path.stem
    assert dashboard["schemaVersion"] >= 36
    assert {each["name"] for each in dashboard["templating"]["list"]} >= {"datasource"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) >= 6
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["type"] in ("timeseries", "stat")
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@each_dashboard
def test_each_expression_of_a_dashboard_asks_for_metrics_and_labels_that_exist(path: Path) -> None:
    dashboard = json.loads(path.read_text())

    assert all(_NAME.search(each) for each in expressions(dashboard))
    assert {each: unknown(each) for each in expressions(dashboard) if unknown(each)} == {}


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {
        name
        for path in DASHBOARDS
        for each in expressions(json.loads(path.read_text()))
        for name in _NAME.findall(each)
    }

    assert {each.name for each in (*INSTALLATION, *GATEWAY)} - {
        re.sub("_(bucket|count|sum)$", "", name) for name in shown
    } == {"postroad_wallet_left"}


def test_each_alert_asks_for_metrics_and_labels_that_exist() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]

    assert {rule["alert"]: unknown(rule["expr"]) for rule in rules if unknown(rule["expr"])} == {}


def test_an_unknown_metric_or_label_is_noticed() -> None:
    assert unknown('sum(postroad_nothing{x="1"}) + postroad_binds{code="1"}') == {"postroad_nothing", "x", "code"}


def test_the_monitoring_containers_have_the_files_they_are_given() -> None:
    content = yaml.safe_load((ROOT / "docker-compose.monitoring.yml").read_text())

    for service in content["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert (ROOT / source).is_dir() if source.startswith(".") else source in content["volumes"]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert scraped["rule_files"] == [RULES.name]
    targets = [
        target for job in scraped["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    ]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert {target.partition(":")[0] for target in targets} <= set(services)
