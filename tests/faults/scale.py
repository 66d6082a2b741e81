"""How large a fault test is, and its chance: the only place of the suite that asks the environment.

`SYNCLINE_FAULTS=long` takes the long form, `SYNCLINE_FAULTS_SEED` repeats a run's choices, and
`SYNCLINE_FAULTS_RESULTS` names the file that the long form appends its results to.
"""

import os
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

_SEED_BYTES = 4
_SHARE_BYTES = 8

Size = TypeVar("Size")


def is_long() -> bool:
    """Tell whether the long form was asked for."""
    return os.environ.get("SYNCLINE_FAULTS") == "long"


def rounds(short: Size, long: Size) -> Size:
    """Return how much of something a test does in the form that was asked for."""
    return long if is_long() else short


def results_file() -> Path | None:
    """Return the file for the results of the long form."""
    name = os.environ.get("SYNCLINE_FAULTS_RESULTS")
    return Path(name) if name and is_long() else None


def new_seed(what: str) -> int:
    """Return the seed that was given, or another one each time; print it."""
    given = os.environ.get("SYNCLINE_FAULTS_SEED")
    seed = int(given) if given else int.from_bytes(os.urandom(_SEED_BYTES))
    print(f"{what}: SYNCLINE_FAULTS_SEED={seed}")
    return seed


def share(seed: int, *identity: object) -> float:
    """Return a number in [0, 1) that depends on the seed and what it is asked for, and no more."""
    digest = sha256(":".join(map(str, (seed, *identity))).encode()).digest()
    return int.from_bytes(digest[:_SHARE_BYTES]) / 2 ** (8 * _SHARE_BYTES)
