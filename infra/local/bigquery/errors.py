"""Errors as BigQuery tells them, by its reasons."""

from collections.abc import Mapping

_STATUS: Mapping[str, int] = {
    "accessDenied": 403,
    "backendError": 503,
    "conditionNotMet": 412,
    "duplicate": 409,
    "invalid": 400,
    "invalidQuery": 400,
    "notFound": 404,
    "rateLimitExceeded": 403,
    "resourceInUse": 400,
    "quotaExceeded": 403,
    "stopped": 499,
}


class BigQueryError(Exception):
    """An answer of BigQuery: its `reason`, and a message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def status(self) -> int:
        """Return the HTTP status that goes with the reason."""
        return _STATUS.get(self.reason, 500)

    @property
    def proto(self) -> Mapping[str, str]:
        """Return the error as a job has it."""
        return {"reason": self.reason, "message": str(self)}
