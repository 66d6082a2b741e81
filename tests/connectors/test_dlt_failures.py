"""What dlt raises over records that do not fit is told without the records."""

from collections.abc import Callable, Iterator
from typing import Any

import dlt
import pytest
import requests
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.exceptions import (
    DestinationTerminalException,
    DestinationTransientException,
    IdentifierTooLongException,
)
from dlt.common.exceptions import MissingDependencyException
from dlt.destinations.exceptions import (
    DatabaseTransientException,
    DestinationSchemaWillNotUpdate,
)
from dlt.extract import DltResource
from dlt.load.exceptions import LoadClientJobFailed, LoadClientJobRetry
from dlt.normalize.exceptions import NormalizeException
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.sources.helpers.rest_client.exceptions import PaginatorNotFound

from shared.connectors.failures import dataset_failure, source_failure
from shared.connectors.sandbox import shut_in, working_folder
from shared.errors import LeaseLostError, PermanentError, SynclineError, TransientError

CANARY = "canary-in-a-row"
ROW = {"id": 1, "name": CANARY}


@pytest.fixture(autouse=True)
def _in_the_sandbox() -> None:
    # Before anything of dlt is made: its first resource would start its telemetry.
    shut_in()


def failure_of(resource: DltResource) -> SynclineError:
    """Return what it means that a pipeline cannot read or prepare the resource."""
    with working_folder() as folder:
        pipeline = dlt.pipeline("failing", pipelines_dir=str(folder), destination="postgres")
        try:
            with pytest.raises(PipelineStepFailed) as raised:
                _prepare(pipeline, resource)
        finally:
            pipeline.deactivate()
    failure = source_failure(raised.value)
    assert CANARY not in str(failure)
    return failure


def _prepare(pipeline: dlt.Pipeline, resource: DltResource) -> None:
    pipeline.extract([resource], schema=dlt.Schema("failing"), workers=1)
    pipeline.normalize()


def orders(*rows: dict[str, Any], **hints: Any) -> DltResource:
    return dlt.resource(list(rows), name="orders", **hints)


def raising(error: BaseException) -> DltResource:
    def read() -> Iterator[dict[str, Any]]:
        yield ROW
        raise error

    return dlt.resource(read, name="orders")


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (lambda: orders(ROW | {"id": None}, primary_key="id"), "NULL in a primary key"),
        (lambda: orders({"name": CANARY}, primary_key="id"), "NULL in a primary key"),
        (lambda: orders(ROW, schema_contract={"tables": "freeze"}), "does not fit its table"),
        (
            lambda: orders(
                ROW,
                columns={"name": {"data_type": "bigint"}},
                schema_contract={"data_type": "freeze"},
            ),
            "does not fit its table",
        ),
        (lambda: orders(ROW, incremental=dlt.sources.incremental("changed")), "cursor field"),
        (
            lambda: orders(
                ROW | {"changed": CANARY}, incremental=dlt.sources.incremental("changed", 7)
            ),
            "cursor field",
        ),
    ],
)
def test_a_record_that_does_not_fit_is_a_permanent_error(
    resource: Callable[[], DltResource], words: str
) -> None:
    failure = failure_of(resource())
    assert (type(failure), failure.code) == (PermanentError, "configuration")
    assert words in str(failure)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (requests.exceptions.ReadTimeout(CANARY), TransientError, "source_unavailable"),
        (PaginatorNotFound(CANARY), PermanentError, "configuration"),
        (ConfigurationException(CANARY), PermanentError, "configuration"),
        (MissingDependencyException(CANARY, [CANARY]), PermanentError, "internal"),
        (NormalizeException(CANARY), PermanentError, "configuration"),
        (DestinationTerminalException(CANARY), PermanentError, "internal"),
        (KeyError(CANARY), TransientError, "internal"),
    ],
)
def test_what_a_source_raises_inside_dlt_comes_through(
    error: Exception, kind: type[SynclineError], code: str
) -> None:
    failure = failure_of(raising(error))
    assert (type(failure), failure.code) == (kind, code)
    assert type(error).__name__ in str(failure)


def test_an_error_of_ours_comes_through_as_it_is() -> None:
    lost = LeaseLostError("Another worker holds the run.")
    assert failure_of(raising(lost)) is lost


def job(error: Exception, kind: type[LoadClientJobFailed] = LoadClientJobFailed) -> Exception:
    """Return what dlt's loader makes of an error of one of its jobs."""
    return kind("load", "job", CANARY, error)


def repeated(error: Exception) -> Exception:
    return LoadClientJobRetry("load", "job", 1, 1, CANARY, error)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (IdentifierTooLongException(CANARY, "column", CANARY, 63), PermanentError, "configuration"),
        (DestinationSchemaWillNotUpdate(CANARY, [CANARY], CANARY), PermanentError, "configuration"),
        (job(IdentifierTooLongException("", "", CANARY, 1)), PermanentError, "configuration"),
        (job(AssertionError(CANARY)), PermanentError, "internal"),
        (repeated(RuntimeError(CANARY)), TransientError, "dataset_unavailable"),
        (DestinationTransientException(CANARY), TransientError, "dataset_unavailable"),
        (
            DatabaseTransientException(RuntimeError(CANARY)),
            TransientError,
            "dataset_unavailable",
        ),
        (RuntimeError(CANARY), TransientError, "internal"),
    ],
)
def test_what_dlt_meets_while_it_loads_is_told_by_whose_it_is(
    error: Exception, kind: type[SynclineError], code: str
) -> None:
    failure = dataset_failure(error)
    assert (type(failure), failure.code) == (kind, code)
    assert CANARY not in str(failure)
