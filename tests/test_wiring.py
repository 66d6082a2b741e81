"""A deployment works with the key that its settings choose."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.gcp.kms import KmsKey
from shared.gcp.local_key import LocalKey
from shared.wiring import Wiring
from tests.gcp.keys import make_key
from tests.settings import make_settings

KMS_KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"

Wire = Callable[..., Wiring]


@pytest.fixture
def wired() -> Iterator[Wire]:
    """Return what wires a deployment with some variables; nothing is connected."""
    made: list[Wiring] = []

    def wire(**variables: str) -> Wiring:
        made.append(Wiring(make_settings(**variables)))
        return made[-1]

    yield wire
    for one in made:
        one.close()


def test_without_a_key_there_is_none(wired: Wire) -> None:
    assert wired().key is None


def test_a_key_file_is_read_at_the_start(wired: Wire, tmp_path: Path) -> None:
    make_key(tmp_path / "master.key")
    assert isinstance(wired(SYNCLINE_KEY_FILE=str(tmp_path / "master.key")).key, LocalKey)
    with pytest.raises(ConfigurationError, match="SYNCLINE_KEY_FILE"):
        wired(SYNCLINE_KEY_FILE=str(tmp_path / "nowhere.key"))


def test_a_key_of_cloud_kms_is_one_for_the_whole_instance(wired: Wire) -> None:
    wiring = wired(SYNCLINE_KMS_KEY=KMS_KEY, CLOUD_KMS_EMULATOR_HOST="127.0.0.1:1")
    assert isinstance(wiring.key, KmsKey)
    assert wiring.key is wiring.key


def test_a_mistake_in_the_place_of_datasets_is_told_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"SYNCLINE_DATASET_URL names no location"):
        Wiring(make_settings(SYNCLINE_DATASET_URL="bigquery://acme-data"), service="test")


def test_what_an_instance_opens_serves_every_workspace(wired: Wire) -> None:
    wiring = wired(SYNCLINE_KMS_KEY=KMS_KEY, CLOUD_KMS_EMULATOR_HOST="127.0.0.1:1")
    one, another = wiring.of_workspace(1), wiring.of_workspace(2)
    assert one.key is another.key is wiring.key
    assert one.engine.pool is another.engine.pool is wiring.engine.pool


def test_the_keys_of_issuers_are_known_to_the_whole_instance(wired: Wire) -> None:
    wiring = wired()
    assert wiring.of_workspace(1).tokens is wiring.of_workspace(2).tokens is wiring.tokens
