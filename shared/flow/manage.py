"""What people and programs set up: workspaces, API keys, connectors and schedules."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from shared.connectors.registry import connector_type, slugs
from shared.connectors.secrets import split_secrets
from shared.domain.access import Principal, Role
from shared.domain.api_keys import ApiKey
from shared.domain.local_time import load_zone
from shared.domain.recurrence import require_minimum_interval
from shared.domain.schedule import RecurrenceFields, build_recurrence, parse_frequency
from shared.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    Problem,
)
from shared.gcp.sealing import LocalKey, seal
from shared.store.connectors import find_connector, insert_connector, insert_credential
from shared.store.rows import Row
from shared.store.schedules import find_schedule, insert_schedule
from shared.store.ticks import as_of
from shared.store.violations import violation_of
from shared.store.workspaces import insert_api_key, insert_workspace

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_PREFIX_BYTES = 6
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """What a person asked for; None in `timezone` means the workspace's own."""

    connector: UUID
    name: str
    description: str | None
    frequency: str
    timezone: str | None
    preferred_time: str | None
    preferred_day_of_week: str | None
    preferred_day_of_month: int | None
    cron_expression: str | None
    is_enabled: bool
    overlap_policy: str
    missed_run_policy: str
    catch_up_window: timedelta
    spread: timedelta


def create_workspace(engine: Engine, *, slug: str, name: str, timezone: str) -> int:
    """Create a workspace and return its internal key; `ConflictError` if the slug is taken."""
    load_zone(timezone)
    if not _SLUG.fullmatch(slug):
        raise InvalidInputError(
            Problem("slug", "slug_form", f"{slug[:80]!r} is not a slug", "Use a-z, 0-9 and -.")
        )
    try:
        with engine.begin() as connection:
            return insert_workspace(connection, {"slug": slug, "name": name, "timezone": timezone})
    except IntegrityError as error:
        raise ConflictError(f"There is a workspace {slug!r} already.", code="slug_taken") from error


def create_api_key(
    engine: Engine, workspace_id: int, *, name: str, role: Role, expires_at: datetime | None = None
) -> str:
    """Create a key for a workspace and return its text, which nobody can read again."""
    key = ApiKey(secrets.token_hex(_PREFIX_BYTES), secrets.token_hex(_SECRET_BYTES))
    with engine.begin() as connection:
        insert_api_key(connection, workspace_id, key, name=name, role=role, expires_at=expires_at)
    return key.text


def create_connector(
    engine: Engine,
    principal: Principal,
    key: LocalKey | None,
    *,
    slug: str,
    name: str,
    config: Mapping[str, object],
) -> Row:
    """Create a connector whose config fits its type, with its secrets sealed.

    Raises `InvalidInputError` naming each field that does not fit, `ConflictError` for a name
    that the workspace uses already.
    """
    plain, secret = _validated(slug, config)
    if secret and key is None:
        raise ConfigurationError("Set SYNCLINE_KEY_FILE: there is no key to seal secrets with.")
    try:
        with engine.begin() as connection:
            public_id = uuid4()
            row = insert_connector(
                connection,
                {
                    "public_id": public_id,
                    "workspace_id": principal.workspace_id,
                    "connector_type": slug,
                    "name": name,
                    "config": plain,
                },
            )
            if secret and key is not None:
                sealed = seal(key, secret, principal.workspace_id, public_id)
                insert_credential(
                    connection,
                    principal.workspace_id,
                    row["id"],
                    ciphertext=sealed.ciphertext,
                    nonce=sealed.nonce,
                    wrapped_key=sealed.wrapped_key,
                    key_version=sealed.key_version,
                )
            return row
    except IntegrityError as error:
        if violation_of(error).constraint == "one_connector_per_name":
            raise ConflictError(
                f"This workspace has a connector named {name!r} already.", code="name_taken"
            ) from error
        raise


def create_schedule(engine: Engine, principal: Principal, wanted: NewSchedule) -> Row:
    """Create the schedule of a connector; its first period is the next one after now.

    Raises `RecurrenceError` for a recurrence that cannot be, `NotFoundError` for a connector that
    is not there, `ConflictError` (one_schedule_per_integration) if it has a schedule already.
    """
    try:
        with engine.begin() as connection:
            connector = find_connector(connection, principal.workspace_id, wanted.connector)
            if connector is None:
                raise NotFoundError("There is no such connector.", code="foreign_key_integrity")
            values = _schedule_values(connection, principal, wanted)
            insert_schedule(connection, {**values, "connector_id": connector["id"]})
            row = find_schedule(connection, principal.workspace_id, values["public_id"])
    except IntegrityError as error:
        if violation_of(error).constraint == "one_schedule_per_integration":
            raise ConflictError(
                "This connector has a schedule already; each has exactly one.",
                code="one_schedule_per_integration",
            ) from error
        raise
    if row is None:
        raise NotFoundError("The schedule was deleted at once.")
    return row


def _schedule_values(
    connection: Connection, principal: Principal, wanted: NewSchedule
) -> dict[str, Any]:
    timezone = wanted.timezone or principal.workspace_timezone
    load_zone(timezone)
    now = as_of(connection, None)
    fields = RecurrenceFields(
        frequency=parse_frequency(wanted.frequency),
        timezone=timezone,
        preferred_time=wanted.preferred_time,
        preferred_day_of_week=wanted.preferred_day_of_week,
        preferred_day_of_month=wanted.preferred_day_of_month,
        cron_expression=wanted.cron_expression,
    )
    recurrence = build_recurrence(fields)
    planned_through = next_scheduled_at = None
    if recurrence is not None:
        minimum = timedelta(seconds=principal.minimum_interval_seconds)
        require_minimum_interval(recurrence, minimum, now)
        if wanted.is_enabled:
            planned_through, next_scheduled_at = now, recurrence.next_after(now)
    return {
        "public_id": uuid4(),
        "workspace_id": principal.workspace_id,
        "name": wanted.name,
        "description": wanted.description,
        "frequency": wanted.frequency,
        "preferred_time": wanted.preferred_time,
        "preferred_day_of_week": wanted.preferred_day_of_week,
        "preferred_day_of_month": wanted.preferred_day_of_month,
        "cron_expression": wanted.cron_expression,
        "timezone": timezone,
        "is_enabled": wanted.is_enabled,
        "overlap_policy": wanted.overlap_policy,
        "missed_run_policy": wanted.missed_run_policy,
        "catch_up_window_seconds": int(wanted.catch_up_window.total_seconds()),
        "spread_seconds": int(wanted.spread.total_seconds()),
        "planned_through": planned_through,
        "next_scheduled_at": next_scheduled_at,
    }


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
                    field=".".join(["config", *map(str, problem["loc"])]),
                    code=f"connector_{problem['type']}",
                    reason=problem["msg"],
                )
                # `input` is left out: it may be a secret that stands in the wrong field.
                for problem in error.errors(include_input=False, include_url=False)
            )
        ) from None
