"""How an attempt ended, in the terms of the service."""

from dataclasses import dataclass

from grpc import StatusCode

from infra.local.emulator.codes import is_success, status_code_of

_DEADLINE_STATUS = 504
_NO_ANSWER_STATUS = 503


@dataclass(frozen=True, slots=True)
class Outcome:
    """The HTTP status of an attempt, or the one that the service records in its place."""

    http_status: int
    was_answered: bool = True

    @property
    def is_success(self) -> bool:
        """Return whether the task is done: 200 to 299, nothing else."""
        return self.was_answered and is_success(self.http_status)

    @property
    def counts_as_execution(self) -> bool:
        """Return whether it counts in X-CloudTasks-TaskExecutionCount: 5xx does not."""
        return self.was_answered and self.http_status // 100 != 5  # noqa: PLR2004 (the class 5xx)

    @property
    def code(self) -> int:
        """Return the number of google.rpc.Code that stands for the status."""
        return self._status.value[0]

    @property
    def text(self) -> str:
        """Return the sentence of the status, as `NOT_FOUND(5): HTTP status code 404`."""
        return f"{self._status.name}({self.code}): HTTP status code {self.http_status}"

    @property
    def _status(self) -> StatusCode:
        return status_code_of(self.http_status)


DEADLINE_EXCEEDED = Outcome(_DEADLINE_STATUS, was_answered=False)
NO_ANSWER = Outcome(_NO_ANSWER_STATUS, was_answered=False)
"""The target was not there or broke the connection; what the service records is not known."""
