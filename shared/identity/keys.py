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
PATIENCE = timedelta(seconds=1)
"""How long a token with an id that is not known waits for the look of another, while there are keys
that serve: who has them goes on, and it may be nonsense."""
WAITERS = 5
"""How many wait for a look at once: a browser's six connections are served. Whatever hangs, the
other threads of an instance serve those whose keys are known."""


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
        self._look: threading.Event | None = None
        """Of the thread that asks: set when it is done."""
        self._deciding = threading.Lock()
        self._waiters = threading.BoundedSemaphore(WAITERS)

    def find(self, kid: str, kinds: tuple[type, ...]) -> Key:
        """Return the key of that id and one of these kinds.

        Raises `CredentialsError` if the issuer has none, `IssuerUnavailableError` if it cannot be
        asked, or is being asked and did not answer in time, and no key that is known fits.
        """
        key = self._find_known(kid, kinds)
        if key is not None and self._age() < FRESH:
            return key
        is_told = self._ask(is_waiting=key is None)
        key = self._find_known(kid, kinds)
        if key is not None:
            return key
        if not is_told or self._is_failing or self._known_at is None:
            raise unavailable(self._issuer)
        raise CredentialsError("The token is signed with a key that its issuer does not have.")

    def _find_known(self, kid: str, kinds: tuple[type, ...]) -> Key | None:
        if self._age() >= LONGEST:
            return None
        return next((key for key in self._known.get(kid, ()) if isinstance(key, kinds)), None)

    def _age(self) -> timedelta:
        at = self._known_at
        return timedelta.max if at is None else timedelta(seconds=self._clock() - at)

    def _ask(self, *, is_waiting: bool) -> bool:
        """Fetch the keys anew, unless it was tried just now; only one thread does.

        Whoever has a key that is good for a while does not wait for the one that asks. Returns
        whether the newest look is over.
        """
        with self._deciding:
            if self._ask_after is not None and self._clock() < self._ask_after:
                return True
            under_way, own = self._look, threading.Event()
            if under_way is None:
                self._look = own
        if under_way is not None:
            return is_waiting and self._wait_for(under_way)
        self._fetch(own)
        return True

    def _fetch(self, look: threading.Event) -> None:
        pause, self._is_failing = PAUSE, True  # whatever is raised
        try:
            self._known = fetch_keys(self._issuer, self._guard)
            self._known_at, self._is_failing, pause = self._clock(), False, UNKNOWN
        except IssuerUnavailableError:
            pass
        finally:
            with self._deciding:
                self._ask_after = self._clock() + pause.total_seconds()
                self._look = None
            look.set()

    def _wait_for(self, look: threading.Event) -> bool:
        """Wait for the look of another thread, but not with too many; tell whether it is over."""
        if not self._waiters.acquire(blocking=False):
            return False
        try:
            # Without keys nobody is served before, and those who wait may well be good callers.
            is_cold = self._age() >= LONGEST
            return look.wait((DEADLINE if is_cold else PATIENCE).total_seconds())
        finally:
            self._waiters.release()
