"""The errors of SQL Server are told apart by their number, and by nothing that it wrote."""

import pytest
from pytds import tds_base

from shared.connectors.failures import source_failure
from shared.connectors.sqlserver_failures import LateError
from shared.domain.fault import Fault
from shared.errors import PermanentError, TransientError

WRITTEN = "hunter2-canary"


def _refusal(number: int, severity: int = 16) -> tds_base.DatabaseError:
    error = tds_base.OperationalError(WRITTEN)
    error.number, error.severity = number, severity
    return error


@pytest.mark.parametrize(
    ("number", "kind", "fault", "sentence"),
    [
        (18456, PermanentError, Fault.LOGIN, "refused the login: check user name and password"),
        (18452, PermanentError, Fault.LOGIN, "since one of Windows cannot be"),
        (18488, PermanentError, Fault.LOGIN, "the account is locked"),
        (4060, PermanentError, Fault.NOT_FOUND, "has no such database"),
        (
            916,
            PermanentError,
            Fault.PERMISSION,
            "grant it SELECT there, or make it a db_datareader",
        ),
        (
            229,
            PermanentError,
            Fault.PERMISSION,
            "grant it SELECT there, or make it a db_datareader",
        ),
        (40615, PermanentError, Fault.PERMISSION, "allow its address in the server's firewall"),
        (208, PermanentError, Fault.NOT_FOUND, "has no such table or view"),
        (207, PermanentError, Fault.SCHEMA, "has no such column"),
        (8134, PermanentError, Fault.SCHEMA, "could not compute one of the values"),
        (4413, PermanentError, Fault.SCHEMA, "refused the query"),
        (50001, PermanentError, Fault.SCHEMA, "refused the query"),
        (1205, TransientError, Fault.UNAVAILABLE, "ended the query because of other work"),
        (10928, TransientError, Fault.UNAVAILABLE, "has too many connections or too much work"),
        (10929, TransientError, Fault.UNAVAILABLE, "has too many connections or too much work"),
        (40501, TransientError, Fault.UNAVAILABLE, "has too many connections or too much work"),
        (40613, TransientError, Fault.UNAVAILABLE, "is shutting down or starting"),
    ],
)
def test_a_number_says_what_it_means(number: int, kind: type, fault: Fault, sentence: str) -> None:
    failure = source_failure(_refusal(number))
    assert isinstance(failure, kind)
    assert failure.fault == fault  # pyright: ignore[reportAttributeAccessIssue]
    assert sentence in str(failure)
    assert str(failure).endswith(f"(OperationalError {number}).")
    assert WRITTEN not in str(failure)


def test_an_unknown_trouble_of_the_server_itself_may_pass() -> None:
    assert isinstance(source_failure(_refusal(823, 24)), TransientError)


def test_a_connection_that_broke_may_pass() -> None:
    failure = source_failure(tds_base.ClosedConnectionError())
    assert isinstance(failure, TransientError)
    assert failure.fault == Fault.UNAVAILABLE


def test_a_wait_that_took_too_long_is_told() -> None:
    failure = source_failure(LateError(WRITTEN))
    assert isinstance(failure, TransientError)
    assert failure.fault == Fault.TIMEOUT


def test_text_that_has_no_letters_waits_for_a_person() -> None:
    error = tds_base.InterfaceError(WRITTEN)
    error.__cause__ = UnicodeDecodeError("utf-16-le", b"\x3d\xd8", 0, 2, WRITTEN)
    failure = source_failure(error)
    assert isinstance(failure, PermanentError)
    assert "text that is not valid in its own encoding" in str(failure)
    assert WRITTEN not in str(failure)
