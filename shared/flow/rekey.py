"""Seal every secret that is stored with the newest key, so that older ones can be taken away."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine

from shared.domain.audit import OPERATOR, Actor, Change, ObjectKind
from shared.errors import PermanentError
from shared.gcp.sealing import SealedSecrets, WrappingKey, seal, unseal
from shared.logs import log_event
from shared.store.audit import append_audit
from shared.store.connectors import count_seals, lagging_credentials, replace_seal
from shared.store.engine import single_statements
from shared.store.hooks import count_endpoint_seals, lagging_endpoints, replace_endpoint_seal
from shared.store.oauth_states import count_state_seals, lagging_states, replace_state_seal
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


@dataclass(frozen=True, slots=True)
class _Safe:
    """One kind of sealed secrets: how they are found, put back and counted."""

    of: str
    """What they are secrets of; the log names it by `id_field`."""
    id_field: str
    key: str
    """The column by which they are in order."""
    first: object
    """What comes before all of them in it."""
    lagging: Callable[..., Sequence[Row]]
    replace: Callable[..., bool]
    count: Callable[[Connection], Mapping[str, int]]


_SAFES = (
    _Safe(
        "connector",
        "connector_id",
        "connector_id",
        0,
        lagging_credentials,
        replace_seal,
        count_seals,
    ),
    _Safe(
        "connector's authorization",
        "connector_id",
        "state_hash",
        b"",
        lagging_states,
        replace_state_seal,
        count_state_seals,
    ),
    _Safe(
        "webhook endpoint",
        "endpoint_id",
        "id",
        0,
        lagging_endpoints,
        replace_endpoint_seal,
        count_endpoint_seals,
    ),
)


def rekey(engine: Engine, key: WrappingKey, *, by: Actor = OPERATOR, page: int = _PAGE) -> Rekeyed:
    """Seal anew what is sealed with another version of the key than the newest, row by row.

    That is the secrets of connectors, tokens among them, authorizations that are under way, and the
    secrets of webhook endpoints.
    Each row is a statement of its own: a pass that is cut off is done by half, and a repeat does
    the rest. Secrets that somebody changes meanwhile are left to him, those that do not open stay
    as they are. The audit log of each workspace says how many of its secrets a page sealed anew.
    Raises `TransientError` while the key cannot be reached.
    """
    newest = key.newest_version()
    resealed = failed = 0
    seals: Counter[str] = Counter()
    with single_statements(engine) as connection:
        for safe in _SAFES:
            for done, refused in _rekey(connection, key, newest, safe, page):
                resealed, failed = resealed + done.total(), failed + refused
                for workspace_id, count in done.items():
                    _append(connection, workspace_id, by, safe, count)
            seals.update(safe.count(connection))
    return Rekeyed(newest, resealed, failed, dict(sorted(seals.items())))


def _rekey(
    connection: Connection, key: WrappingKey, newest: str, safe: _Safe, page: int
) -> Iterator[tuple[Counter[int], int]]:
    """Yield of each page how many secrets of which workspaces it sealed anew, and failed to."""
    after: object = safe.first
    while rows := safe.lagging(connection, newest, after=after, limit=page):
        resealed: Counter[int] = Counter()
        failed = 0
        for row in rows:
            try:
                sealed = _sealed_anew(key, row)
            except PermanentError as error:
                failed += 1
                _tell(safe, row, error)
            else:
                if safe.replace(connection, row, **asdict(sealed)):
                    resealed[row["workspace_id"]] += 1
        yield resealed, failed
        after = rows[-1][safe.key]


def _append(connection: Connection, workspace_id: int, by: Actor, safe: _Safe, count: int) -> None:
    after = {"resealed": count, "of": f"{safe.of}s"}
    change = Change("rekey", ObjectKind.WORKSPACE, after=after)
    append_audit(connection, workspace_id, by, change)


def _sealed_anew(key: WrappingKey, row: Row) -> SealedSecrets:
    sealed = SealedSecrets(row["ciphertext"], row["nonce"], row["wrapped_key"], row["key_version"])
    owner = row["workspace_id"], row["public_id"]
    return seal(key, unseal(key, sealed, *owner), *owner)


def _tell(safe: _Safe, row: Row, error: PermanentError) -> None:
    log_event(
        _log,
        logging.WARNING,
        "secrets_not_resealed",
        f"The secrets of a {safe.of} do not open",
        **{safe.id_field: row["public_id"]},
        reason=str(error),
    )
