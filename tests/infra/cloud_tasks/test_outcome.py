import pytest

from infra.local.cloud_tasks.outcome import DEADLINE_EXCEEDED, NO_ANSWER, Outcome


@pytest.mark.parametrize("status", [200, 204, 299])
def test_200_to_299_is_success(status: int) -> None:
    assert Outcome(status).is_success


@pytest.mark.parametrize("status", [100, 301, 302, 400, 404, 429, 500, 503])
def test_everything_else_is_failure(status: int) -> None:
    assert not Outcome(status).is_success


@pytest.mark.parametrize(
    ("status", "counts"), [(302, True), (404, True), (429, True), (500, False)]
)
def test_5xx_does_not_count_as_an_execution(status: int, *, counts: bool) -> None:
    assert Outcome(status).counts_as_execution is counts


def test_a_deadline_is_recorded_as_504_and_counts_for_nothing() -> None:
    assert (DEADLINE_EXCEEDED.http_status, DEADLINE_EXCEEDED.code) == (504, 4)
    assert not DEADLINE_EXCEEDED.counts_as_execution


def test_a_target_that_is_not_there_is_unavailable() -> None:
    assert NO_ANSWER.text == "UNAVAILABLE(14): HTTP status code 503"


def test_a_status_of_no_known_code_is_unknown() -> None:
    assert Outcome(418).text == "UNKNOWN(2): HTTP status code 418"
