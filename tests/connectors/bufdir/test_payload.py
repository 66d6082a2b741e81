"""Values go out exactly as the database has them, and the same data gives the same bytes."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import psycopg2
import pytest

from shared.connectors.bufdir.config import BufdirConfig
from shared.connectors.bufdir.dataset import set_reading
from shared.connectors.bufdir.payload import Payload, make_payload
from shared.connectors.bufdir.rows import ReportTable
from shared.domain.local_time import load_zone
from shared.domain.reporting import Period, PeriodUnit, parse_period
from shared.errors import PermanentError
from tests.connectors.bufdir.office import Office
from tests.connectors.bufdir.reporter import SCHEMA, config_of
from tests.connectors.databases import Postgres

OSLO = load_zone("Europe/Oslo")
MARCH = parse_period("2026-03")
CSV = {"type": "csv"}

VALUES = {
    "numeric": (
        "123456789012345678901234567890.1234567890",
        "123456789012345678901234567890.1234567890",
    ),
    "bigint": ("9223372036854775807", "9223372036854775807"),
    "float8": ("0.1", "0.1"),
    "boolean": ("true", "true"),
    "text": ('Bø "7" \\ é', r'"Bø \"7\" \\ é"'),
    "date": ("2028-02-29", '"2028-02-29"'),
    "timestamp": ("2026-03-29 02:30:00.000001", '"2026-03-29T02:30:00.000001"'),
    "timestamptz": ("2026-03-29 02:30:00+01", '"2026-03-29T01:30:00+00:00"'),
    "uuid": ("00000000-0000-0000-0000-000000000007", '"00000000-0000-0000-0000-000000000007"'),
    "jsonb": ('{"a": [1.10, null]}', '{"a": [1.10, null]}'),
}


def table_of(dataset: Postgres, *rows: str, columns: str = "v text, day date") -> None:
    dataset.execute(f"CREATE SCHEMA {SCHEMA}", f"CREATE TABLE {SCHEMA}.visit ({columns})")
    for row in rows:
        dataset.execute(f"INSERT INTO {SCHEMA}.visit VALUES ({row})")


def payload_of(
    dataset: Postgres,
    *columns: str,
    period: Period = MARCH,
    zone: ZoneInfo = OSLO,
    period_column: str = "day",
    **changes: Any,
) -> Payload:
    wanted = {
        "columns": [{"column": name} for name in columns],
        "period": {"unit": "month", "column": period_column},
    }
    config = BufdirConfig.model_validate(config_of(Office(), dataset=wanted, **changes))
    connection = psycopg2.connect(dataset.dsn)
    try:
        with connection, connection.cursor() as cursor:
            set_reading(cursor)
            table = ReportTable(cursor, SCHEMA, config.dataset)
            return make_payload(table, config, period, 0, zone)
    finally:
        connection.close()


@pytest.mark.parametrize("kind", VALUES)
def test_every_digit_and_letter_arrives(dataset: Postgres, kind: str) -> None:
    written, sent = VALUES[kind]
    text = written.replace("'", "''")
    table_of(dataset, f"'{text}', '2026-03-01'", columns=f"v {kind}, day date")
    assert payload_of(dataset, "v").content.decode().endswith(f'"rows": [{{"v":{sent}}}]}}')


def test_null_is_null_and_not_an_empty_text(dataset: Postgres) -> None:
    table_of(dataset, "NULL, '2026-03-01'", "'', '2026-03-02'")
    assert (
        b'[{"day":"2026-03-01","v":null},{"day":"2026-03-02","v":""}]'
        in payload_of(dataset, "day", "v").content
    )


def test_csv_tells_null_from_an_empty_text_and_quotes_what_it_must(dataset: Postgres) -> None:
    rows = ["NULL", "''", "'a;b'", "'say \"ø\"'", "E'two\\nlines'", "'1.50'"]
    table_of(dataset, *(f"{row}, '2026-03-0{n}'" for n, row in enumerate(rows, 1)))
    sent = payload_of(dataset, "day", "v", format={**CSV, "delimiter": ";"})
    assert sent.content.decode() == (
        'day;v\r\n2026-03-01;\r\n2026-03-02;""\r\n2026-03-03;"a;b"\r\n'
        '2026-03-04;"say ""ø"""\r\n2026-03-05;"two\nlines"\r\n2026-03-06;1.50\r\n'
    )
    assert (sent.content_type, sent.rows) == ("text/csv; charset=utf-8", 6)


