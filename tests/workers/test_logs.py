"""Lines of logs: one form for every process, as text and as JSON."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.errors import ConfigurationError
from workers import logs
from workers.logs import LineFormatter, LogFormat

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
BATCH = "01a20061-e609-7d53-b2e9-5856f6d787ac"


def line(form: LogFormat, message: str, *args: Any, name: str = "workers.tasks", **ids: str) -> str:
    record = logging.LogRecord(name, logging.WARNING, "", 0, message, args, None)
    return LineFormatter("worker", form, lambda _: ids).format(record)


def as_json(message: str, *args: Any, name: str = "workers.tasks", **ids: str) -> dict[str, Any]:
    return dict(json.loads(line(LogFormat.JSON, message, *args, name=name, **ids)))


@pytest.fixture
def _levels() -> Iterator[None]:
    """Give the loggers their levels as before, afterwards."""
    loggers = [logging.getLogger(name) for name in ("pipeline", "schema", "workers", "alembic", "celery", "flower")]
    loggers += [logging.getLogger(name) for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat")]
    before = [(each, each.level) for each in loggers]
    yield
    for each, level in before:
        each.setLevel(level)


def test_a_line_of_text_has_time_level_process_logger_and_message() -> None:
    assert re.fullmatch(
        rf"{TIME} WARNING worker\[\d+\] workers\.tasks: order 7 waits",
        line(LogFormat.TEXT, "order %(request)s waits", {"request": 7}),
    )


def test_a_line_of_json_has_the_same_and_the_ids_of_its_text_as_fields() -> None:
    found = as_json(
        "carrier %(carrier)s: %(count)d late", {"carrier": "alpha", "count": 2, "unnamed": "x"}, batch=BATCH
    )

    assert re.fullmatch(TIME, found.pop("time"))
    assert found.pop("pid") > 0
    assert found == {
        "level": "WARNING",
        "process": "worker",
        "logger": "workers.tasks",
        "message": "carrier alpha: 2 late",
        "carrier": "alpha",
        "count": 2,
        "batch": BATCH,
    }


def test_ids_that_the_text_does_not_name_are_at_the_end_of_the_line() -> None:
    said = line(LogFormat.TEXT, "carrier %(carrier)s: so", {"carrier": "alpha"}, batch=BATCH, carrier="alpha")

    assert said.endswith(f": carrier alpha: so batch={BATCH}")


def test_the_fields_of_a_library_s_record_are_not_taken() -> None:
    found = as_json("%(name)s failed", {"name": "sms.bill", "args": "(+2348012345678)"}, name="celery.app.trace")

    assert found["message"] == "sms.bill failed"
    assert "name" not in found
    assert "args" not in found


@pytest.mark.parametrize("form", LogFormat)
def test_a_message_is_one_line_without_control_characters(form: LogFormat) -> None:
    said = line(form, "a\nb %s", "\x1b[2J\u2028\r\x00c")

    assert said.splitlines() == [said]
    assert said.isprintable()


def test_queries_of_urls_are_not_in_the_log_of_flower_s_web_server() -> None:
    said = line(LogFormat.TEXT, "500 GET /tasks?search=%2B2348012345678 (::1) 3ms", name="tornado.access")

    assert said.endswith("500 GET /tasks?… (::1) 3ms")


def test_a_traceback_follows_in_text_and_is_a_field_in_json() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        record = logging.LogRecord("workers.tasks", logging.ERROR, "", 0, "it failed", (), sys.exc_info())

    text = LineFormatter("worker", LogFormat.TEXT, lambda _: {}).format(record)
    found = json.loads(LineFormatter("worker", LogFormat.JSON, lambda _: {}).format(record))

    assert text.splitlines()[0].endswith(": it failed")
    assert text.splitlines()[-1] == "ValueError: why"
    assert found["traceback"] == text.partition("\n")[2]


@pytest.mark.usefixtures("_levels")
@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("DEBUG", {"workers d", "workers i", "workers w", "celery.worker i", "celery.worker w", "redis w"}),
        ("", {"workers i", "workers w", "celery.worker i", "celery.worker w", "redis w"}),
        ("WARNING", {"workers w", "celery.worker w", "redis w"}),
        ("ERROR", set()),
    ],
)
def test_libraries_log_no_data_at_any_level(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, level: str, shown: set[str]
) -> None:
    monkeypatch.setenv(logs.LEVEL, level)
    logs.set_up("worker")

    for name in ("workers", "celery.worker", "redis"):
        logger = logging.getLogger(name)
        logger.debug("d")
        logger.info("i")
        logger.warning("w")

    said = {re.sub(r".*\] (\S+): (.)", r"\1 \2", each) for each in capsys.readouterr().err.splitlines()}
    assert said - {"workers.logs starts"} == shown


@pytest.mark.parametrize(("setting", "word"), [(logs.LEVEL, "loud"), (logs.FORMAT, "xml")])
def test_an_unknown_level_or_format_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, setting: str, word: str
) -> None:
    monkeypatch.setenv(setting, word)

    with pytest.raises(ConfigurationError, match=f"{setting} is {word.upper() if setting == logs.LEVEL else word}"):
        logs.set_up("worker")
