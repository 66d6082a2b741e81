"""The secrets of webhook endpoints: sealed as others are, and opened once an instance."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.errors import ConfigurationError
from shared.gcp.sealing import SealedSecrets, WrappingKey, seal, unseal
from shared.store.rows import Row

_CURRENT = "current"
_PREVIOUS = "previous"
_OLDEST = "oldest"
_MOST_OPEN = 1_000


class OpenSecrets:
    """The opened secrets of endpoints, of those that were used last.

    A message must not cost a call of Cloud KMS. They are found by the seal they were opened from,
    so that a rotation is heeded at once.
    """

    def __init__(self) -> None:
        self._opened: OrderedDict[tuple[UUID, bytes], Mapping[str, str]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, row: Row, key: WrappingKey | None, now: datetime) -> list[str]:
        """Return the secrets that an endpoint takes, the newest first; raises as `unseal`."""
        place = (row["public_id"], row["nonce"])
        with self._lock:
            opened = self._opened.get(place)
            if opened is not None:
                self._opened.move_to_end(place)
        if opened is None:
            opened = open_secrets(row, key)
            with self._lock:
                self._opened[place] = opened
                while len(self._opened) > _MOST_OPEN:
                    self._opened.popitem(last=False)
        ends = {_PREVIOUS: row["previous_until"], _OLDEST: row["oldest_until"]}
        return [opened[_CURRENT], *(opened[which] for which in ends if _holds(ends[which], now))]


def open_secrets(row: Row, key: WrappingKey | None) -> Mapping[str, str]:
    """Return the secrets of an endpoint by what they are; raises as `unseal`."""
    sealed = SealedSecrets(row["ciphertext"], row["nonce"], row["wrapped_key"], row["key_version"])
    return unseal(_require(key), sealed, row["workspace_id"], row["public_id"])


def seal_secret(
    key: WrappingKey | None, workspace_id: int, endpoint: UUID, secret: str
) -> SealedSecrets:
    """Seal the first secret of an endpoint; raises as `seal`, or `ConfigurationError`."""
    return seal(_require(key), {_CURRENT: secret}, workspace_id, endpoint)


@dataclass(frozen=True, slots=True)
class Rotated:
    """The secrets of an endpoint after a rotation, and until when those before are taken."""

    sealed: SealedSecrets
    previous_until: datetime | None
    oldest_until: datetime | None


def seal_rotated(
    key: WrappingKey | None, row: Row, secret: str, overlap: timedelta, now: datetime
) -> Rotated:
    """Seal a new secret of an endpoint beside the one that it has, and the oldest still taken.

    Whoever rotates again within an overlap, for the answer was lost, does not cut off the secret
    that the source still signs with: it is taken as long as it was to be, or for `overlap` if that
    is shorter. Raises as `unseal`.
    """
    opened = open_secrets(row, key)
    kept, until, oldest_until = {_CURRENT: secret}, None, None
    if overlap:
        kept[_PREVIOUS], until = opened[_CURRENT], now + overlap
        for which, end in ((_OLDEST, row["oldest_until"]), (_PREVIOUS, row["previous_until"])):
            if _holds(end, now):
                kept[_OLDEST], oldest_until = opened[which], min(end, until)
                break
    sealed = seal(_require(key), kept, row["workspace_id"], row["public_id"])
    return Rotated(sealed, until, oldest_until)


def _holds(until: datetime | None, now: datetime) -> bool:
    return until is not None and now < until


def _require(key: WrappingKey | None) -> WrappingKey:
    if key is None:
        raise ConfigurationError(
            "This deployment has no key for secrets: set SYNCLINE_KMS_KEY or SYNCLINE_KEY_FILE."
        )
    return key
