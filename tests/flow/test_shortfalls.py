"""What a sync did not bring is told once a stream."""

from shared.connectors.base import StreamFailure, SyncResult
from shared.errors import PermanentError
from shared.flow.shortfalls import streams_told


def test_a_stream_that_came_to_its_end_and_failed_is_told_once_as_failed() -> None:
    held = StreamFailure("orders", PermanentError("rows are held"))
    finished = {"orders": "orders", "Lines": "lines"}
    result = SyncResult(3, 0, 0, 0, (), failures=(held,), finished=finished)
    told = {(one["stream"], one["status"], one["dataset_table"]) for one in streams_told(result)}
    assert told == {("Lines", "success", "lines"), ("orders", "failed", "orders")}
