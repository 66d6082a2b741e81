"""Secrets of endpoints: which of them a message may be signed with, and for how long."""

from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from os import urandom
from pathlib import Path

import pytest
from sqlalchemy import Engine

from shared.domain.hooks import HookScheme
from shared.flow.hooks import HookDesk, HookRefusedError, HookResult, receive_hook
from shared.flow.rekey import rekey
from shared.flow.webhook_endpoints import create_endpoint, rotate_endpoint
from shared.gcp.local_key import LocalKey
from shared.store.rows import Row
from tests.factories import Tenant
from tests.flow.hooking import (
    NOON,
    WINDOW,
    Source,
    make_source,
)

pytest_plugins = ("tests.flow.hook_fixtures",)
SECOND = timedelta(seconds=1)


def test_after_a_rotation_both_secrets_are_taken_until_the_overlap_ends(
    engine: Engine, tenant: Tenant, key: LocalKey, desk: HookDesk, source: Source
) -> None:
    overlap = timedelta(hours=24)
    made = rotate_endpoint(
        engine, tenant.principal, key, source.endpoint, overlap=overlap, now=NOON
    )
    newer = Source(source.endpoint, made.secret)

    assert source.reports(desk) is HookResult.ACCEPTED
    assert newer.reports(desk) is HookResult.ACCEPTED
    with pytest.raises(HookRefusedError):
        source.reports(desk, at=NOON + overlap, now=NOON + overlap)
    assert newer.reports(desk, at=NOON + overlap, now=NOON + overlap) is HookResult.ACCEPTED


def test_a_rotation_that_is_repeated_cuts_off_no_secret_that_may_be_in_use(
    engine: Engine, tenant: Tenant, key: LocalKey, desk: HookDesk, source: Source
) -> None:
    day = timedelta(days=1)
    rotated = [
        Source(
            source.endpoint,
            rotate_endpoint(
                engine, tenant.principal, key, source.endpoint, overlap=day, now=NOON + n * SECOND
            ).secret,
        )
        for n in range(3)
    ]

    # The one in the middle, which is neither the source's nor one of the last two, is dropped.
    with pytest.raises(HookRefusedError):
        rotated[0].reports(desk, now=NOON + WINDOW)
    for one in (source, rotated[1], rotated[2]):
        assert one.reports(desk, now=NOON + WINDOW) is HookResult.ACCEPTED
    # The oldest ends when it was to end, however often somebody rotates.
    with pytest.raises(HookRefusedError):
        source.reports(desk, at=NOON + day, now=NOON + day)
    assert rotated[1].reports(desk, at=NOON + day, now=NOON + day) is HookResult.ACCEPTED


def test_a_rotation_without_overlap_ends_every_secret_before_it(
    engine: Engine, tenant: Tenant, key: LocalKey, desk: HookDesk, source: Source
) -> None:
    day = timedelta(days=1)
    second, third = (
        Source(
            source.endpoint,
            rotate_endpoint(
                engine, tenant.principal, key, source.endpoint, overlap=overlap, now=NOON
            ).secret,
        )
        for overlap in (day, timedelta(0))
    )
    for one in (source, second):
        with pytest.raises(HookRefusedError):
            one.reports(desk)
    assert third.reports(desk) is HookResult.ACCEPTED


def test_a_shared_secret_is_looked_for_in_its_header(
    engine: Engine, tenant: Tenant, key: LocalKey, desk: HookDesk, schedule: Row
) -> None:
    made = create_endpoint(
        engine,
        tenant.principal,
        key,
        schedule["connector_public_id"],
        name="cannot sign",
        scheme=HookScheme.SHARED_SECRET,
        secret_header="x-token",
    )

    def send(headers: dict[str, str]) -> HookResult:
        endpoint = made.row["public_id"]
        return receive_hook(desk, endpoint, lambda n: headers.get(n, ""), b"{}", now=NOON).result

    assert send({"x-token": made.secret}) is HookResult.ACCEPTED
    for headers in ({}, {"x-token": "wrong"}, {"x-webhook-secret": made.secret}):
        with pytest.raises(HookRefusedError):
            send(headers)


def test_rekeying_seals_the_secrets_of_endpoints_too(
    engine: Engine, tenant: Tenant, desk: HookDesk, schedule: Row, tmp_path: Path, key: LocalKey
) -> None:
    source = make_source(engine, tenant, key, schedule)
    before = key.newest_version()
    path = tmp_path / "master.key"
    path.write_text(f"newer:{b64encode(urandom(32)).decode()}\n{path.read_text()}")
    rotated = LocalKey(str(path))

    first, again = rekey(engine, rotated), rekey(engine, rotated)

    assert (first.resealed, again.resealed, again.lagging) == (1, 0, 0)
    assert before not in again.seals
    newer = replace(desk, key=lambda: rotated)
    assert source.reports(newer) is HookResult.ACCEPTED
