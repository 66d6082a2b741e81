"""The chain of an exported audit log: whether its lines are what was written, and all that was."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from shared.errors import SynclineError

_ACTOR = ("kind", "id", "name", "address", "request_id")
_OBJECT = ("kind", "id", "name")
_OTHERS = ("outcome", "code", "before", "after")
_MOST_OPEN = 1_000
"""How many stretches may wait for what is between them. Entries come by their time, which is the
order of their numbers but where the database's clock was set back."""


class BrokenExportError(SynclineError):
    """An export is not what was written; the sentence says where, and quotes nothing of it."""

    code = "broken"


@dataclass(frozen=True, slots=True)
class Link:
    """An entry's number and hash. The first follows on number 0, which has an empty one."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """Entries that follow on one another: how many, on which the first follows, and the last.

    `noted` is the hash of the entry that was asked for: of one of them, or on which they follow.
    """

    entries: int
    before: Link
    end: Link
    noted: bytes | None


@dataclass(frozen=True, slots=True)
class _Entry:
    workspace: int
    at: datetime
    own: Link
    before: Link


@dataclass(slots=True)
class _Chain:
    """What was read so far: hashes by number."""

    noted: int | None
    hash_of_noted: bytes | None = None
    entries: int = 0
    last: _Entry | None = None
    ends: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """Of entries on which none follows that was read."""
    wanted: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """Of entries that were not read, and on which one follows that was."""

    def add(self, entry: _Entry) -> bool:
        """Put an entry where it belongs; tell whether it fits."""
        own, before = entry.own, entry.before
        self.entries, self.last = self.entries + 1, entry
        for link in (own, before):
            if link.number == self.noted:
                self.hash_of_noted = link.hash
        is_new = own.number not in self.ends
        follower_wants = self.wanted.pop(own.number, None)
        if follower_wants is None:
            self.ends[own.number] = own.hash
        found = self.ends.pop(before.number, None)
        if found is None:
            self.wanted[before.number] = before.hash
        is_first = before.number == 0
        return (
            is_new
            and follower_wants in (None, own.hash)
            and found in (None, before.hash)
            and is_first == (not before.hash)
        )


def follow_export(lines: Iterable[str], *, noted: int | None = None) -> Stretch | None:
    """Follow the lines of an export of a whole log, or of what was written within a time.

    Returns None for an export without entries, else where they begin and end, with the hash of the
    entry of the number `noted`. Takes constant memory. Raises `BrokenExportError` if a line was
    changed, taken out, put in, repeated or moved, or was left out by a filter.
    """
    chain, is_whole = _Chain(noted), False
    for number, line in enumerate(lines, 1):
        told = _parse(number, line)
        if is_whole:
            raise _broken(number, "follows on the last one")
        if "complete" not in told:
            _follow(chain, number, _entry(number, told))
        elif _is_same(told, {"complete": True, "entries": chain.entries}):
            is_whole = True
        else:
            raise _broken(number, "counts other entries than those before it")
    if not is_whole:
        raise BrokenExportError("the last line is missing: the export was cut off")
    return _stretch(chain)


def _follow(chain: _Chain, number: int, entry: _Entry) -> None:
    """Add an entry, or raise `BrokenExportError` if it cannot be where it is."""
    last = chain.last or entry
    if entry.workspace != last.workspace:
        raise _broken(number, "is of another workspace")
    if chain.last and (entry.at, entry.own.number) >= (last.at, last.own.number):
        raise _broken(number, "was moved or is there twice: the newest entry comes first")
    if not chain.add(entry):
        raise _broken(number, "does not follow on the entry before it, or the next not on it")
    if len(chain.ends) > _MOST_OPEN:
        raise _gap(chain)


def _stretch(chain: _Chain) -> Stretch | None:
    if not chain.entries:
        return None
    if len(chain.ends) > 1:
        raise _gap(chain)
    [before], [end] = chain.wanted.items(), chain.ends.items()
    return Stretch(chain.entries, Link(*before), Link(*end), chain.hash_of_noted)


def _parse(number: int, line: str) -> Mapping[str, Any]:
    try:
        told = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise _broken(number, "is no JSON object")
    return cast("dict[str, Any]", told)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that is there twice: of its values, each reader would see another."""
    told = dict(pairs)
    if len(told) < len(pairs):
        raise ValueError("a name is there twice")
    return told


def _entry(number: int, told: Mapping[str, Any]) -> _Entry:
    """Return what a line says, if its hash is of it.

    `hashed` is the text of which it is; what people read beside it has to say the same.
    """
    try:
        hashed, own = told["hashed"], bytes.fromhex(told["hash"])
        previous = bytes.fromhex(told["previous_hash"])
        is_own = hashlib.sha256(previous + hashed.encode()).digest() == own
        workspace, seq, *shown, at = json.loads(hashed)
        written = datetime.strptime(f"{at}Z", "%Y-%m-%dT%H:%M:%S.%f%z")
        is_said = _is_same(told, _line(seq, shown, written, told))
        entry = _Entry(workspace, written, Link(seq, own), Link(seq - 1, previous))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise _broken(number, "is no entry of an export that can be verified") from None
    if not is_own or not is_said:
        raise _broken(number, "was changed: its hash is of something else")
    return entry


def _line(
    seq: int, shown: list[Any], written: datetime, told: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the line that says what was hashed, with the hashes and the text that it has."""
    actor, action, rest = shown[:5], shown[5], shown[6:]
    return {
        "number": seq,
        "at": written.isoformat().replace("+00:00", "Z"),
        "actor": dict(zip(_ACTOR, actor, strict=True)),
        "action": action,
        "object": dict(zip(_OBJECT, rest[:3], strict=True)),
        **dict(zip(_OTHERS, rest[3:], strict=True)),
        **{name: told[name] for name in ("previous_hash", "hash", "hashed")},
    }


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two values are one in JSON, where 1 is not true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _broken(number: int, sentence: str) -> BrokenExportError:
    return BrokenExportError(f"line {number} {sentence}")


def _gap(chain: _Chain) -> BrokenExportError:
    missing = sorted(chain.ends)[-2] + 1
    return BrokenExportError(f"entry {missing} is missing, or a filter left it out")
