"""Which type of BigQuery holds the values of which other exactly."""

import pytest

from shared.connectors.bigquery.column_types import kind_of, needed_type


@pytest.mark.parametrize(
    ("held", "staged", "needed"),
    [
        ("INT64", "INT64", "INT64"),
        ("INT64", "NUMERIC", "NUMERIC"),
        ("INT64", "BIGNUMERIC", "BIGNUMERIC"),
        ("NUMERIC", "INT64", "NUMERIC"),
        ("NUMERIC", "BIGNUMERIC", "BIGNUMERIC"),
        ("BIGNUMERIC", "INT64", "BIGNUMERIC"),
        ("STRING", "INT64", "STRING"),
        ("STRING", "JSON", "STRING"),
        ("STRING", "BOOL", "STRING"),
        ("STRING", "TIMESTAMP", None),
        ("STRING", "FLOAT64", None),
        ("STRING", "BYTES", None),
        ("FLOAT64", "INT64", None),
        ("INT64", "FLOAT64", None),
        ("DATE", "TIMESTAMP", None),
        ("TIMESTAMP", "DATETIME", None),
        ("DATETIME", "TIMESTAMP", None),
        ("STRING(20)", "STRING", None),
        ("ARRAY<INT64>", "INT64", None),
        ("INT64", "STRING", None),
        ("JSON", "STRING", None),
    ],
)
def test_a_column_takes_what_it_holds_exactly_and_widens_where_that_is_exact(
    held: str, staged: str, needed: str | None
) -> None:
    assert needed_type(held, staged) == needed


@pytest.mark.parametrize(
    ("name", "kind"),
    [("BIGNUMERIC", "decimal"), ("STRING", "text"), ("DATETIME", "timestamp"), ("GEO", "geo")],
)
def test_a_variant_is_named_by_dlts_word_for_its_type(name: str, kind: str) -> None:
    assert kind_of(name) == kind
