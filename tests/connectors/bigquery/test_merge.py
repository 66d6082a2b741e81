"""What a merge says to BigQuery; that it does so is shown by the promises of every dataset."""

from collections.abc import Mapping

from shared.connectors.bigquery.merge import merge_statements, script
from shared.connectors.dataset.landing import Landing, LoadTable

TYPES = {"id": "INT64", "note": "STRING", "doc": "JSON", "_dlt_load_id": "STRING"}
COLUMNS = {name: name for name in TYPES}


def merged(
    columns: Mapping[str, str] = COLUMNS,
    types: Mapping[str, str] = TYPES,
    *,
    newest_by: str | None = None,
    emptied: tuple[str, ...] = (),
) -> str:
    """Return the statements of a merge of a table with the key `id`, in one line."""
    table = LoadTable("orders", ["id"], "`target`", "`staging`", newest_by=newest_by)
    return " ".join(merge_statements(table, Landing(columns, emptied, (), {}), types).split())


def test_rows_are_found_by_their_key() -> None:
    assert "ON t.`id` = s.`id` WHEN" in merged()


def test_a_floating_key_is_compared_by_its_text_since_a_nan_equals_nothing() -> None:
    statements = merged(types=TYPES | {"id": "FLOAT64"})
    assert "ON CAST(t.`id` AS STRING) = CAST(s.`id` AS STRING) WHEN" in statements
    assert "PARTITION BY CAST(`id` AS STRING)) = 1" in statements


def test_of_rows_with_one_key_the_newest_counts() -> None:
    assert "PARTITION BY `id` ORDER BY `changed` DESC) = 1" in merged(newest_by="changed")


def test_json_is_made_of_its_text_exactly_and_compared_as_text() -> None:
    statements = merged()
    assert "PARSE_JSON(`doc`, wide_number_mode => 'exact') AS `doc`" in statements
    assert "TO_JSON_STRING(t.`doc`) IS DISTINCT FROM TO_JSON_STRING(s.`doc`)" in statements


def test_a_row_of_which_only_the_loaders_own_columns_differ_is_left_alone() -> None:
    statements = merged()
    assert "t.`_dlt_load_id` IS DISTINCT" not in statements
    assert "`_dlt_load_id` = s.`_dlt_load_id`" in statements


def test_the_other_columns_of_a_source_column_are_emptied() -> None:
    statements = merged(
        {"id": "id", "note": "note__v_text"}, TYPES | {"note__v_text": "STRING"}, emptied=("note",)
    )
    assert "t.`note` IS NOT NULL) THEN UPDATE SET" in statements
    assert "`note` = NULL" in statements
    assert "INSERT (`id`, `note__v_text`) VALUES (s.`id`, s.`note__v_text`)" in statements


def test_a_table_that_is_all_key_has_nothing_to_update() -> None:
    assert "WHEN MATCHED" not in merged({"id": "id"}, {"id": "INT64"})


def test_a_script_is_one_transaction_that_tells_its_counts() -> None:
    text = script(["SELECT 1;", "SELECT 2;"])
    order = [text.index(part) for part in ("BEGIN TRANSACTION", "SELECT 1", "SELECT 2", "COMMIT")]
    assert order == sorted(order)
    assert text.rstrip().endswith("AS deleted;")
