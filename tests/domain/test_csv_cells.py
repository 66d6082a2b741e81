import pytest

from shared.domain.csv_cells import safe_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1"])
def test_a_text_that_begins_like_a_formula_is_a_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["1-1", "a=b", "", None, -7, 1.5, True])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert safe_cell(value) is value
