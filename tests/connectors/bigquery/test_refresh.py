"""What becomes of the rows that a run did not bring."""

from typing import Any
from uuid import UUID

import pytest

from shared.connectors.bigquery.refresh import RefreshTable, decide, keep_statements
from shared.connectors.dataset.refresh import Refresh

RUN, BEFORE = UUID(int=1), UUID(int=2)
TABLE = RefreshTable("`t`", "`seen`", "`s`", "`aside`", {"id": "INT64"})
END = Refresh(RUN, begins=False, ends=True)


def found(**figures: Any) -> dict[str, Any]:
    return {
        "continued": 1,
        "done": 0,
        "held": None,
        "held_rows": None,
        "total": 100,
        "gone": 3,
    } | figures


def test_what_is_gone_is_deleted_at_the_end() -> None:
    verdict = decide(TABLE, END, found())
    assert "DELETE FROM `t` t" in (verdict.statements or "")
    assert (verdict.held, verdict.is_given_up) == (0, False)


def test_a_repeat_of_the_last_slice_does_nothing() -> None:
    assert decide(TABLE, END, found(continued=0, done=1)).statements is None


def test_keys_that_are_not_of_this_run_from_its_beginning_delete_nothing() -> None:
    verdict = decide(TABLE, END, found(continued=0))
    assert verdict.is_given_up
    assert "`t`" not in (verdict.statements or "")


@pytest.mark.parametrize("held", [None, str(RUN)])
def test_a_mass_deletion_is_held_at_the_first_look(held: str | None) -> None:
    verdict = decide(TABLE, END, found(gone=100, held=held, held_rows=held and 100))
    assert verdict.held == 100
    assert "DELETE FROM `t`" not in (verdict.statements or "")
    assert str(RUN) in (verdict.statements or "")


def test_a_mass_deletion_is_done_once_the_run_before_found_one_too() -> None:
    verdict = decide(TABLE, END, found(gone=100, held=str(BEFORE), held_rows=100))
    assert (verdict.held, "DELETE FROM `t` t" in (verdict.statements or "")) == (0, True)


def test_a_mass_deletion_is_held_again_if_much_more_is_gone_than_the_run_before_held() -> None:
    verdict = decide(TABLE, END, found(gone=100, held=str(BEFORE), held_rows=90))
    assert (verdict.held, "DELETE FROM `t` t" in (verdict.statements or "")) == (100, False)


def test_keys_of_a_slice_with_an_unknown_one_are_all_forgotten() -> None:
    spoilt = Refresh(RUN, begins=True, ends=False, is_spoilt=True)
    assert keep_statements(TABLE, spoilt).strip() == "DELETE FROM `seen` WHERE TRUE;"
