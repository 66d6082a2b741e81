"""A database driver that learns once, before the forks, what it would else learn in each process.

What it does for each connection and each statement takes as long as all the rest of a short run.
"""

import ssl
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pg8000 import legacy

from tests.faults.mutations import Patch


def learn_once(patch: Patch) -> None:
    """Let the driver keep the machine's certificates, and the form of each statement it has sent.

    `patch` sets an attribute of a module.
    """
    patch(ssl, "create_default_context", cache(ssl.create_default_context))
    convert: Callable[[str, str, Sequence[Any]], tuple[str, Sequence[Any]]]
    convert = legacy.convert_paramstyle

    @cache
    def converted(style: str, statement: str) -> str:
        # It goes through a statement letter by letter. Those of SQLAlchemy have nothing but `%s`,
        # whose places do not depend on the values.
        return convert(style, statement, ())[0]

    def convert_once(
        style: str, statement: str, values: Sequence[Any]
    ) -> tuple[str, Sequence[Any]]:
        return converted(style, statement), values

    patch(legacy, "convert_paramstyle", convert_once)
