"""What the audit log keeps of a change: who, from where, what, and how it was before and after."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

MASK = "(secret)"
LEFT_OUT = "(too large)"
MOST_TEXT = 2_000
"""How much of one text is kept; the log shows changes, it is no copy of the database."""
MOST_BYTES = 64 * 1024
"""How much of an object is kept, as JSON."""

_SECRET_ENDINGS = (
    "accesskey",
    "accountkey",
    "apikey",
    "ciphertext",
    "connectionstring",
    "cookie",
    "credential",
    "encryptionkey",
    "masterkey",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "secrethash",
    "secretkey",
    "sharedkey",
    "signingkey",
    "sslkey",
    "tlskey",
    "token",
)
"""How names of secrets end in small letters and digits alone, so that `apiKey`, `X-Api-Key` and
`api_key` are one. A key of any other kind (`primary_key`, `cursor_key`, `key`) may be seen."""
_SECRET_WORDS = frozenset({"authorization", "dsn"})
"""Secrets if they are the last word of a name: other words end as they do."""
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_UNTOLD = frozenset({"updated_at"})
"""Fields that change with every other."""


class ActorKind(StrEnum):
    """What kind of caller acted."""

    API_KEY = "api_key"
    MEMBER = "member"
    OPERATOR = "operator"
    """Somebody with access to the database, by a command of `infra/operate`."""


class Outcome(StrEnum):
    """What became of what was asked for."""

    DONE = "done"
    REFUSED = "refused"


class ObjectKind(StrEnum):
    """What was changed."""

    API_KEY = "api_key"
    BLACKOUT_WINDOW = "blackout_window"
    CONNECTOR = "connector"
    DATASET_READER = "dataset_reader"
    MEMBER = "member"
    REPORT = "report"
    RUN = "run"
    SCHEDULE = "schedule"
    WATERMARK = "watermark"
    WEBHOOK_ENDPOINT = "webhook_endpoint"
    WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class Origin:
    """From where a request came, and by which id both sides know it."""

    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the kind of caller, its public id if it has one, and the name that people know."""

    kind: ActorKind
    name: str
    id: UUID | None = None
    origin: Origin = Origin()


OPERATOR = Actor(ActorKind.OPERATOR, "operator")
"""An operator of whom no name is known."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change, made or refused.

    `action` is the id of the operation of the API that does it, such as `pause_schedule`, or one
    like it where there is none. `before` and `after` are fields of the object as the API shows
    them; `code` says why it was refused.
    """

    action: str
    kind: ObjectKind
    id: UUID | None = None
    name: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    code: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Return what became of it."""
        return Outcome.DONE if self.code is None else Outcome.REFUSED

    @property
    def is_none(self) -> bool:
        """Tell whether nothing was changed, so that there is nothing to keep."""
        if self.before is None or self.after is None:
            return False
        return self.code is None and not _differing(self.before, self.after)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries of a workspace are meant; None leaves the question open."""

    action: str | None = None
    kind: ObjectKind | None = None
    object_id: UUID | None = None
    actor_id: UUID | None = None
    outcome: Outcome | None = None
    since: datetime | None = None
    """The first instant at which they were written."""
    until: datetime | None = None
    """The instant before which they were written."""


def differences(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return what the log keeps of an object before and after a change, without secrets.

    Of a change that is neither a creation nor a deletion, only the fields that differ, also of
    objects within the object.
    """
    if before is None or after is None:
        return _told(before), _told(after)
    return _told(_only(before, after)), _told(_only(after, before))


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {name for name in {*before, *after} - _UNTOLD if before.get(name) != after.get(name)}


def _only(fields: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the fields that another object has not, or has with another value."""
    names = _differing(fields, other)
    return {name: _part(value, other.get(name)) for name, value in fields.items() if name in names}


def _part(value: object, other: object) -> object:
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return _only(cast("Mapping[str, Any]", value), cast("Mapping[str, Any]", other))
    return value


def _told(fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if fields is None:
        return None
    told = _within({name: _field(name, value) for name, value in fields.items()}, MOST_BYTES)
    for name in sorted(told, key=lambda name: -_size(told[name])):
        if _size(told) <= MOST_BYTES:
            break
        told[name] = LEFT_OUT
    return told


def _within(fields: dict[str, Any], most: int) -> dict[str, Any]:
    """Return fields without the largest of their parts, as far as `most` bytes ask for it.

    What is short stays: nobody hides where a connector leads behind many streams.
    """
    kept = dict(fields)
    for name in sorted(kept, key=lambda name: -_size(kept[name])):
        excess = _size(kept) - most
        value = kept[name]
        size = _size(value)
        if excess <= 0 or size <= len(LEFT_OUT):
            break
        kept[name] = (
            _within(cast("dict[str, Any]", value), size - excess)
            if isinstance(value, dict)
            else LEFT_OUT
        )
    return kept


def _size(value: object) -> int:
    return len(json.dumps(value))


def without_secrets(value: object) -> object:
    """Return a value as JSON knows it, with whatever has a secret's name masked at any depth.

    Configs are stored without their secrets: this is for the day on which one is not.
    """
    match value:
        case Mapping():
            fields = cast("Mapping[object, object]", value)
            return {str(name): _field(str(name), one) for name, one in fields.items()}
        case list() | tuple() | set() | frozenset():
            return [without_secrets(one) for one in cast("list[object]", value)]
        case str():
            return value if len(value) <= MOST_TEXT else f"{value[:MOST_TEXT]}…"
        case None | bool() | int() | float():
            return value
        case _:
            return str(value)


def _field(name: str, value: object) -> object:
    return MASK if value is not None and _names_secret(name) else without_secrets(value)


def _names_secret(name: str) -> bool:
    words = _WORD.findall(name)
    if words and words[-1].lower() in _SECRET_WORDS:
        return True
    return "".join(words).lower().endswith(_SECRET_ENDINGS)
