"""Who calls the API, and what a call of theirs was answered."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from flask import Flask
from werkzeug.test import TestResponse

from shared.web.operations import Operation
from tests.isolation.cases import CANARY, Case, filled

_PART = re.compile(r"<(?:\w+:)?(\w+)>")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
PROBE = "probe"
"""What every call names itself: answers repeat it, and are the same for it."""

Ids = Mapping[str, str]
"""Ids of things, by the name that paths have for their kind."""


def parts_of(path: str) -> list[str]:
    """Return the names of a path's parameters."""
    return _PART.findall(path)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, with everything in it that could tell one thing from another."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, answer: TestResponse) -> Self:
        """Return what a response tells."""
        return cls(answer.status_code, tuple(sorted(answer.headers)), answer.data)

    def about(self, ids: Ids, others: Ids) -> "Told":
        """Return the same answer as if it had been about other ids."""

        def told(text: str) -> str:
            for name, one in ids.items():
                text = text.replace(one, others[name])
            return text

        headers = tuple((name, told(value)) for name, value in self.headers)
        return replace(self, headers=headers, body=told(self.body.decode()).encode())

    @property
    def text(self) -> str:
        """Return all of it as one text."""
        return f"{self.headers} {self.body.decode()}"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an API key, or without one."""

    app: Flask
    key: str | None

    def call(
        self, method: str, path: str, body: Any = None, query: Ids | None = None, **headers: str
    ) -> TestResponse:
        """Send a request; `headers` are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"X-Request-Id": PROBE}
        if self.key is not None:
            sent["Authorization"] = f"Bearer {self.key}"
        return self.app.test_client().open(
            path, method=method, json=body, query_string=query, headers=sent
        )

    def make(self, path: str, body: Any, method: str = "POST") -> dict[str, Any]:
        """Send a request that is carried out, and return what it made."""
        answer = self.call(method, f"/api/v2/{path}", body)
        assert answer.status_code in (200, 201, 202), answer.text
        return answer.json

    def tries(self, operation: Operation, case: Case, ids: Ids, **headers: str) -> Told:
        """Send the request of a case, with these ids in path, query and body."""
        answer = self.call(
            operation.method,
            _PART.sub(lambda part: ids[part[1]], operation.path),
            filled(case.body, ids),
            filled(case.query, ids),
            **headers,
        )
        return Told.of(answer)


def names_in(stored: str) -> set[str]:
    """Return what no stranger may hear of what is stored of Alice: ids, in both forms, and names.

    Her things have the canary in their names.
    """
    ids = set(_UUID.findall(stored))
    return {CANARY, *ids, *(one.replace("-", "") for one in ids)}
