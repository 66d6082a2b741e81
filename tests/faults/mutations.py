"""How a mutant changes the code of the process that it is called in, or the SQL of the product."""

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from shared.store.sql import load_sql

Patch = Callable[[object, str, object], None]
"""Sets an attribute of a module or a class."""


def name_of(mutate: Callable[[Patch], None]) -> str:
    """Return what `Plan.mutants` needs of a function that changes the code of a process."""
    return f"{mutate.__module__}:{mutate.__name__}"


def change_sql(
    patch: Patch, module: Any, statement: str, pattern: str, replacement: str = ""
) -> None:
    """Let a module of the store load a statement in which a part is replaced."""
    load = module.load_sql
    changed = text(replaced(load_sql(statement).text, pattern, replacement))
    patch(module, "load_sql", lambda name: changed if name == statement else load(name))


def replaced(sql: str, pattern: str, replacement: str = "") -> str:
    """Replace the one place; a mutant that changes nothing would prove nothing."""
    changed, count = re.subn(pattern, replacement, sql, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{pattern} is there {count} times")
    return changed
