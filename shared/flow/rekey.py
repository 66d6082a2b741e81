"""Seal every connector's secrets with the newest key, so that older ones can be taken away."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine

from shared.errors import PermanentError
from shared.gcp.sealing import SealedSecrets, WrappingKey, seal, unseal
from shared.logs import log_event
from shared.store.connectors import count_seals, lagging_credentials, replace_seal
from shared.store.engine import single_statements
from shared.store.oauth_states import lagging_states, replace_state_seal
from shared.store.rows import Row

_log = logging.getLogger(__name__)
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """What a pass did, and with which keys secrets are sealed after it."""

    newest: str
    resealed: int
    failed: int
    """Secrets that do not open; the log says of which connectors, and why."""
    seals: Mapping[str, int]
    """How many sealed secrets there are, by the version of their key."""

    @property
    def lagging(self) -> int:
        """Return how many secrets need an older key than the newest."""
        return sum(self.seals.values()) - self.seals.get(self.newest, 0)


def rekey(engine: Engine, key: WrappingKey, *, page: int = _PAGE) -> Rekeyed:
    """Seal anew what is sealed with another version of the key than the newest, row by row.

    That is the secrets of connectors, tokens among them, and authorizations that are under way.
    Each row is a statement of its own: a pass that is cut off is done by half, and a repeat does
    the rest. Secrets that somebody changes meanwhile are left to him, those that do not open stay
    as they are. Raises `TransientError` while the key cannot be reached.
    """
    newest = key.newest_version()
    resealed = failed = 0
    with single_statements(engine) as connection:
        for row, replace in _lagging(connection, newest, page):
            try:
                sealed = _sealed_anew(key, row)
            except PermanentError as error:
                failed += 1
                _tell(row, error)
            else:
                resealed += replace(connection, row, **asdict(sealed))
        return Rekeyed(newest, resealed, failed, count_seals(connection))


def _lagging(
    connection: Connection, newest: str, page: int
) -> Iterator[tuple[Row, Callable[..., bool]]]:
    """Yield what an older version sealed, each with what stores it under another seal."""
    after_id, after = 0, b""
    while rows := lagging_credentials(connection, newest, after_id=after_id, limit=page):
        yield from ((row, replace_seal) for row in rows)
        after_id = rows[-1]["connector_id"]
    while rows := lagging_states(connection, newest, after=after, limit=page):
        yield from ((row, replace_state_seal) for row in rows)
        after = rows[-1]["state_hash"]


def _sealed_anew(key: WrappingKey, row: Row) -> SealedSecrets:
    sealed = SealedSecrets(row["ciphertext"], row["nonce"], row["wrapped_key"], row["key_version"])
    owner = row["workspace_id"], row["public_id"]
    return seal(key, unseal(key, sealed, *owner), *owner)


def _tell(row: Row, error: PermanentError) -> None:
    log_event(
        _log,
        logging.WARNING,
        "secrets_not_resealed",
        "The secrets of a connector do not open",
        connector_id=row["public_id"],
        reason=str(error),
    )
