"""Wide text arrives as it is, half a surrogate pair and all."""

import pytest

from tests.connectors.database.encryption import answer
from tests.connectors.database.sqlserver.server.running import SqlServer
from tests.connectors.databases import PASSWORD, Postgres, Shop, orders


@pytest.mark.parametrize("kind", ["nvarchar(50)", "nvarchar(max)", "ntext", "xml"])
@pytest.mark.parametrize("text", ["", "æ😀", "a\ud83d", "\udc00b"])
def test_a_text_is_read_as_it_is(sql_server: SqlServer, kind: str, text: str) -> None:
    sql_server.execute(f"CREATE TABLE orders (id int, name {kind})")
    sql_server.store.duck("INSERT INTO orders VALUES (1, 'stands for it'), (2, NULL)")
    sql_server.faults.texts = {"stands for it": text}
    assert answer(sql_server.url, "SELECT name FROM orders WHERE id = 1") == text
    assert answer(sql_server.url, "SELECT name FROM orders WHERE id = 2") is None


def test_a_text_with_half_a_surrogate_pair_is_rejected_and_its_neighbours_land(
    sql_server: SqlServer, dataset: Postgres
) -> None:
    sql_server.execute(
        "CREATE TABLE orders (id int NOT NULL PRIMARY KEY, name nvarchar(max), old ntext)",
        "INSERT INTO orders VALUES (1, N'half', N'a'), (2, N'whole', N'half'), (3, N'c', N'd')",
    )
    sql_server.faults.texts = {"half": "x\ud83d"}
    shop = Shop(orders(sql_server.url, password=PASSWORD, cursor=None), dataset)
    result = shop.sync()
    assert (result.records_processed, result.records_failed) == (3, 2)
    assert shop.loaded("id, name, old") == [(3, "c", "d")]
