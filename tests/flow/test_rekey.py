"""All secrets are sealed with the newest key, whatever happens in between; nothing else changes."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from infra.local.cloud_kms.running import running_cloud_kms
from shared.errors import PermanentError, TransientError
from shared.flow import rekey as rekey_flow
from shared.flow.connectors import create_connector
from shared.flow.rekey import rekey
from shared.gcp.kms import KmsKey
from shared.gcp.local_key import LocalKey
from shared.gcp.sealing import SealedSecrets, WrappedKey, WrappingKey, seal, unseal
from shared.store.rows import Row
from tests.contracts.kms import State, new_key, new_ring, rotate, set_state
from tests.factories import CONFIG, Tenant, make_tenant
from tests.gcp.keys import make_key, new_line

OLD, NEW = new_line("2026-01"), new_line("2026-02")


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


@pytest.fixture
def old(tmp_path: Path) -> LocalKey:
    return make_key(tmp_path / "old.key", OLD)


@pytest.fixture
def both(tmp_path: Path) -> LocalKey:
    return make_key(tmp_path / "both.key", NEW, OLD)


@pytest.fixture
def new(tmp_path: Path) -> LocalKey:
    return make_key(tmp_path / "new.key", NEW)


class CutOffKey:
    """Works for so many data keys, and cannot be reached then."""

    def __init__(self, key: WrappingKey, left: int) -> None:
        self._key = key
        self._left = left

    def newest_version(self) -> str:
        return self._key.newest_version()

    def wrap(self, data_key: bytes, context: bytes, /) -> WrappedKey:
        if not self._left:
            raise TransientError("Away.", code="internal")
        self._left -= 1
        return self._key.wrap(data_key, context)

    def unwrap(self, wrapped: WrappedKey, context: bytes, /) -> bytes:
        return self._key.unwrap(wrapped, context)

    def close(self) -> None:
        self._key.close()


def add(engine: Engine, tenant: Tenant, key: WrappingKey, *passwords: str) -> None:
    """Create a connector for each password, and one without."""
    for name in ("", *passwords):
        config = {**CONFIG, "password": name} if name else CONFIG
        create_connector(
            engine, tenant.principal, key, slug="database", name=f"of {name}", config=config
        )


def stored(engine: Engine) -> list[Row]:
    with engine.connect() as connection:
        query = text(
            "SELECT k.*, c.public_id FROM connector_credential AS k"
            " JOIN workspace_connector AS c ON c.id = k.connector_id ORDER BY k.connector_id"
        )
        return list(connection.execute(query).mappings())


def opened(engine: Engine, key: WrappingKey) -> list[str]:
    """Return the password of each connector that has one, oldest first."""
    return [
        unseal(
            key,
            SealedSecrets(row["ciphertext"], row["nonce"], row["wrapped_key"], row["key_version"]),
            row["workspace_id"],
            row["public_id"],
        )["/password"]
        for row in stored(engine)
    ]


def damage(engine: Engine, connector_id: int) -> None:
    with engine.begin() as connection:
        query = text("UPDATE connector_credential SET nonce = '\\x00' WHERE connector_id = :id")
        connection.execute(query, {"id": connector_id})


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_what_an_older_key_sealed_opens_with_the_newest_alone(
    engine: Engine, tenant: Tenant, old: LocalKey, both: LocalKey, new: LocalKey, page: int
) -> None:
    add(engine, tenant, old, "one", "two")
    add(engine, make_tenant(engine), old, "three")

    done = rekey(engine, both, page=page)

    assert (done.newest, done.resealed, done.failed) == ("2026-02", 3, 0)
    assert (done.seals, done.lagging) == ({"2026-02": 3}, 0)
    assert opened(engine, new) == ["one", "two", "three"]
    with pytest.raises(PermanentError):
        opened(engine, old)


def test_a_repeat_changes_nothing(
    engine: Engine, tenant: Tenant, old: LocalKey, both: LocalKey
) -> None:
    add(engine, tenant, old, "one", "two")
    rekey(engine, both)
    before = stored(engine)

    again = rekey(engine, both)

    assert (again.resealed, again.failed, again.lagging) == (0, 0, 0)
    assert stored(engine) == before


def test_without_secrets_there_is_nothing_to_do(engine: Engine, both: LocalKey) -> None:
    done = rekey(engine, both)
    assert (done.resealed, done.failed, done.seals, done.lagging) == (0, 0, {}, 0)


def test_a_pass_that_is_cut_off_is_gone_on_with_by_the_next(
    engine: Engine, tenant: Tenant, old: LocalKey, both: LocalKey, new: LocalKey
) -> None:
    add(engine, tenant, old, "one", "two", "three")
    with pytest.raises(TransientError):
        rekey(engine, CutOffKey(both, left=2))
    assert opened(engine, both) == ["one", "two", "three"]

    assert rekey(engine, both).resealed == 1
    assert opened(engine, new) == ["one", "two", "three"]


def test_secrets_that_do_not_open_stay_as_they_are_and_hold_up_no_others(
    engine: Engine, tenant: Tenant, old: LocalKey, both: LocalKey, new: LocalKey
) -> None:
    add(engine, tenant, old, "one", "two", "three")
    damage(engine, stored(engine)[1]["connector_id"])
    damaged = stored(engine)[1]

    done = rekey(engine, both, page=1)

    assert (done.resealed, done.failed, done.lagging) == (2, 1, 1)
    assert done.seals == {"2026-01": 1, "2026-02": 2}
    assert stored(engine)[1] == damaged
    assert rekey(engine, both).failed == 1


def test_the_version_of_the_secrets_stays_for_who_refreshes_them(
    engine: Engine, tenant: Tenant, old: LocalKey, both: LocalKey
) -> None:
    add(engine, tenant, old, "one")
    before = stored(engine)[0]["token_version"]
    rekey(engine, both)
    assert stored(engine)[0]["token_version"] == before


def test_secrets_that_are_refreshed_meanwhile_are_not_set_back(
    engine: Engine,
    tenant: Tenant,
    old: LocalKey,
    both: LocalKey,
    new: LocalKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(engine, tenant, old, "expired")

    def seal_late(*arguments: object) -> SealedSecrets:
        """Seal what was read before somebody stores a refreshed secret, sealed by the old key."""
        [row] = stored(engine)
        sealed = seal(old, {"/password": "fresh"}, row["workspace_id"], row["public_id"])
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE connector_credential SET token_version = token_version + 1,"
                    " ciphertext = :c, nonce = :n, wrapped_key = :w"
                ),
                {"c": sealed.ciphertext, "n": sealed.nonce, "w": sealed.wrapped_key},
            )
        return seal(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(rekey_flow, "seal", seal_late)
        done = rekey(engine, both)

    assert (done.resealed, done.failed, done.lagging) == (0, 0, 1)
    assert opened(engine, both) == ["fresh"]
    assert rekey(engine, both).resealed == 1
    assert opened(engine, new) == ["fresh"]


def test_a_key_of_cloud_kms_is_rekeyed_after_its_rotation(engine: Engine, tenant: Tenant) -> None:
    with running_cloud_kms() as kms, kms.client() as client:
        name = new_key(client, new_ring(client))
        key = KmsKey(name, emulator=kms.address)
        add(engine, tenant, key, "one", "two")
        version = rotate(client, name)

        done = rekey(engine, key)

        assert (done.newest, done.resealed, done.lagging) == (version, 2, 0)
        set_state(client, f"{name}/cryptoKeyVersions/1", State.DISABLED)
        assert opened(engine, key) == ["one", "two"]
        key.close()


def test_no_secret_and_no_key_is_logged(
    engine: Engine,
    tenant: Tenant,
    old: LocalKey,
    both: LocalKey,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add(engine, tenant, old, "canary-Zx81", "canary-Zx82")
    damage(engine, stored(engine)[0]["connector_id"])
    rekey(engine, both)
    said = [(record.getMessage(), record.syncline_fields) for record in caplog.records]
    assert [fields["event"] for _, fields in said] == ["secrets_not_resealed"]
    for secret in ("canary", OLD.partition(":")[2], NEW.partition(":")[2]):
        assert secret not in str(said)
