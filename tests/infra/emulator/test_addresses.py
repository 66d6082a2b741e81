import json

from infra.local.emulator.addresses import Addresses

ADDRESSES = Addresses.of_ports(8123, 8124)


def test_the_line_is_an_object_of_three_places() -> None:
    assert json.loads(ADDRESSES.line()) == {
        "address": "127.0.0.1:8123",
        "control_url": "http://127.0.0.1:8124",
        "certs_url": "http://127.0.0.1:8124/certs",
    }


def test_the_line_can_be_read_again() -> None:
    assert Addresses.from_line(ADDRESSES.line()) == ADDRESSES
