"""The files for contributors: the CI workflow, issue forms, the pull request template, SECURITY.md."""

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = ROOT / ".github" / "workflows" / "check.yml"
TEMPLATES = ROOT / ".github" / "ISSUE_TEMPLATE"
FORMS = sorted(path for path in TEMPLATES.glob("*.yml") if path.name != "config.yml")
#: the types of an issue form's elements that take an answer
ANSWERED = {"checkboxes", "dropdown", "input", "textarea"}
WARNING = re.compile(r"\*\*Do not paste .*message texts.*keys.*\*\*", re.DOTALL)

each_form = pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    return dict(yaml.safe_load(WORKFLOW.read_text("utf-8")))


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def load(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text("utf-8")))


def test_the_workflow_runs_on_the_python_versions_that_setup_cfg_names(
    workflow: dict[str, Any], setup: configparser.ConfigParser
) -> None:
    classified = re.findall(r"Python :: (3\.\d+)", setup["metadata"]["classifiers"])

    assert workflow["jobs"]["check"]["strategy"]["matrix"]["python"] == classified
    assert f'requires-python = ">={classified[0]}"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_the_workflow_runs_make_check_with_the_python_of_its_matrix(workflow: dict[str, Any]) -> None:
    commands = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]

    assert commands == ["make check PYTHON=python${{ matrix.python }}"]
    assert (ROOT / ".ci" / "run").read_text("utf-8").endswith("\nmake check\n")


def test_the_workflow_has_read_permission_only_uses_no_secret_and_has_a_time_limit(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in WORKFLOW.read_text("utf-8")
    assert all(0 < job["timeout-minutes"] <= 90 for job in workflow["jobs"].values())


def test_the_workflow_names_a_major_version_of_each_action(workflow: dict[str, Any]) -> None:
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]

    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", each) for each in used), used


def test_there_is_an_issue_form_for_a_bug_a_feature_and_a_carrier() -> None:
    assert [path.stem for path in FORMS] == ["bug", "carrier", "feature"]


@each_form
def test_an_issue_form_has_the_fields_that_github_requires(path: Path) -> None:
    form = load(path)

    assert {"name", "description", "body"} <= form.keys()
    assert {each["type"] for each in form["body"]} <= ANSWERED | {"markdown"}
    ids = [each["id"] for each in form["body"] if each["type"] in ANSWERED]
    assert len(ids) == len(set(ids))
    for each in form["body"]:
        attributes = each["attributes"]
        assert attributes["label" if each["type"] in ANSWERED else "value"]
        assert ("options" in attributes) == (each["type"] in {"checkboxes", "dropdown"})


@each_form
def test_an_issue_form_begins_with_a_warning_not_to_paste_numbers_texts_and_keys(path: Path) -> None:
    first = load(path)["body"][0]

    assert first["type"] == "markdown"
    assert WARNING.search(first["attributes"]["value"])
    assert "phone numbers" in first["attributes"]["value"]


def test_the_pull_request_template_asks_for_what_contributing_md_requires() -> None:
    template = (ROOT / ".github" / "pull_request_template.md").read_text("utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

    for asked in ("make check", "CHANGELOG.md", "docs/decisions/", "make bench-check", "setup.cfg", "make lock"):
        assert f"`{asked}`" in template
        assert asked in contributing


def test_security_md_describes_how_to_report_a_vulnerability() -> None:
    assert "Report a vulnerability" in (ROOT / "SECURITY.md").read_text("utf-8")


def test_notice_names_files_that_exist() -> None:
    paths = re.findall(r"^  ((?:schema|pipeline|workers)/\S+)", (ROOT / "NOTICE").read_text("utf-8"), re.MULTILINE)

    assert paths
    assert all((ROOT / path).is_file() for path in paths), paths
