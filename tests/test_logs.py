"""Log lines: what machines and people read of them, and what can never break or enter them."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from io import StringIO
from typing import Any
from uuid import UUID

import pytest

from shared.logs import (
    JsonFormatter,
    TextFormatter,
    bind_trace,
    class_and_place,
    configure_logging,
    log_event,
    trace_of_request,
)

RUN = UUID("7b0f6c1e-3a75-4d4b-9c55-2f3c57a4c001")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Lines:
    """A logger of the test's own, and what it wrote."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(formatter)
        self.logger = logging.Logger("shared.flow.attempt")  # noqa: LOG001 (known to nobody else)
        self.logger.addHandler(handler)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    def only(self) -> dict[str, Any]:
        """Return the one JSON line; NaN and infinities are not JSON."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        (line,) = self.stream.getvalue().removesuffix("\n").split("\n")
        return json.loads(line, parse_constant=refuse)


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Color(StrEnum):
    RED = "red"


def broken_parser(secret: str) -> None:
    raise ValueError(f"cannot read {secret}")


def wrapping_parser(secret: str) -> None:
    try:
        broken_parser(secret)
    except ValueError as error:
        raise RuntimeError(f"{secret} too") from error


@pytest.fixture
def as_json() -> Lines:
    return Lines(JsonFormatter("worker", "demo"))


@pytest.fixture
def as_text() -> Lines:
    return Lines(TextFormatter("worker"))


@pytest.fixture(autouse=True)
def own_trace() -> Iterator[None]:
    token = trace_of_request.set(None)
    yield
    trace_of_request.reset(token)


@pytest.fixture
def own_root() -> Iterator[logging.Logger]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
def test_a_json_line_has_the_keys_of_cloud_logging(as_json: Lines, level: str) -> None:
    log_event(as_json.logger, getattr(logging, level), "run_started", "Run started", run_id=RUN)
    entry = as_json.only()
    at = datetime.fromisoformat(entry.pop("time"))
    assert at.utcoffset() == timedelta(0)
    assert entry == {
        "severity": level,
        "message": "Run started",
        "service": "worker",
        "logger": "shared.flow.attempt",
        "event": "run_started",
        "run_id": str(RUN),
    }


def test_a_level_without_a_name_is_the_default_severity(as_json: Lines) -> None:
    log_event(as_json.logger, 25, "x", "Between")
    assert as_json.only()["severity"] == "DEFAULT"


def test_a_plain_call_of_a_library_is_a_json_line_too(as_json: Lines) -> None:
    as_json.logger.warning("pool of %s is %d full", "x", 3)
    entry = as_json.only()
    assert entry["message"] == "pool of x is 3 full"
    assert "event" not in entry


def test_values_keep_their_kind_or_become_text(as_json: Lines) -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    log_event(
        as_json.logger,
        logging.INFO,
        "x",
        "X",
        count=3,
        share=0.5,
        done=True,
        nothing=None,
        at=at,
        wait=timedelta(seconds=3),
        color=Color.RED,
        letters="\N{SNOWMAN}",
    )
    entry = as_json.only()
    assert (entry["count"], entry["share"], entry["done"]) == (3, 0.5, True)
    assert "nothing" not in entry
    assert (entry["at"], entry["wait"]) == ("2026-03-02T00:00:00+00:00", "0:00:03")
    assert (entry["color"], entry["letters"]) == ("red", "\N{SNOWMAN}")


@pytest.mark.parametrize(
    "value",
    [
        Unprintable(),
        object(),
        {"a": {1, 2}},
        b"\xff",
        float("nan"),
        float("inf"),
        -float("inf"),
        10**5_000,
        -(10**5_000),
        "\ud800",
        "\x00\r\n\u2028",
        Unprintable,
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_value_loses_its_line(as_json: Lines, as_text: Lines, value: object) -> None:
    for written in (as_json, as_text):
        log_event(written.logger, logging.INFO, "x", "X", value=value, run_id=RUN)
    assert as_json.only()["run_id"] == str(RUN)
    assert len(as_text.lines) == 1
    assert str(RUN) in as_text.lines[0]


def test_a_value_without_a_text_is_named_by_its_class(as_json: Lines) -> None:
    log_event(as_json.logger, logging.INFO, "x", "X", value=Unprintable())
    assert as_json.only()["value"] == "<Unprintable>"


def test_lengths_are_bounded(as_json: Lines, as_text: Lines) -> None:
    for written in (as_json, as_text):
        log_event(written.logger, logging.INFO, "x", "m" * 50_000, value="v" * 50_000)
    entry = as_json.only()
    assert (len(entry["message"]), len(entry["value"])) == (2_000, 2_000)
    assert entry["value"].endswith("v…")
    assert len(as_text.lines[0]) < 5_000


def test_a_long_traceback_is_bounded(as_json: Lines, as_text: Lines) -> None:
    for written in (as_json, as_text):
        try:
            broken_parser("x" * 50_000)
        except ValueError:
            written.logger.exception("broken")
        assert "Traceback" in written.stream.getvalue()
        assert len(written.stream.getvalue()) < 9_000
    assert len(as_json.only()["exception"]) == 8_000


@pytest.mark.parametrize("exc_info", [True, False, (None, None, None)])
def test_a_traceback_that_is_not_there_harms_nothing(
    as_json: Lines, as_text: Lines, exc_info: Any
) -> None:
    for written in (as_json, as_text):
        written.logger.error("no error", exc_info=exc_info)
        assert "no error" in written.stream.getvalue()


def test_a_field_does_not_replace_what_the_line_itself_says(as_json: Lines) -> None:
    log_event(as_json.logger, logging.INFO, "x", "X", severity="ALERT", service="other", time=1)
    entry = as_json.only()
    assert (entry["severity"], entry["service"]) == ("INFO", "worker")
    assert isinstance(entry["time"], str)


def test_a_text_line_is_time_service_sentence_and_ids(as_text: Lines) -> None:
    log_event(as_text.logger, logging.INFO, "run_started", "Run started", run_id=RUN, attempt=1)
    clock, rest = as_text.lines[0].split(" ", 1)
    assert datetime.strptime(clock, "%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert rest == f"worker         Run started  run_id={RUN} attempt=1"


def test_a_text_line_names_its_level_only_when_it_matters(as_text: Lines) -> None:
    log_event(as_text.logger, logging.INFO, "x", "Fine")
    log_event(as_text.logger, logging.ERROR, "x", "Broken")
    assert [line.split(" ", 1)[1] for line in as_text.lines] == [
        "worker         Fine",
        "worker         ERROR: Broken",
    ]


def test_text_of_a_caller_begins_no_line_and_moves_no_cursor(as_text: Lines) -> None:
    evil = 'x\n12:00:00.000Z worker  Run succeeded\r\x1b[2J\x85\u2028"'
    log_event(as_text.logger, logging.INFO, "x", evil, value=evil)
    assert len(as_text.lines) == 1
    spelled = r'x\n12:00:00.000Z worker  Run succeeded\r\x1b[2J\x85\u2028"'
    assert as_text.lines[0].endswith(f"{spelled}  value={spelled}")


def test_text_of_a_caller_begins_no_json_line(as_json: Lines) -> None:
    evil = '"}\n{"severity": "ALERT"}'
    log_event(as_json.logger, logging.INFO, "x", evil, value=evil)
    entry = as_json.only()
    assert (entry["message"], entry["value"], entry["severity"]) == (evil, evil, "INFO")


def test_the_class_and_place_of_an_error_leave_its_text_out() -> None:
    with pytest.raises(ValueError, match="canary") as caught:
        broken_parser("canary")
    line = broken_parser.__code__.co_firstlineno + 1
    assert class_and_place(caught.value) == f"ValueError at tests/test_logs.py:{line}"


def test_an_error_that_was_never_raised_has_a_class_alone() -> None:
    assert class_and_place(ValueError("canary")) == "ValueError"


def test_the_place_of_a_wrapped_error_is_where_it_was_wrapped() -> None:
    with pytest.raises(RuntimeError) as caught:
        wrapping_parser("canary")
    assert "canary" not in class_and_place(caught.value)
    assert class_and_place(caught.value).startswith("RuntimeError at tests/test_logs.py:")


@pytest.mark.parametrize(
    ("traceparent", "cloud_trace"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", ""),
        (f"00-{TRACE}-00f067aa0ba902b7-01", f"{'0' * 31}1/2;o=1"),
        ("garbage", f"{TRACE}/123;o=1"),
        ("", f"{TRACE}/123;o=1"),
        ("", f"{TRACE};o=1"),
        ("", TRACE),
    ],
)
def test_either_header_of_a_trace_is_taken(
    as_json: Lines, traceparent: str, cloud_trace: str
) -> None:
    bind_trace(traceparent, cloud_trace, "demo")
    log_event(as_json.logger, logging.INFO, "x", "X")
    assert as_json.only()["logging.googleapis.com/trace"] == f"projects/demo/traces/{TRACE}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        TRACE[:-1],
        f"{TRACE}0",
        TRACE.upper(),
        f"{TRACE}\n",
        f"\n{TRACE}/1",
        f"{TRACE}\nx: y",
        f"{TRACE[:16]}\n{TRACE[16:]}/1",
        f"00-{TRACE[:16]}\n{TRACE[17:]}-00f067aa0ba902b7-01",
        f"0\n-{TRACE}-00f067aa0ba902b7-01",
        'x","severity":"ALERT',
        "٣" * 32 + "/1",
    ],
)
def test_garbage_is_no_trace_and_ends_the_one_before(as_json: Lines, header: str) -> None:
    bind_trace("", f"{TRACE}/1", "demo")
    bind_trace(header, header, "demo")
    assert trace_of_request.get() is None
    log_event(as_json.logger, logging.INFO, "x", "X")
    assert "logging.googleapis.com/trace" not in as_json.only()


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_the_root_logger_writes_each_event_once_to_standard_error(
    own_root: logging.Logger, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    for _ in range(3):
        configure_logging(log_format, service="api", project="demo")
    log_event(logging.getLogger("shared.x"), logging.INFO, "x", "Once", run_id=RUN)
    logging.getLogger("shared.x").debug("not this")
    logging.getLogger("sqlalchemy.pool").info("nor this")
    written = capsys.readouterr()
    (line,) = written.err.splitlines()
    assert written.out == ""
    assert str(RUN) in line
    assert line.startswith("{") == (log_format == "json")
