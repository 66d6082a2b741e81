"""A stored connector made ready for its type: config checked, secrets opened."""

from collections.abc import Mapping

from shared.connectors.base import ConnectorConfig, ConnectorType
from shared.connectors.registry import connector_type
from shared.connectors.secrets import join_secrets
from shared.domain.run import Reason
from shared.errors import NotFoundError, PermanentError
from shared.flow.grants import is_of_grant
from shared.gcp.sealing import SealedSecrets, WrappingKey, unseal
from shared.store.rows import Row


def type_of(row: Row) -> ConnectorType:
    """Return the type of a connector; raise `PermanentError` if this deployment has none such."""
    try:
        return connector_type(row["connector_type"])
    except NotFoundError as error:
        raise PermanentError(str(error)) from error


def config_of(row: Row, type_: ConnectorType, key: WrappingKey | None) -> ConnectorConfig:
    """Return a connector's config with its secrets; raise `PermanentError` if they do not open.

    `row` has `config`, what `SealedSecrets` holds, `workspace_id` and `connector_public_id`.
    """
    return join_secrets(type_.config_model, row["config"], secrets_of(row, key))


def secrets_of(row: Row, key: WrappingKey | None) -> Mapping[str, str]:
    """Return a connector's secrets by their JSON pointers; raises as `config_of`."""
    return without_grant(opened_secrets(row, key))


def without_grant(opened: Mapping[str, str]) -> Mapping[str, str]:
    """Return opened secrets by their JSON pointers, without the tokens of a grant."""
    return {
        # At first secrets were stored by the names of fields at the top.
        name if name.startswith("/") else f"/{name}": text
        for name, text in opened.items()
        if not is_of_grant(name)
    }


def opened_secrets(row: Row, key: WrappingKey | None) -> Mapping[str, str]:
    """Return a connector's secrets as they are sealed, tokens among them; raises as `config_of`."""
    if row["ciphertext"] is None:
        return {}
    if key is None:
        raise PermanentError(
            "This deployment has no key to open the connector's secrets.", code=Reason.INTERNAL
        )
    sealed = SealedSecrets(row["ciphertext"], row["nonce"], row["wrapped_key"], row["key_version"])
    return unseal(key, sealed, row["workspace_id"], row["connector_public_id"])
