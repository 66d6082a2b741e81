"""A full refresh deletes what its source has no more, and only when it has seen all of it."""

import logging
from collections.abc import Callable

import pytest

from shared.errors import LeaseLostError, PermanentError, TransientError
from tests.connectors.databases import DATASET, Postgres, counts
from tests.connectors.records import Records

SEEN = f"pg_tables WHERE schemaname = '{DATASET}_staging' AND tablename LIKE 'seen %'"


@pytest.fixture
def whole(dataset: Postgres) -> Records:
    """Return a connector that brought three rows."""
    records = Records(dataset, is_whole=True)
    assert records.load({"id": 1}, {"id": 2}, {"id": 3}).metadata["records_deleted"] == 0
    return records


def _ids(records: Records) -> list[int]:
    return [row[0] for row in records.rows("id")]


def _lost_at(nth: int) -> Callable[[], None]:
    asked = 0

    def confirm() -> None:
        nonlocal asked
        asked += 1
        if asked == nth:
            raise LeaseLostError("Another worker holds the run.")

    return confirm


def test_rows_that_the_source_has_no_more_are_deleted_and_the_others_left_alone(
    whole: Records,
) -> None:
    before = whole.dataset.rows(f"SELECT ctid::text FROM {DATASET}.orders WHERE id = 2")
    result = whole.load({"id": 2}, {"id": 4})
    assert (counts(result), result.metadata["records_deleted"]) == ((2, 1, 0), 2)
    assert _ids(whole) == [2, 4]
    assert whole.dataset.rows(f"SELECT ctid::text FROM {DATASET}.orders WHERE id = 2") == before


def test_a_table_that_is_empty_now_is_emptied_by_the_second_run_that_finds_it_so(
    whole: Records,
) -> None:
    held = whole.load()
    assert (held.metadata["records_deleted"], held.metadata["records_held"]) == (0, 3)
    assert _ids(whole) == [1, 2, 3]
    (failure,) = held.failures
    assert (failure.stream, failure.error.code) == ("orders", "deletion_held")
    assert "3 rows of the dataset would be deleted" in str(failure.error)
    done = whole.load()
    assert (done.metadata["records_deleted"], done.failures) == (3, ())
    assert _ids(whole) == []
    assert whole.load().metadata["records_deleted"] == 0


def test_a_deletion_that_is_held_is_forgotten_when_the_rows_come_again(whole: Records) -> None:
    whole.load()
    assert whole.load({"id": 1}, {"id": 2}, {"id": 3}).failures == ()
    assert whole.load().metadata["records_held"] == 3
    assert _ids(whole) == [1, 2, 3]


def test_a_repeat_of_the_run_that_held_a_deletion_is_no_second_look(whole: Records) -> None:
    run = whole.run_id
    whole.load()
    whole.run_id = run  # it was killed before it was recorded
    assert whole.load().metadata["records_held"] == 3
    assert _ids(whole) == [1, 2, 3]


def test_a_second_look_may_take_several_slices_and_a_run_that_broke_off_is_none(
    whole: Records,
) -> None:
    whole.load()
    whole.load(has_more=True)
    whole.begin()
    assert _ids(whole) == [1, 2, 3]
    whole.load(has_more=True)
    assert whole.load().metadata["records_deleted"] == 3


