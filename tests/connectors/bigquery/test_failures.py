"""BigQuery's errors are told as what passes and what somebody has to put right."""

import pytest
import requests.exceptions
from google.api_core.exceptions import Forbidden, NotFound, RetryError, ServiceUnavailable
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from shared.connectors.bigquery.failures import JobFailedError, bigquery_failure
from shared.domain.run import Reason
from shared.errors import LeaseLostError, PermanentError, TransientError

CANARY = "canary: acme.orders 4711"


def refused(kind: type[Forbidden | NotFound], reason: str) -> Exception:
    return kind(CANARY, errors=[{"reason": reason, "message": CANARY}])


@pytest.mark.parametrize(
    "error",
    [
        refused(Forbidden, "rateLimitExceeded"),
        refused(Forbidden, "quotaExceeded"),
        JobFailedError("backendError", CANARY),
        JobFailedError("resourcesExceeded", CANARY),
        ServiceUnavailable(CANARY),
        RetryError(CANARY, None),
        TransportError(CANARY),
        RefreshError(CANARY),
        requests.exceptions.ReadTimeout(CANARY),
        requests.exceptions.ConnectionError(CANARY),
    ],
)
def test_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    told = bigquery_failure(error)
    assert isinstance(told, TransientError)
    assert (told.code, "canary" in str(told)) == (Reason.DATASET_UNAVAILABLE, False)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (refused(Forbidden, "accessDenied"), "roles/bigquery.dataEditor"),
        (Forbidden(CANARY), "roles/bigquery.dataEditor"),
        (refused(Forbidden, "billingNotEnabled"), "enable it"),
        (JobFailedError("bytesBilledLimitExceeded", CANARY), "maximum_bytes_billed"),
        (refused(NotFound, "notFound"), "SYNCLINE_DATASET_URL"),
        (JobFailedError("notFound", CANARY), "SYNCLINE_DATASET_URL"),
        (DefaultCredentialsError(CANARY), "service account"),
    ],
)
def test_what_the_deployment_lacks_is_permanent_and_says_who_mends_it(
    error: Exception, remedy: str
) -> None:
    told = bigquery_failure(error)
    assert isinstance(told, PermanentError)
    assert told.code == Reason.DATASET_UNAVAILABLE
    assert remedy in str(told)
    assert "whoever runs" in str(told)
    assert "canary" not in str(told)


def test_what_nobody_knows_is_tried_again_and_told_by_its_class_alone() -> None:
    told = bigquery_failure(ValueError(CANARY))
    assert isinstance(told, TransientError)
    assert str(told) == "The load did not complete (ValueError)."


def test_an_error_of_ours_comes_as_it_is() -> None:
    lost = LeaseLostError("gone")
    assert bigquery_failure(lost) is lost
