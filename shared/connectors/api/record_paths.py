"""The records in an answer: where a stream's settings say."""

from typing import Any

from shared.connectors.api.stream_config import StreamConfig
from shared.connectors.json_http.answers import Record, is_object, matches
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError


def records_of(stream: StreamConfig, body: Any) -> list[Record]:
    """Return the records of an answer.

    Single ones that are no objects are left to who rejects them. Raises `PermanentError` if there
    is nothing where the stream's `record_path` says, or no object among what is there; null and an
    empty list are no records.
    """
    if body is None:
        return []
    if stream.record_path is None and not isinstance(body, list):
        raise _misfit(stream, "answers with no list: say in record_path where its records are")
    found = matches(stream.record_path or "$", body)
    if not found and _is_definite(stream.record_path or "$"):
        raise _misfit(
            stream,
            f"answers with nothing at {stream.record_path}: correct record_path",
        )
    records: list[Any] = []
    for match in found:
        if isinstance(match, list):
            records += match
        elif match is not None:
            records.append(match)
    if records and not any(map(is_object, records)):
        where = stream.record_path or "the top of its answer"
        raise _misfit(stream, f"has records at {where} that are no objects: correct record_path")
    return records


def _is_definite(path: str) -> bool:
    """Tell whether a path leads to one place, so that nothing there means that it is wrong."""
    return not any(sign in path for sign in ("*", "?", ".."))


def _misfit(stream: StreamConfig, what: str) -> PermanentError:
    return PermanentError(f"{stream.name} {what}.", code=Reason.CONFIGURATION, fault=Fault.SCHEMA)
