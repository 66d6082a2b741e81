"""The public keys of one issuer, fetched when they are first wanted, by one thread at a time."""

import threading
from collections.abc import Callable
from datetime import timedelta

from joserfc.jwk import Key

from shared.clock import monotonic
from shared.config import OidcIssuer
from shared.egress.guard import Guard
from shared.errors import CredentialsError
from shared.identity.documents import (
    DEADLINE,
    PAUSE,
    IssuerUnavailableError,
    Keys,
    fetch_keys,
    unavailable,
)

FRESH = timedelta(minutes=10)
"""For how long keys are taken as they are: a key that the issuer withdrew is of no use then."""
LONGEST = timedelta(hours=6)
"""For how long they still serve while the issuer cannot be asked."""
UNKNOWN = timedelta(seconds=10)
"""How often an id that nobody knows may cause a look, so that nonsense causes no traffic."""


class IssuerKeys:
    """What is known of an issuer's keys. Every method may be called from any thread."""

    def __init__(
        self, issuer: OidcIssuer, guard: Guard, clock: Callable[[], float] = monotonic
    ) -> None:
        self._issuer = issuer
        self._guard = guard
        self._clock = clock
        self._known: Keys = {}
        self._known_at: float | None = None
        self._ask_after: float | None = None
        self._is_failing = False
        self._asking = threading.Lock()

    def find(self, kid: str, kinds: tuple[type, ...]) -> Key:
        """Return the key of that id and one of these kinds.

        Raises `CredentialsError` if the issuer has none, `IssuerUnavailableError` if it cannot be
        asked and no key that is known fits.
        """
        key = self._find_known(kid, kinds)
        if key is not None and self._age() < FRESH:
            return key
        self._ask(is_waiting=key is None)
        key = self._find_known(kid, kinds)
        if key is not None:
            return key
        if self._is_failing or self._known_at is None:
            raise unavailable(self._issuer)
        raise CredentialsError("The token is signed with a key that its issuer does not have.")

    def _find_known(self, kid: str, kinds: tuple[type, ...]) -> Key | None:
        if self._age() >= LONGEST:
            return None
        return next((key for key in self._known.get(kid, ()) if isinstance(key, kinds)), None)

    def _age(self) -> timedelta:
        at = self._known_at
        return timedelta.max if at is None else timedelta(seconds=self._clock() - at)

    def _ask(self, *, is_waiting: bool) -> None:
        """Fetch the keys anew, unless it was tried just now; only one thread does.

        Whoever has a key that is good for a while does not wait for the one that asks.
        """
        if not self._asking.acquire(timeout=DEADLINE.total_seconds() if is_waiting else 0):
            return
        try:
            if self._ask_after is not None and self._clock() < self._ask_after:
                return
            try:
                self._known = fetch_keys(self._issuer, self._guard)
                self._known_at, self._is_failing, pause = self._clock(), False, UNKNOWN
            except IssuerUnavailableError:
                self._is_failing, pause = True, PAUSE
            self._ask_after = self._clock() + pause.total_seconds()
        finally:
            self._asking.release()
