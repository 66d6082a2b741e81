"""Migrations that others may have run stay as they are: what they made is in their databases."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from shared.store.migrations import versions

FOLDER = Path(versions.__file__).parent
PUBLIC: Mapping[str, str] = {
    "0001_initial": "52b8710d26f7d927b7d36aad26aa3bca09c0fb57d4c94a90a829574a28d0062f",
    "0002_ledger": "f633e09d406b75b5bae48837ec23c6ef134a15b070bdf8381e6f93ff4f7a10db",
    "0003_blackout_windows": "1ae99a0f8b034648c93de0cd66d9ff5a8d74a0fe6343624a601725f5122b7fb8",
    "0004_runs_that_survive": "17333852eab32825839465640f89b7773cccf441cb29ee9514632f2a8fdba677",
    "0005_held_connectors": "2405e3b57960c8cc1340945661537675c77ccd68c5bc855812ade29f9750bc5a",
    "0006_places_of_secrets": "1191e03908e7e9706defdaf8df49a71c58be78e718b00d8aeb43320cf14ada0e",
    "0007_streams": "0344d33404c871bfd89b32e0b8ceabe74a80ad14e7b9d5e4d72c2756a9aed9e5",
    "0008_looks": "b2d6207f1c0ab05160ff6a791fad67b434db79e06e067d3dc5a041f8a47f66c9",
    "0009_authorizations": "ce920a52080fbceb0dbbb4e13526486502950d3f767a34a421b97b09a02d49fe",
    "0010_health": "8c27024bdb6c1f152182feb78a5765fe354aa907263e2f65cf0921597124f46b",
    "0011_tenancy": "f839aa544504217df2c016684dd4e2ccb40366b72e1d219853411d6b787bd88c",
    "0012_idempotency": "053ec370ebdf477b2c49c9179ec74f774c59a0d7f0ed46e7f8807e303976d314",
    "0013_hooks_and_pages": "9eabb3b7980026b0a9da8825812c4441563eaa60deb7dc0e549594dc9d384a7f",
    "0014_audit_log": "9973996b4b9a26725bee76a7d851771b421527464f81a4db6abf6feb90d1260b",
    "0015_callers": "97d16322bcedeed2cba04df2eb36283377dad8e4251a83c3141e69688a602750",
    "0016_versions_and_looks": "92e282a469e7ecdef371587f90733d9af17d7be8fa2526c72021c14154a95db8",
    "0017_indexes_of_the_log": "b43566e2d32788db4fe2c9459b247959d4d609ecd9ccce072a8ad128a4e36fb6",
    "0018_unread_changes": "74353404db7152e0816f3a484bc40bcd885b7c8376d929ffabe8ef3144fd31e0",
    "0019_cursor_keys": "f0dbf8541028456ff437f4302f5823990bf6ba41c6b738c7403b0cf0cb758a2c",
}
"""SHA-256 of the text of each migration that has been published."""


def test_no_public_migration_is_edited_or_taken_away() -> None:
    found = {
        name: hashlib.sha256((FOLDER / f"{name}.py").read_bytes()).hexdigest()
        for name in PUBLIC
        if (FOLDER / f"{name}.py").exists()
    }
    assert found == PUBLIC, (
        "A public migration has another text: a database that has run it would never see the edit."
        " Put the file back as it was, and add a new migration that changes what has to change."
    )
