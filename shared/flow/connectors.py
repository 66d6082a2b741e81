"""Connectors are made and changed: the config fits its type, and its secrets are sealed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

from pydantic import ValidationError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from shared.connectors.registry import connector_type, slugs
from shared.connectors.secrets import left_out_of, split_secrets, with_secrets
from shared.domain.access import Principal
from shared.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    Problem,
)
from shared.flow.audit import append_change, connector_change
from shared.flow.availability import set_status
from shared.flow.premises import Premise, any_state
from shared.flow.references import require_referred
from shared.flow.schedules import Planner, enqueue_planned
from shared.flow.sources import secrets_of, type_of
from shared.flow.trigger import RunActiveError
from shared.gcp.sealing import SealedSecrets, WrappingKey, seal
from shared.store.connectors import (
    delete_credential,
    find_connector,
    insert_connector,
    insert_credential,
    lock_connector,
    replace_credential,
    update_connector,
)
from shared.store.engine import single_statements
from shared.store.oauth_states import delete_states
from shared.store.rows import Row
from shared.store.sources import find_source
from shared.store.streams import delete_streams
from shared.store.ticks import as_of
from shared.store.violations import violation_of
from shared.store.watermarks import delete_watermarks, find_reading_run
from shared.store.workspaces import lock_workspace

Written = TypeVar("Written")
_STREAMS = "streams"
"""The one part of a config that may change without its secrets being given again."""


def create_connector(
    engine: Engine,
    principal: Principal,
    key: WrappingKey | None,
    *,
    slug: str,
    name: str,
    config: Mapping[str, object],
    public_id: UUID | None = None,
) -> Row:
    """Create a connector whose config fits its type, with its secrets sealed.

    One that a person has to authorize waits for that. Given a `public_id` that it has already, it
    was created before and is returned.

    Raises `InvalidInputError` naming each field that does not fit, `ConflictError` for a name
    that the workspace uses already or for what was made and deleted (connector_deleted), and what
    `seal` raises.
    """
    plain, secret = _validated(slug, config)
    require_referred(engine, principal, slug, plain)
    made, public_id = public_id, public_id or uuid4()
    # Before the transaction: the key may be a service's.
    sealed = _sealed(key, secret, principal.workspace_id, public_id)
    values = {
        "public_id": public_id,
        "workspace_id": principal.workspace_id,
        "connector_type": slug,
        "name": name,
        "config": plain,
        "secret_pointers": sorted(secret),
        "status": "pending_authorization" if _needs_grant(slug, plain) else "connected",
    }

    def insert() -> Row:
        with engine.begin() as connection:
            before = made and find_connector(connection, principal.workspace_id, made)
            if before:
                return before
            row = insert_connector(connection, values)
            if sealed is not None:
                insert_credential(connection, principal.workspace_id, row["id"], **asdict(sealed))
            append_change(connection, principal, connector_change("create_connector", None, row))
            return row

    return _with_its_name(name, insert)


def change_connector(
    planner: Planner,
    principal: Principal,
    key: WrappingKey | None,
    connector: UUID,
    *,
    name: str | None = None,
    config: Mapping[str, object] | None = None,
    premise: Premise = any_state,
    now: datetime | None = None,
) -> Row:
    """Give a connector another name or config; None leaves it.

    A config is taken as a whole, but for the secrets that it leaves out: those stay, as long as
    nothing but the streams differs from before. Otherwise whoever may edit a connector could have
    its password sent to a server of their own. A run in progress ends its slice with the config
    that it has. Streams of which something else is read from now on are read anew: their watermarks
    say nothing about it. For the same reason as its secrets, a connector that a person authorized
    keeps its grant only while nothing but the streams differs; otherwise it waits for another. One
    that need not wait any more is planned from now on, without a backlog.

    Raises as `create_connector` and `premise`, `NotFoundError`, `RunActiveError` if a watermark has
    to go while a run reads, and `ConflictError` if somebody else changes the connector at the same
    time.
    """
    changes: dict[str, Any] = {} if name is None else {"name": name}
    edit = None
    if config is not None:
        edit = _edit(_source(planner.engine, principal, connector), key, config)
        slug = edit.source["connector_type"]
        require_referred(planner.engine, principal, slug, edit.plain, itself=connector)
        changes |= {"config": edit.plain, "secret_pointers": sorted(edit.secrets)}

    def change() -> tuple[Row, int, datetime]:
        with planner.engine.begin() as connection:
            lock_workspace(connection, principal.workspace_id)
            row = lock_connector(connection, principal.workspace_id, connector)
            if row is None:
                raise NotFoundError("There is no such connector.")
            premise(row)
            before, has_new_secrets = row, False
            at = as_of(connection, now)
            if edit is not None:
                _require_unchanged(connection, principal, connector, edit)
                _forget_watermarks(connection, row["id"], edit.source, edit.plain)
            if changes:
                is_elsewhere = edit is not None and edit.is_elsewhere
                row = update_connector(connection, row["id"], changes, is_elsewhere=is_elsewhere)
            planned = 0
            if edit is not None and edit.is_elsewhere:
                _replace_secrets(connection, row, principal, edit)
                row, planned = _with_status(connection, planner, row, _status_after(row, edit), at)
                has_new_secrets = edit.sealed is not None
            append_change(
                connection,
                principal,
                connector_change("change_connector", before, row, has_new_secrets=has_new_secrets),
            )
            return row, planned, at

    row, planned, at = _with_its_name(name, change)
    enqueue_planned(planner, principal, planned, at)
    return row


@dataclass(frozen=True, slots=True)
class _Edit:
    """A new config: what it is made of, and whether its secrets and its grant are new as well."""

    source: Row
    plain: Mapping[str, object]
    secrets: Mapping[str, str] = field(repr=False)
    sealed: SealedSecrets | None
    is_elsewhere: bool
    """More than streams differs from before."""


def _edit(source: Row, key: WrappingKey | None, config: Mapping[str, object]) -> _Edit:
    plain, secrets = _changed(source, key, config)
    is_elsewhere = _but_streams(plain) != _but_streams(source["config"])
    is_elsewhere = is_elsewhere or not _are_known(source, key, secrets)
    owner = source["workspace_id"], source["connector_public_id"]
    sealed = _sealed(key, secrets, *owner) if is_elsewhere else None
    return _Edit(source, plain, secrets, sealed, is_elsewhere)


def _are_known(source: Row, key: WrappingKey | None, secrets: Mapping[str, str]) -> bool:
    try:
        return secrets_of(source, key) == secrets
    except PermanentError:
        return False  # those that do not open are entered again


def _status_after(row: Row, edit: _Edit) -> str:
    """Return the status of a connector whose grant, if it had one, does not fit it any more."""
    if row["status"] == "disabled":
        return "disabled"
    is_waiting = _needs_grant(row["connector_type"], edit.plain)
    return "pending_authorization" if is_waiting else "connected"


def _with_status(
    connection: Connection, planner: Planner, row: Row, status: str, now: datetime
) -> tuple[Row, int]:
    if status == row["status"]:
        return row, 0
    return set_status(
        connection, row["id"], status, now=now, look_ahead=planner.look_ahead, is_counted=True
    )


def _replace_secrets(connection: Connection, row: Row, principal: Principal, edit: _Edit) -> None:
    delete_states(connection, row["id"])
    if edit.sealed is None:
        delete_credential(connection, row["id"])
        return
    replace_credential(connection, principal.workspace_id, row["id"], **asdict(edit.sealed))


def _needs_grant(slug: str, plain: Mapping[str, object]) -> bool:
    return connector_type(slug).config_model.needs_grant(plain)


def _require_unchanged(
    connection: Connection, principal: Principal, connector: UUID, edit: _Edit
) -> None:
    """Raise `ConflictError` if what a change was made of is not what is stored.

    Tokens that are renewed at the same time do not matter where the secrets stay.
    """
    now = find_source(connection, principal.workspace_id, connector)
    is_same = now is not None and now["config"] == edit.source["config"]
    if is_same and edit.is_elsewhere:
        is_same = now is not None and now["nonce"] == edit.source["nonce"]
    if not is_same:
        raise ConflictError(
            "Somebody else changed this connector at the same time: read it and try again.",
            code="changed_meanwhile",
        )


def _forget_watermarks(
    connection: Connection, connector_id: int, source: Row, plain: Mapping[str, object]
) -> None:
    model = type_of(source).config_model
    before, after = model.streams_of(source["config"]), model.streams_of(plain)
    is_elsewhere = _but_streams(source["config"]) != _but_streams(plain)
    stale = [name for name, stream in before.items() if is_elsewhere or after.get(name) != stream]
    forgotten = delete_watermarks(connection, connector_id, stale)
    # What they brought stays in the dataset; that they failed says nothing any more.
    forgotten += delete_streams(
        connection, connector_id, [name for name in before if name not in after]
    )
    if forgotten:
        run = find_reading_run(connection, connector_id)
        if run is not None:  # it would write its own again
            raise RunActiveError(run)


def _source(engine: Engine, principal: Principal, connector: UUID) -> Row:
    with single_statements(engine) as connection:
        row = find_source(connection, principal.workspace_id, connector)
    if row is None:
        raise NotFoundError("There is no such connector.")
    return row


def _changed(
    row: Row, key: WrappingKey | None, config: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, str]]:
    """Return the new config and its secrets, with those that it keeps of the old one."""
    slug = row["connector_type"]
    left_out = left_out_of(config, row["secret_pointers"])
    if not left_out:
        return _validated(slug, config)
    before = secrets_of(row, key)
    try:
        plain, secret = _validated(slug, with_secrets(config, before, left_out))
    except InvalidInputError as error:
        # It may be of another kind, which has no place for them.
        try:
            return _validated(slug, config)
        except InvalidInputError:
            raise error from None
    kept = [pointer for pointer in left_out if pointer in secret]
    if kept and _but_streams(plain) != _but_streams(row["config"]):
        raise InvalidInputError(
            *(
                Problem(
                    field=f"config{pointer.replace('/', '.')}",
                    code="secret_needed",
                    reason="it is kept only while nothing but the streams changes",
                    hint="give it again together with the other settings",
                )
                for pointer in kept
            )
        )
    return plain, secret


def _but_streams(config: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in config.items() if name != _STREAMS}


def _with_its_name(name: str | None, write: Callable[[], Written]) -> Written:
    try:
        return write()
    except IntegrityError as error:
        if violation_of(error).constraint == "one_connector_per_name":
            raise ConflictError(
                f"This workspace has a connector named {name!r} already.", code="name_taken"
            ) from error
        if violation_of(error).constraint == "workspace_connector_public_id_key":
            raise ConflictError(
                "This request made a connector already, which was deleted since: send it under"
                " another Idempotency-Key to make one anew.",
                code="connector_deleted",
            ) from error
        raise


def _sealed(
    key: WrappingKey | None, secrets: Mapping[str, str], workspace_id: int, connector: UUID
) -> SealedSecrets | None:
    if not secrets:
        return None
    if key is None:
        raise ConfigurationError(
            "Set SYNCLINE_KMS_KEY or SYNCLINE_KEY_FILE: there is no key to seal secrets with."
        )
    return seal(key, secrets, workspace_id, connector)


def _validated(slug: str, config: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str]]:
    if slug not in slugs():
        raise InvalidInputError(
            Problem(
                "type",
                "unknown_connector_type",
                f"there is no connector type {slug!r}",
                f"use one of {', '.join(slugs())}",
            )
        )
    try:
        return split_secrets(connector_type(slug).config_model.model_validate(config))
    except ValidationError as error:
        raise InvalidInputError(
            *(
                Problem(
                    field=".".join(["config", *_path(config, problem["loc"])]),
                    code=f"connector_{problem['type']}",
                    # pydantic puts this before the sentences that are our own.
                    reason=problem["msg"].removeprefix("Value error, "),
                )
                # `input` is left out: it may be a secret that stands in the wrong field.
                for problem in error.errors(include_input=False, include_url=False)
            )
        ) from None


def _path(config: Mapping[str, object], tokens: Sequence[str | int]) -> list[str]:
    """Return where in the config a problem is.

    pydantic names the kind of an object that may be of several too, which is no place in it.
    """
    path: list[str] = []
    place: object = config
    for token in tokens:
        if isinstance(place, Mapping):
            fields = cast("Mapping[object, object]", place)
            if token not in fields and token in fields.values():
                continue
            place = fields.get(token)
        elif isinstance(place, list) and isinstance(token, int):
            place = cast("list[object]", place)[token]
        path.append(str(token))
    return path
