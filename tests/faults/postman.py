"""Deliveries by hand: any task, at any time, in any order, as often as it likes."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import requests

from infra.local.identity import LocalSigner
from shared.clock import utc_now
from tests.faults.deployment import Deployment
from tests.faults.scale import share

_LOST, _HELD = 0.35, 0.35
_AGAIN, _AT_ONCE = 3, 3
_ANSWER_SECONDS = 30.0


class Postman:
    """Takes the tasks out of paused queues, and delivers them when and as often as it likes."""

    def __init__(self, deployment: Deployment, signer: LocalSigner, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._deployment = deployment
        self._signer = signer
        self._seed = seed
        self._waiting: list[bytes] = []
        self._delivered: list[bytes] = []

    def place(self, what: str, number: int) -> int:
        """Return the place of a connector."""
        return int(
            share(self._seed, what, number, "place") * len(self._deployment.world.connectors)
        )

    def collect(self) -> None:
        """Take all tasks, and lose some of them."""
        for task in self._deployment.queues.tasks():
            is_lost = share(self._seed, "lose", task.name) < _LOST
            self.counts["lost"] += is_lost
            # What is lost is found again, when nobody waits for it any more.
            (self._delivered if is_lost else self._waiting).append(task.http_request.body)
        self._deployment.queues.purge()

    def deliver(self, number: int) -> None:
        """Deliver most of what waits and some of what was, in any order, a few at once."""
        held = {body for body in self._waiting if share(self._seed, "hold", number, body) < _HELD}
        first = [body for body in self._waiting if body not in held]
        again = [
            self._delivered[int(share(self._seed, "which", number, each) * len(self._delivered))]
            for each in range(min(_AGAIN, len(self._delivered)))
        ]
        self.counts.update(held=len(held), first=len(first), again=len(again))
        bodies = sorted(first + again, key=lambda body: share(self._seed, "order", number, body))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = list(pool.map(self._post, bodies))
        assert set(answers) <= {HTTPStatus.OK}, answers
        self._waiting = list(held)
        self._delivered += first

    def _post(self, body: bytes) -> int:
        settings = self._deployment.settings
        token = self._signer.token(settings.tasks_service_account, settings.worker_url, utc_now())
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url = self._deployment.worker.url
        return requests.post(url, body, headers=headers, timeout=_ANSWER_SECONDS).status_code
