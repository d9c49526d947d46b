"""docs/metrics.md lists each metric with its type and labels, and none that does not exist."""

import re
from pathlib import Path

from workers.metrics.metric_definitions import GATEWAY, INSTALLATION

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
_ROW = re.compile(r"^\| `(postroad_\w+)` \| (\w+) \| (.*?) \| (.+) \|$", re.MULTILINE)


def test_each_metric_is_documented_with_its_type_and_labels() -> None:
    documented = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in _ROW.findall(DOCUMENT.read_text())
    }

    assert documented == {each.name: (str(each.type), each.labels) for each in (*INSTALLATION, *GATEWAY)}
    assert len(documented) > 45


def test_no_two_metrics_have_the_same_name_and_each_name_ends_as_its_type_demands() -> None:
    names = [each.name for each in (*INSTALLATION, *GATEWAY)]

    assert len(set(names)) == len(names)
    assert all((each.type == "counter") == each.name.endswith("_total") for each in INSTALLATION)
