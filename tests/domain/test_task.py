import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.task import MAX_BODY_BYTES, TaskCall, TaskOrder, read_task, write_task

RUN, WORKSPACE = uuid4(), uuid4()


def test_what_is_written_is_read_again() -> None:
    order = TaskOrder(RUN, WORKSPACE, 3, "id", False, datetime(2026, 3, 2, tzinfo=UTC))
    body = write_task(order)
    assert len(body) < MAX_BODY_BYTES
    assert read_task(body) == TaskCall(RUN, WORKSPACE, 3)


def test_a_task_of_an_older_version_names_its_run_alone() -> None:
    assert read_task(json.dumps({"run_id": str(RUN)}).encode()) == TaskCall(RUN)


@given(st.binary(max_size=2_000))
def test_bytes_that_are_no_task_are_none(body: bytes) -> None:
    assert read_task(body) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(JSON, JSON, JSON)
def test_values_that_are_no_ids_are_none(run: object, workspace: object, number: object) -> None:
    body = {"run_id": run, "workspace_id": workspace, "generation": number}
    assert read_task(json.dumps(body).encode()) is None


@pytest.mark.parametrize("generation", [True, 1.0, "1", -1, 2**31, [1]])
def test_a_generation_is_a_whole_number_that_the_table_can_hold(generation: object) -> None:
    body = {"run_id": str(RUN), "generation": generation}
    assert read_task(json.dumps(body).encode()) is None
