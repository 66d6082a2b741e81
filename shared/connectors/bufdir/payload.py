"""A report as it is sent: one document of JSON, or CSV."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import assert_never
from zoneinfo import ZoneInfo

from shared.connectors.bufdir.config import BufdirConfig, CsvFormat, JsonFormat
from shared.connectors.bufdir.rows import MOST_BYTES, ReportTable, too_large
from shared.domain.reporting import Period

_QUOTED = frozenset('"\r\n')


@dataclass(frozen=True, slots=True)
class Payload:
    """What a report sends; the same bytes go out however often it is sent."""

    content: bytes = field(repr=False)
    content_type: str
    rows: int

    @property
    def sha256(self) -> str:
        """Return the digest of the content, in hex."""
        return sha256(self.content).hexdigest()


def make_payload(
    table: ReportTable, config: BufdirConfig, period: Period, correction: int, zone: ZoneInfo
) -> Payload:
    """Return the report of a period; the same data gives the same bytes.

    Raises `PermanentError` if it is too large.
    """
    match config.format:
        case JsonFormat():
            lines = table.json_lines(period, zone, config.most_rows)
            text = _document(config.format, period, correction, lines)
            content_type, rows = "application/json", len(lines)
        case CsvFormat():
            values = table.texts(period, zone, config.most_rows)
            names = [column.sent_as for column in config.dataset.columns]
            text = "".join(_csv_line(line, config.format.delimiter) for line in (names, *values))
            content_type, rows = "text/csv; charset=utf-8", len(values)
        case _:
            assert_never(config.format)
    content = text.encode()
    if len(content) > MOST_BYTES:
        raise too_large(period)
    return Payload(content, content_type, rows)


def _document(form: JsonFormat, period: Period, correction: int, rows: Sequence[str]) -> str:
    head = {
        "period": {
            "name": period.label,
            "first_day": period.first_day.isoformat(),
            "last_day": period.last_day.isoformat(),
        },
        "correction": correction,
        **form.constants,
    }
    start = json.dumps(head, ensure_ascii=False).removesuffix("}")
    return f"{start}, {json.dumps(form.rows_field)}: [{','.join(rows)}]}}"


def _csv_line(values: Sequence[str | None], delimiter: str) -> str:
    # As PostgreSQL's COPY: nothing for null, quotes for an empty text. The standard library's
    # writer does not tell them apart before Python 3.12.
    return delimiter.join(_csv_value(value, delimiter) for value in values) + "\r\n"


def _csv_value(value: str | None, delimiter: str) -> str:
    if value is None:
        return ""
    if value and not (_QUOTED & set(value)) and delimiter not in value:
        return value
    return '"' + value.replace('"', '""') + '"'