@pytest.mark.parametrize("form", [{"type": "json"}, CSV])
def test_rows_in_any_order_give_the_same_report(dataset: Postgres, form: dict[str, str]) -> None:
    table_of(dataset, *(f"'{n}', '2026-03-0{n % 9 + 1}'" for n in range(30)))
    before = payload_of(dataset, "v", format=form)
    dataset.execute(f"UPDATE {SCHEMA}.visit SET v = v WHERE v > '2'")
    after = payload_of(dataset, "v", format=form)
    assert (after.content, after.sha256) == (before.content, before.sha256)
    assert after.rows == 30


def test_constants_and_the_name_of_the_rows_are_the_configs(dataset: Postgres) -> None:
    table_of(dataset)
    form = {"type": "json", "constants": {"unit": "Bø", "n": 7}, "rows_field": "figures"}
    assert payload_of(dataset, "v", format=form).content.decode() == (
        '{"period": {"name": "2026-03", "first_day": "2026-03-01", "last_day": "2026-03-31"},'
        ' "correction": 0, "unit": "Bø", "n": 7, "figures": []}'
    )


@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [
        ("date", ["2026-03-01", "2026-03-31"], ["2026-02-28", "2026-04-01"]),
        (
            "timestamp",
            ["2026-03-01 00:00", "2026-03-31 23:59:59.999999"],
            ["2026-02-28 23:59:59.999999", "2026-04-01 00:00"],
        ),
        (
            # Oslo is an hour before UTC at the beginning of this month, and two at its end.
            "timestamptz",
            ["2026-02-28 23:00Z", "2026-03-31 21:59:59.999999Z"],
            ["2026-02-28 22:59:59.999999Z", "2026-03-31 22:00Z"],
        ),
    ],
)
def test_rows_belong_to_the_period_by_the_calendar_of_the_zone(
    dataset: Postgres, kind: str, inside: list[str], outside: list[str]
) -> None:
    rows = [f"'in', '{one}'" for one in inside] + [f"'out', '{one}'" for one in outside]
    table_of(dataset, *rows, "'never', NULL", columns=f"v text, day {kind}")
    sent = payload_of(dataset, "v")
    assert sent.rows == 2
    assert b"out" not in sent.content


def test_the_last_day_of_february_of_a_leap_year_is_in_it(dataset: Postgres) -> None:
    table_of(dataset, "'a', '2028-02-29'", "'b', '2028-03-01'")
    assert payload_of(dataset, "v", period=Period(PeriodUnit.MONTH, date(2028, 2, 1))).rows == 1


@pytest.mark.parametrize(
    ("columns", "period_column", "says"),
    [
        (["v", "gone"], "day", "has no gone"),
        (["v"], "gone", "has no gone"),
        (["v"], "v", "no date and no time"),
    ],
)
def test_columns_that_do_not_fit_are_named(
    dataset: Postgres, columns: list[str], period_column: str, says: str
) -> None:
    table_of(dataset)
    with pytest.raises(PermanentError, match=says):
        payload_of(dataset, *columns, period_column=period_column)


def test_a_table_that_was_never_synced_is_named(dataset: Postgres) -> None:
    with pytest.raises(PermanentError, match="has no table visit: sync its connector first"):
        payload_of(dataset, "v")


def test_names_are_names_whatever_they_hold(dataset: Postgres) -> None:
    odd = 'v"; DROP TABLE visit; --'
    quoted = odd.replace('"', '""')
    table_of(dataset, "'x', '2026-03-01'", columns=f'"{quoted}" text, day date')
    assert payload_of(dataset, odd).rows == 1
    assert payload_of(dataset, odd, format=CSV).rows == 1
