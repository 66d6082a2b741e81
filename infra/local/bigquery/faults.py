"""What goes wrong on purpose: answers that are lost, and jobs that end in an error."""

import threading
from dataclasses import dataclass
from enum import StrEnum

from infra.local.bigquery.errors import BigQueryError


class FaultKind(StrEnum):
    """Where something goes wrong."""

    LOST_ANSWER = "lost_answer"
    """The call is done, and the connection ends before its answer."""
    REFUSED_CALL = "refused_call"
    """The call is answered by an error, and not done."""
    FAILED_JOB = "failed_job"
    """The job ends in an error, and does nothing."""
    HELD_JOB = "held_job"
    """The job does nothing until it is cancelled, or released, or half a minute has passed."""


@dataclass(slots=True)
class Fault:
    """A fault that happens to the next calls or jobs with `where` in their path or name."""

    kind: FaultKind
    where: str
    reason: str = "backendError"
    message: str = "by the fault switch"
    times: int = 1


class Faults:
    """The faults that are on."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Turn a fault on until it has happened as often as it says."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Turn all faults off."""
        with self._lock:
            self._faults.clear()

    def of_job(self, name: str) -> None:
        """Raise the error that a job ends in, if it is to end in one."""
        fault = self._happens(FaultKind.FAILED_JOB, name)
        if fault is not None:
            raise BigQueryError(fault.reason, fault.message)

    def holds_job(self, name: str) -> bool:
        """Tell whether a job is held up before it does anything."""
        return self._happens(FaultKind.HELD_JOB, name) is not None

    def of_call(self, path: str) -> None:
        """Raise the error that a call is answered by, if it is to be refused."""
        fault = self._happens(FaultKind.REFUSED_CALL, path)
        if fault is not None:
            raise BigQueryError(fault.reason, fault.message)

    def loses_answer(self, path: str) -> bool:
        """Tell whether the answer of a call is lost."""
        return self._happens(FaultKind.LOST_ANSWER, path) is not None

    def _happens(self, kind: FaultKind, where: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.kind is kind and fault.where in where and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None
