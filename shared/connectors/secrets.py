"""Take the secrets out of a connector's config, at any depth, and put them back.

A secret is a `SecretStr`. It is stored sealed, under the JSON pointer (RFC 6901) of its place in
the config, and never shown again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, ValidationError

from shared.errors import PermanentError

Config = TypeVar("Config", bound=BaseModel)
_Path = tuple[str | int, ...]


def split_secrets(config: BaseModel) -> tuple[dict[str, object], dict[str, str]]:
    """Return a config as plain JSON values without its secrets, and {pointer: secret}.

    Of an object a secret is left out; in a list null keeps its place, so that the others keep
    theirs. Raises `TypeError` for a model with secrets that have no place in JSON to come back to.
    """
    plain = config.model_dump(mode="json", by_alias=True, round_trip=True)
    secrets: dict[str, str] = {}
    for path, secret in _secrets_in(config.model_dump(by_alias=True, round_trip=True), ()):
        _change(plain, path, _take_out)
        secrets[_pointer(path)] = secret.get_secret_value()
    return plain, secrets


def join_secrets(
    model: type[Config], plain: Mapping[str, object], secrets: Mapping[str, str]
) -> Config:
    """Return the config with its secrets; raise `PermanentError` if it no longer fits the type.

    A name that is no pointer is a field of the config: so secrets were stored at first.
    """
    config = deepcopy(dict(plain))
    lost = [pointer for pointer, secret in secrets.items() if not _put(config, pointer, secret)]
    if lost:
        raise _unfit(lost)
    try:
        return model.model_validate(config)
    except ValidationError as error:
        places = (_pointer(problem["loc"]) for problem in error.errors(include_input=False))
        raise _unfit(places) from None


def left_out_of(config: Mapping[str, object], pointers: Iterable[str]) -> list[str]:
    """Return those of the pointers that a config says nothing about, not even null."""
    return [pointer for pointer in pointers if not _says(config, _path(pointer))]


def with_secrets(
    config: Mapping[str, object], secrets: Mapping[str, str], pointers: Iterable[str]
) -> dict[str, object]:
    """Return a config with those of the secrets that the pointers name and that have a place."""
    filled = deepcopy(dict(config))
    for pointer in pointers:
        _put(filled, pointer, secrets[pointer])
    return filled


def _says(value: Any, path: _Path) -> bool:
    for key in path:
        match value:
            case Mapping() if key in value:
                value = value[key]
            case list() if str(key).isdecimal() and int(key) < len(value):
                value = value[int(key)]
            case _:
                return False
    return True


def _unfit(pointers: Iterator[str] | list[str]) -> PermanentError:
    listed = ", ".join(sorted(set(pointers)))
    return PermanentError(f"The connector's settings no longer fit its type: {listed}. Edit them.")


def _secrets_in(value: object, path: _Path) -> Iterator[tuple[_Path, SecretStr]]:
    match value:
        case SecretStr():
            yield path, value
        case Mapping():
            for name, one in value.items():
                yield from _secrets_in(one, (*path, str(name)))
        case list() | tuple():
            for index, one in enumerate(value):
                yield from _secrets_in(one, (*path, index))
        case SecretBytes() | Secret():
            raise TypeError(f"{_pointer(path)} is a secret and no text: declare it as SecretStr.")
        case set() | frozenset():
            if any(True for one in value for _ in _secrets_in(one, path)):
                raise TypeError(f"{_pointer(path)} is a set of secrets: use a list.")
        case _:
            return


def _put(config: object, pointer: str, secret: str) -> bool:
    """Put a secret where its pointer says; return whether there is such a place."""

    def put(parent: Any, key: Any) -> None:
        parent[key] = secret

    try:
        _change(config, _path(pointer), put)
    except (LookupError, TypeError, ValueError):
        return False
    return True


def _take_out(parent: Any, key: Any) -> None:
    if isinstance(parent, list):
        parent[key] = None
    else:
        del parent[key]


def _change(value: Any, path: _Path, change: Callable[[Any, Any], None]) -> None:
    *outer, last = path
    for key in outer:
        value = value[int(key)] if isinstance(value, list) else value[key]
    change(value, int(last) if isinstance(value, list) else last)


def _path(pointer: str) -> _Path:
    start, *tokens = pointer.split("/")
    if start:
        return (pointer,)
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)


def _pointer(path: _Path) -> str:
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in path)
