"""What people are told of where the datasets are."""

import pytest

from shared.connectors.dataset.address import DatasetPlace, place_of


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:p@db:6432/d", DatasetPlace((("db", 6432),), "d", None)),
        ("postgresql://u@db/d?sslmode=require", DatasetPlace((("db", 5432),), "d", "require")),
        ("postgresql://u@a:1,b:2/d", DatasetPlace((("a", 1), ("b", 2)), "d", None)),
        ("host=a,b port=7 dbname=d", DatasetPlace((("a", 7), ("b", 7)), "d", None)),
        ("postgresql://u@[::1]:5/d", DatasetPlace((("::1", 5),), "d", None)),
        ("postgresql://u@/d?host=/run/sql", DatasetPlace((), "d", None)),
        ("postgresql:///d", DatasetPlace((), "d", None)),
    ],
)
def test_a_url_leads_to_hosts_with_ports(url: str, place: DatasetPlace) -> None:
    assert place_of(url) == place


def test_a_socket_has_no_host_and_no_url() -> None:
    place = place_of("postgresql://u@/d?host=/run/sql")
    assert (place.host, place.port, place.url_for("r", "s")) == (None, None, None)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@a:1,b:2/d", "postgresql://r:s@a:1,b:2/d"),
        ("postgresql://u:p@[::1]:5/d", "postgresql://r:s@[::1]:5/d"),
        ("postgresql://u:p@db", "postgresql://r:s@db:5432/postgres"),
        (
            "postgresql://u:p@db/a%2Fb?sslmode=verify-ca&sslrootcert=/etc/ca.pem",
            "postgresql://r:s@db:5432/a%2Fb?sslmode=verify-ca",
        ),
    ],
)
def test_a_login_gets_the_url_without_the_deployments_own(url: str, shown: str) -> None:
    assert place_of(url).url_for("r", "s") == shown


def test_the_public_address_counts_and_its_encryption_is_not_that_of_the_way_inside() -> None:
    place = place_of("postgresql://u:p@/d?host=/run/sql&sslmode=disable", "postgresql://data:9")
    assert place == DatasetPlace((("data", 9),), "d", None)
