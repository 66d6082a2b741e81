"""Loads of one connector take turns; others do not wait."""

from datetime import timedelta
from uuid import uuid4

import pytest

from shared.connectors.turn import merge_key, turn_of
from shared.errors import TransientError
from tests.connectors.databases import Postgres

SHORT = timedelta(milliseconds=100)


def test_a_second_load_of_the_connector_gives_up_after_its_wait(dataset: Postgres) -> None:
    connector = uuid4()
    with turn_of(connector, dataset.dsn, SHORT), pytest.raises(TransientError) as refused:  # noqa: SIM117
        with turn_of(connector, dataset.dsn, SHORT):
            pass
    assert refused.value.code == "dataset_busy"


def test_the_turn_is_free_again_after_a_load_that_failed(dataset: Postgres) -> None:
    connector = uuid4()
    with pytest.raises(ZeroDivisionError), turn_of(connector, dataset.dsn, SHORT):
        raise ZeroDivisionError
    with turn_of(connector, dataset.dsn, SHORT):
        pass


def test_another_connector_does_not_wait(dataset: Postgres) -> None:
    with turn_of(uuid4(), dataset.dsn, SHORT), turn_of(uuid4(), dataset.dsn, SHORT):
        pass


def test_the_key_of_a_merge_is_a_signed_bigint_that_is_stable() -> None:
    connector = uuid4()
    assert merge_key(connector) == merge_key(connector)
    assert merge_key(connector) != merge_key(uuid4())
    assert -(2**63) <= merge_key(connector) < 2**63
