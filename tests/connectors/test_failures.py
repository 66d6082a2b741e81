"""Whatever a sync meets becomes transient or permanent, in words that quote nothing."""

import errno
from collections.abc import Sequence
from itertools import pairwise

import psycopg2
import pymysql
import pytest
import requests
from dlt.common.destination.exceptions import DestinationTransientException
from dlt.load.exceptions import LoadClientJobFailed
from dlt.normalize.exceptions import NormalizeException
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from shared.connectors.failures import dataset_failure, source_failure
from shared.domain.run import Reason
from shared.errors import LeaseLostError, PermanentError, SynclineError, TransientError
from tests.connectors.databases import PASSWORD

BOTH = (source_failure, dataset_failure)
CODES = {*Reason, "dataset_unavailable"}


def answered(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(PASSWORD, response=response)


def raised_from(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


def raised_while(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__context__ = inner
    return outer


def test_an_error_of_ours_inside_a_library_error_comes_out_as_it_is() -> None:
    lost = LeaseLostError("Another worker holds the run.")
    wrapped = raised_from(RuntimeError("load failed"), lost)
    assert source_failure(wrapped) is lost
    assert dataset_failure(wrapped) is lost


def test_an_error_of_ours_outweighs_what_broke_while_it_was_handled() -> None:
    lost = LeaseLostError("Another worker holds the run.")
    for failure_of in BOTH:
        assert failure_of(raised_while(psycopg2.OperationalError("rollback"), lost)) is lost


def test_a_driver_error_is_found_where_sqlalchemy_keeps_it() -> None:
    wrapped = DBAPIError(f"SELECT '{PASSWORD}'", None, pymysql.err.OperationalError(1045, PASSWORD))
    failure = source_failure(wrapped)
    assert (type(failure), failure.code) == (PermanentError, "authorization")
    assert str(failure).endswith("(OperationalError 1045).")


def test_a_table_that_is_not_there_is_a_permanent_error() -> None:
    failure = source_failure(NoSuchTableError(PASSWORD))
    assert (type(failure), failure.code) == (PermanentError, "configuration")
    assert PASSWORD not in str(failure)


def test_what_is_not_known_is_tried_again_and_told_by_its_class_alone() -> None:
    for failure_of in BOTH:
        failure = failure_of(KeyError(PASSWORD))
        assert (type(failure), failure.code) == (TransientError, "internal")
        assert "KeyError" in str(failure)
        assert PASSWORD not in str(failure)


def test_what_is_not_known_is_told_by_the_class_that_it_was_raised_from() -> None:
    for failure_of in BOTH:
        failure = failure_of(raised_from(RuntimeError(PASSWORD), ZeroDivisionError(PASSWORD)))
        assert "ZeroDivisionError" in str(failure)


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.ENOSPC, PASSWORD), OSError(errno.EMFILE, PASSWORD)]
)
def test_a_worker_without_room_is_our_trouble_and_passes(error: Exception) -> None:
    for failure_of in BOTH:
        failure = failure_of(raised_from(RuntimeError(), error))
        assert (type(failure), failure.code) == (TransientError, "internal")
        assert "ran out of" in str(failure)


def test_a_chain_that_bites_its_tail_has_an_end() -> None:
    first, second = KeyError(), ValueError()
    raised_from(raised_from(first, second), first)
    raised_from(second, first)
    for failure_of in BOTH:
        assert failure_of(first).code == "internal"


def leaves() -> Sequence[BaseException]:
    """Return new errors of every family, since chaining changes them."""
    return (
        psycopg2.OperationalError(PASSWORD),
        psycopg2.errors.UniqueViolation(PASSWORD),
        pymysql.err.InternalError(PASSWORD),
        NoSuchTableError(PASSWORD),
        answered(429),
        answered(404),
        requests.exceptions.SSLError(PASSWORD),
        requests.exceptions.InvalidURL(PASSWORD),
        NormalizeException(PASSWORD),
        DestinationTransientException(PASSWORD),
        LoadClientJobFailed("load", "job", PASSWORD, ValueError(PASSWORD)),
        UnicodeDecodeError("utf-8", PASSWORD.encode(), 0, 1, PASSWORD),
        ExceptionGroup(PASSWORD, [ValueError(PASSWORD)]),
        FileNotFoundError(errno.ENOENT, PASSWORD, PASSWORD),
        RecursionError(PASSWORD),
        StopIteration(PASSWORD),
        KeyboardInterrupt(PASSWORD),
        Exception(),
        Exception(PASSWORD, {PASSWORD: [PASSWORD]}),
    )


@given(
    picks=st.lists(
        st.tuples(st.integers(0, len(leaves()) - 1), st.booleans()), min_size=1, max_size=6
    )
)
def test_every_chain_of_errors_has_an_answer_of_ours_that_quotes_nothing(
    picks: list[tuple[int, bool]],
) -> None:
    links = [(leaves()[index], is_cause) for index, is_cause in picks]
    for (outer, is_cause), (inner, _) in pairwise(links):
        (raised_from if is_cause else raised_while)(outer, inner)
    for failure_of in BOTH:
        failure: SynclineError = failure_of(links[0][0])
        assert isinstance(failure, TransientError | PermanentError)
        assert failure.code in CODES
        assert PASSWORD not in str(failure)
        assert failure.__cause__ is failure.__context__ is None
