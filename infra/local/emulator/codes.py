"""What the HTTP status of an answer is called in google.rpc.Code."""

from grpc import StatusCode

_CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    409: StatusCode.ABORTED,
    429: StatusCode.RESOURCE_EXHAUSTED,
    499: StatusCode.CANCELLED,
    500: StatusCode.INTERNAL,
    501: StatusCode.UNIMPLEMENTED,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}
_SUCCESS = 2


def is_success(http_status: int) -> bool:
    """Return whether a target acknowledged: 200 to 299, nothing else."""
    return http_status // 100 == _SUCCESS


def status_code_of(http_status: int) -> StatusCode:
    """Return the code of a status: OK for success, UNKNOWN for one without a code of its own."""
    if is_success(http_status):
        return StatusCode.OK
    return _CODES.get(http_status, StatusCode.UNKNOWN)
