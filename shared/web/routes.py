"""Routes below one path, each declared in one form."""

import re
from collections.abc import Callable
from inspect import getdoc
from typing import Literal

from flask import Blueprint

from shared.domain.audit import ObjectKind
from shared.errors import ConfigurationError
from shared.web.operations import Access, Answers, Operation, Takes, View
from shared.web.serving import serve

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_ID = re.compile(r"[a-z][a-z_]{2,62}")
_TAKES_NOTHING = Takes()


class Routes:
    """The routes of one kind of thing; `tag` is what the docs call the kind.

    `changes` is what all of them change that do not only read; the audit log keeps it. None is for
    routes that change nothing.
    """

    def __init__(
        self, name: str, prefix: str, *, tag: str, changes: ObjectKind | None = None
    ) -> None:
        self.blueprint = Blueprint(name, __name__, url_prefix=prefix or None)
        self._prefix = prefix
        self._tag = tag
        self._changes = changes

    def on(
        self,
        method: Method,
        path: str,
        operation_id: str,
        access: Access,
        answers: Answers,
        takes: Takes = _TAKES_NOTHING,
    ) -> Callable[[View], View]:
        """Let a view serve a path; its docstring is what the docs say of it.

        The view gets the parts of the path, and `body` and `query` where the route takes them.
        """

        def declare(view: View) -> View:
            summary, _, description = (getdoc(view) or "").partition("\n")
            if not _ID.fullmatch(operation_id) or not summary:
                raise ConfigurationError(
                    f"The route {method} {self._prefix}{path} has no proper id, or no docstring."
                )
            operation = Operation(
                id=operation_id,
                method=method,
                path=f"{self._prefix}{path}",
                tag=self._tag,
                summary=summary.rstrip("."),
                description=" ".join(description.split()),
                access=access,
                takes=takes,
                answers=answers,
                changes=None if method == "GET" else self._changes,
            )
            served = serve(operation, view)
            self.blueprint.add_url_rule(path, view.__name__, served, methods=[method])
            return view

        return declare