def test_most_of_a_large_table_goes_only_after_a_second_look(
    dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.connectors.dataset import guard  # noqa: PLC0415 (dlt is slow to import)

    monkeypatch.setattr(guard, "FEW_ROWS", 5)
    records = Records(dataset, is_whole=True)
    records.load(*[{"id": number} for number in range(5)])
    assert records.load({"id": 1}, {"id": 2}).metadata["records_held"] == 3
    assert records.load({"id": 1}, {"id": 2}).metadata["records_deleted"] == 3
    assert _ids(records) == [1, 2]


def test_a_deletion_that_is_held_deletes_nothing_that_is_then_rolled_back(
    whole: Records,
) -> None:
    whole.dataset.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RAISE EXCEPTION ''it deletes''; END'",
        f"CREATE TRIGGER refuse BEFORE DELETE ON {DATASET}.orders"
        " FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    assert whole.load().metadata["records_held"] == 3
    with pytest.raises((TransientError, PermanentError)):
        whole.load()


def test_keys_are_counted_before_they_are_joined_with(whole: Records) -> None:
    whole.load({"id": 1}, {"id": 2})
    analyses = f"FROM pg_stat_all_tables WHERE schemaname = '{DATASET}_staging'"
    assert whole.dataset.rows(f"SELECT sum(analyze_count) > 0 {analyses}") == [(True,)]


def test_a_table_of_keys_of_an_earlier_version_deletes_nothing_and_the_next_run_does(
    whole: Records, caplog: pytest.LogCaptureFixture
) -> None:
    whole.load({"id": 1}, has_more=True)
    ((name,),) = whole.dataset.rows(f"SELECT tablename FROM {SEEN}")
    whole.dataset.execute(f'ALTER TABLE {DATASET}_staging."{name}" DROP "Held rows"')
    assert whole.load({"id": 2}).metadata["records_deleted"] == 0
    assert _nothing_deleted(caplog) == ["refresh_deleted_nothing"]
    assert whole.load({"id": 1}).metadata["records_deleted"] == 2


def test_a_source_that_was_always_empty_makes_no_table(dataset: Postgres) -> None:
    assert counts(Records(dataset, is_whole=True).load()) == (0, 0, 0)
    assert not dataset.has_table(f"{DATASET}.orders")


def test_a_stream_that_is_not_whole_deletes_nothing(dataset: Postgres) -> None:
    records = Records(dataset)
    records.load({"id": 1}, {"id": 2})
    assert records.load({"id": 2}).metadata["records_deleted"] == 0
    records.load()
    assert _ids(records) == [1, 2]
    assert dataset.rows(f"SELECT count(*) FROM {SEEN}") == [(0,)]


def test_slices_delete_at_their_end_what_none_of_them_brought(whole: Records) -> None:
    whole.load({"id": 1}, has_more=True)
    whole.load({"id": 4}, has_more=True)
    assert _ids(whole) == [1, 2, 3, 4]
    result = whole.load({"id": 5})
    assert result.metadata["records_deleted"] == 2
    assert _ids(whole) == [1, 4, 5]


@pytest.mark.parametrize("last", [(), ({"v": "\0", "id": 2},)])
def test_a_last_slice_without_rows_deletes_as_well(
    whole: Records, last: tuple[object, ...]
) -> None:
    whole.load({"id": 1}, has_more=True)
    whole.load(*last)
    assert _ids(whole) == [1, 2][: 1 + len(last)]


def test_keys_of_several_columns_are_compared_together(dataset: Postgres) -> None:
    records = Records(dataset, key=("shop", "id"), is_whole=True)
    records.load(*[{"shop": shop, "id": id_} for shop in "ab" for id_ in (1, 2)])
    records.load({"id": 1, "shop": "a"}, {"id": 2, "shop": "b"})
    assert records.rows("shop, id") == [("a", 1), ("b", 2)]


def test_a_slice_that_is_done_again_deletes_what_it_would_have_deleted(whole: Records) -> None:
    whole.load({"id": 1}, has_more=True)
    place, run = dict(whole.positions), whole.run_id
    for confirm_lease in (_lost_at(1), _lost_at(2)):
        with pytest.raises(LeaseLostError):
            whole.load({"id": 4}, confirm_lease=confirm_lease)
        assert _ids(whole) == [1, 2, 3]
    assert whole.load({"id": 4}).metadata["records_deleted"] == 2
    whole.positions, whole.run_id = place, run  # it was killed before it was recorded
    assert whole.load({"id": 4}).metadata["records_deleted"] == 0
    assert _ids(whole) == [1, 4]


def test_a_repeat_of_the_last_slice_is_nothing_to_log(
    whole: Records, caplog: pytest.LogCaptureFixture
) -> None:
    whole.load({"id": 1}, has_more=True)
    place, run = dict(whole.positions), whole.run_id
    whole.load()
    whole.positions, whole.run_id = place, run
    whole.load()
    assert caplog.records == []


@pytest.mark.parametrize("nth", [1, 2])
def test_a_lease_that_is_lost_before_the_commit_without_rows_deletes_nothing(
    whole: Records, nth: int
) -> None:
    with pytest.raises(LeaseLostError):
        whole.load(confirm_lease=_lost_at(nth))
    assert _ids(whole) == [1, 2, 3]
    assert whole.load().metadata["records_held"] == 3


def test_a_first_slice_that_is_done_again_forgets_what_it_saw(whole: Records) -> None:
    whole.load({"id": 1}, {"id": 2}, has_more=True)
    whole.positions = {}  # it was not recorded
    whole.load({"id": 1}, has_more=True)
    whole.load({"id": 3})
    assert _ids(whole) == [1, 3]


def _nothing_deleted(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.__dict__["syncline_fields"]["event"] for record in caplog.records]


def test_two_runs_that_come_between_each_other_delete_nothing_and_the_next_does(
    whole: Records, caplog: pytest.LogCaptureFixture
) -> None:
    other = Records(whole.dataset, is_whole=True)
    with caplog.at_level(logging.WARNING):
        whole.load({"id": 1}, has_more=True)
        other.load({"id": 1}, has_more=True)
        whole.load({"id": 2})
        assert other.load({"id": 2}).metadata["records_deleted"] == 0
    assert _nothing_deleted(caplog) == ["refresh_deleted_nothing"] * 2
    assert _ids(whole) == [1, 2, 3]
    assert whole.load({"id": 1}).metadata["records_deleted"] == 2


def test_a_run_that_another_whole_run_came_between_deletes_nothing(whole: Records) -> None:
    whole.load({"id": 1}, has_more=True)
    Records(whole.dataset, is_whole=True).load({"id": 1}, {"id": 2}, {"id": 3}, {"id": 9})
    assert whole.load({"id": 2}).metadata["records_deleted"] == 0
    assert _ids(whole) == [1, 2, 3, 9]


@pytest.mark.parametrize(
    "meddle",
    [
        "DROP TABLE {seen}",
        "TRUNCATE {seen}",
        "ALTER TABLE {seen} DROP id",
        "ALTER TABLE {seen} ALTER id TYPE numeric",
    ],
)
def test_keys_that_somebody_meddled_with_delete_nothing(
    whole: Records, caplog: pytest.LogCaptureFixture, meddle: str
) -> None:
    whole.load({"id": 1}, has_more=True)
    ((name,),) = whole.dataset.rows(f"SELECT tablename FROM {SEEN}")
    whole.dataset.execute(meddle.format(seen=f'{DATASET}_staging."{name}"'))
    whole.load({"id": 2})
    assert _nothing_deleted(caplog) == ["refresh_deleted_nothing"]
    assert _ids(whole) == [1, 2, 3]
    whole.load({"id": 2})
    assert _ids(whole) == [2]


def test_a_key_whose_type_is_widened_between_slices_deletes_nothing(dataset: Postgres) -> None:
    records = Records(dataset, is_whole=True)
    records.load({"id": 1}, {"id": 2})
    records.load({"id": 1}, has_more=True)
    dataset.execute(f"ALTER TABLE {DATASET}.orders ALTER id TYPE numeric(38, 9)")
    records.load({"id": 3})
    assert _ids(records) == [1, 2, 3]


def test_a_table_that_is_dropped_between_slices_is_an_error_as_ever(whole: Records) -> None:
    whole.load({"id": 1}, has_more=True)
    whole.dataset.execute(f"DROP TABLE {DATASET}.orders")
    with pytest.raises(PermanentError, match="is gone"):
        whole.load({"id": 2})


def test_a_rejected_record_with_a_key_counts_as_brought(whole: Records) -> None:
    result = whole.load({"id": 1}, {"id": 2, "v": "\0"})
    assert (result.records_failed, result.metadata["records_deleted"]) == (1, 1)
    assert _ids(whole) == [1, 2]
    whole.load({"id": 2, "v": "\0"}, has_more=True)
    whole.load({"id": 3})
    assert _ids(whole) == [2, 3]


def test_a_rejected_record_without_a_key_keeps_its_run_from_deleting(
    whole: Records, caplog: pytest.LogCaptureFixture
) -> None:
    whole.load({"id": 1}, {"v": 1}, has_more=True)
    whole.load({"id": 2})
    assert whole.load({"id": 1}, "text").metadata["records_deleted"] == 0
    assert whole.load("text").metadata["records_deleted"] == 0
    assert _ids(whole) == [1, 2, 3]
    assert _nothing_deleted(caplog) == ["refresh_deleted_nothing"] * 3


def test_a_rejected_key_that_no_column_takes_keeps_its_run_from_deleting(whole: Records) -> None:
    assert whole.load({"id": "x", "v": "\0"}).metadata["records_deleted"] == 0
    assert whole.load({"id": 1}, {"id": "x", "v": "\0"}).metadata["records_deleted"] == 0
    assert _ids(whole) == [1, 2, 3]


@pytest.mark.parametrize("record", [{"id": 1}, {"id": 1, "v": "\0"}])
def test_a_stream_that_breaks_off_deletes_nothing_before_its_end(
    whole: Records, record: dict[str, object]
) -> None:
    whole.load(record, error=TransientError("it broke off"))
    assert _ids(whole) == [1, 2, 3]
    assert whole.load({"id": 2}).metadata["records_deleted"] == 1
    assert _ids(whole) == [1, 2]


def test_a_stream_that_failed_deletes_nothing(whole: Records) -> None:
    with pytest.raises(PermanentError):
        whole.load({"id": 1}, *["text"] * 1_001)
    assert _ids(whole) == [1, 2, 3]
