"""Structured logs: one JSON line an event in Google Cloud's form, readable text on a terminal.

An event is a sentence for people plus a stable snake_case key and ids for machines:
`log_event(log, logging.INFO, "run_leased", "Run leased", run_id=...)`.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime

_EXTRA = "syncline_fields"
_MAX_FIELD_CHARS = 2_000
_MAX_TRACE_CHARS = 8_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")
_CLOUD_TRACE = re.compile(r"([0-9a-f]{32})(?:[/;]|\Z)")
_LARGEST_NUMBER = 2**63
"""What readers of JSON can be relied on to take; infinities and NaN are not JSON at all."""
_SEVERITIES = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARNING",
    logging.ERROR: "ERROR",
    logging.CRITICAL: "CRITICAL",
}

trace_of_request: ContextVar[str | None] = ContextVar("trace_of_request", default=None)
"""The Cloud Trace name of the request under way, so that its log lines are found together."""


def log_event(
    logger: logging.Logger,
    level: int,
    event: str,
    message: str,
    **fields: object,
) -> None:
    """Log one event: `event` is its stable key, `fields` are ids and figures, never secrets.

    A field that is None is left out.
    """
    known = {key: value for key, value in fields.items() if value is not None}
    logger.log(level, message, extra={_EXTRA: {"event": event, **known}})


def configure_logging(log_format: str, *, service: str, project: str) -> None:
    """Send the root logger to standard error as `json` or `text`; repeats are harmless."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = TextFormatter(service) if log_format == "text" else JsonFormatter(service, project)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # These narrate every request and every pool event; what matters of it we log ourselves.
    # Some would also quote what they were given: a URL with its key, a refusal, what is signed.
    for noisy in ("botocore", "google", "pytds", "sqlalchemy.pool", "urllib3", "werkzeug"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # dlt quotes rows and parameters of a load that failed; we translate its errors and log those.
    logging.getLogger("dlt").setLevel(logging.CRITICAL)


def bind_trace(traceparent: str, cloud_trace: str, project: str) -> None:
    """Remember the request's trace, from its `traceparent` or `X-Cloud-Trace-Context` header."""
    found = _TRACEPARENT.match(traceparent) or _CLOUD_TRACE.match(cloud_trace)
    trace_of_request.set(f"projects/{project}/traces/{found[1]}" if found else None)


class JsonFormatter(logging.Formatter):
    """One line of JSON with the keys that Cloud Logging understands."""

    def __init__(self, service: str, project: str) -> None:
        super().__init__()
        self._service = service
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one JSON object."""
        entry: dict[str, object] = {
            "severity": _SEVERITIES.get(record.levelno, "DEFAULT"),
            "time": _iso(record.created),
            "message": _bounded(record.getMessage()),
            "service": self._service,
            "logger": record.name,
        }
        trace = trace_of_request.get()
        if trace is not None:
            entry["logging.googleapis.com/trace"] = trace
        for key, value in fields_of(record).items():
            entry.setdefault(key, _plain(value))
        if record.exc_info:
            entry["exception"] = _bounded(self.formatException(record.exc_info), _MAX_TRACE_CHARS)
        return json.dumps(entry, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One readable line: time, service, sentence, then the ids."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, and the traceback below it if there is one.

        Control characters are spelled out: no text of a caller begins a line or moves the cursor.
        """
        clock = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S.%f")[:-3]
        level = "" if record.levelno <= logging.INFO else f"{record.levelname}: "
        pairs = " ".join(
            f"{key}={_plain(value)}" for key, value in fields_of(record).items() if key != "event"
        )
        line = f"{clock}Z {self._service:<14} {level}{_bounded(record.getMessage())}"
        line = _CONTROL.sub(_spelled_out, f"{line}  {pairs}" if pairs else line)
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line = f"{line}\n{_bounded(trace, _MAX_TRACE_CHARS)}"
        return line


def class_and_place(error: BaseException) -> str:
    """Return an unexpected error's class and where it was raised.

    Its text is left out: drivers and parsers quote rows, URLs and tokens in theirs.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    return f"{type(error).__name__} at {'/'.join(last.filename.split('/')[-2:])}:{last.lineno}"


def fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    """Return the event key and fields that `log_event` attached to a record."""
    return getattr(record, _EXTRA, {})


def _plain(value: object) -> object:
    """Return the value as JSON can hold it; a log line is never lost to one of its fields."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER:
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    try:
        return _bounded(str(value))
    except Exception:  # noqa: BLE001 (the value's own __str__ may raise anything)
        return f"<{type(value).__name__}>"


def _spelled_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _bounded(text: str, limit: int = _MAX_FIELD_CHARS) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds")
