"""Patterns of paths: `*` and `?` and `[…]` within a part of a path, `**` for any parts or none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property

_ANY = "**"
_SIGNS = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Glob:
    """One pattern, relative to the place that the connector's URL names. Case counts.

    A path is matched part by part, so that no pattern takes longer than its parts times the path's:
    `fnmatch` makes of each part an expression that does not go back.
    """

    pattern: str

    @cached_property
    def _parts(self) -> Sequence[re.Pattern[str] | None]:
        parts = self.pattern.split("/")
        return [None if part == _ANY else re.compile(translate(part)) for part in parts]

    @property
    def prefix(self) -> str:
        """Return how every path that matches begins, to list no others."""
        found = _SIGNS.search(self.pattern)
        return self.pattern if found is None else self.pattern[: found.start()]

    def matches(self, path: str) -> bool:
        """Tell whether a path fits, from its beginning to its end."""
        # After each part of the path: how many parts of the pattern may be done with.
        reached = self._passed({0})
        for name in path.split("/"):
            after: set[int] = set()
            for done in reached:
                if done < len(self._parts):
                    part = self._parts[done]
                    if part is None:
                        after.add(done)
                    elif part.match(name):
                        after.add(done + 1)
            reached = self._passed(after)
        return len(self._parts) in reached

    def _passed(self, reached: set[int]) -> set[int]:
        """Return the same with what is reached by letting `**` stand for nothing."""
        for done, part in enumerate(self._parts):
            if part is None and done in reached:
                reached.add(done + 1)
        return reached


def check_pattern(pattern: str) -> str:
    """Return a pattern; raise `ValueError` with what is wrong with it."""
    if not pattern.isprintable() or pattern.startswith("/"):
        raise ValueError("write it relative to the url, such as orders/*.csv")
    parts = pattern.split("/")
    if {"", ".", ".."} & set(parts):
        raise ValueError("leave out . and .. and empty parts of the path")
    if any(_ANY in part and part != _ANY for part in parts):
        raise ValueError("** stands for whole parts of a path: write orders/**/*.csv")
    return pattern


def common_prefix(prefixes: Sequence[str]) -> str:
    """Return how all of these begin."""
    first, last = min(prefixes), max(prefixes)
    same = (index for index, letter in enumerate(first) if last[index : index + 1] != letter)
    return first[: next(same, len(first))]
