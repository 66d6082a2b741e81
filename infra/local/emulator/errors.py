"""The one error of the APIs: a gRPC status and the sentence that the client sees."""

from grpc import StatusCode


class ApiError(Exception):
    """Refuses a call with `status` and `message`."""

    def __init__(self, status: StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def code(self) -> int:
        """Return the number of the status, as in google.rpc.Code."""
        return self.status.value[0]


def invalid(message: str) -> ApiError:
    """Return an INVALID_ARGUMENT error."""
    return ApiError(StatusCode.INVALID_ARGUMENT, message)


def not_served(service: str, what: str) -> ApiError:
    """Return an UNIMPLEMENTED error for a part of a service's API that is not emulated."""
    return ApiError(StatusCode.UNIMPLEMENTED, f"The local {service} does not serve {what}.")
