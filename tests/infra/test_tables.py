"""The rules of `infra.local.tables`."""

from infra.local.tables import as_table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert as_table(("id", "name"), [[1, "a"], [1234, None]]) == (
        "id    name\n────  ────\n1     a\n1234"
    )


def test_a_table_without_rows_has_its_headers() -> None:
    assert as_table(("id",), []) == "id\n──"
