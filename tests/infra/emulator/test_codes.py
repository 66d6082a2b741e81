import pytest
from grpc import StatusCode

from infra.local.emulator.codes import is_success, status_code_of


@pytest.mark.parametrize(
    ("http_status", "code"),
    [
        (200, StatusCode.OK),
        (299, StatusCode.OK),
        (302, StatusCode.UNKNOWN),
        (404, StatusCode.NOT_FOUND),
        (418, StatusCode.UNKNOWN),
        (429, StatusCode.RESOURCE_EXHAUSTED),
        (503, StatusCode.UNAVAILABLE),
    ],
)
def test_an_http_status_has_one_code(http_status: int, code: StatusCode) -> None:
    assert status_code_of(http_status) is code


@pytest.mark.parametrize(("http_status", "is_good"), [(199, False), (200, True), (300, False)])
def test_200_to_299_is_success(http_status: int, *, is_good: bool) -> None:
    assert is_success(http_status) is is_good
