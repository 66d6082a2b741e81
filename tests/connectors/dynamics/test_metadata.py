"""What $metadata says of entity sets is read, whatever else the document holds."""

import pytest

from shared.connectors.dynamics.metadata import Property, read_metadata
from shared.errors import PermanentError, TransientError
from tests.connectors.dynamics.tables import EDM, EDMX, edmx


def document(types: str, sets: str = '<EntitySet Name="things" EntityType="A.thing"/>') -> bytes:
    return (
        f'<edmx:Edmx Version="4.01" xmlns:edmx="{EDMX}"><edmx:DataServices>'
        f'<Schema Namespace="Long.Name" Alias="A" xmlns="{EDM}">{types}'
        f'<EntityContainer Name="C">{sets}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    ).encode()


def test_properties_key_and_types_are_read() -> None:
    customers = read_metadata(edmx().encode())["customers"]
    assert customers.key == ("id",)
    assert customers.properties["id"] == Property("id", "Edm.Guid", is_nullable=False)
    assert customers.properties["type"].type == "Edm.String"
    assert customers.properties["currency"].type == "Edm.String"
    assert customers.properties["address"].type == "Microsoft.NAV.postalAddress"
    assert "company" not in customers.properties


def test_what_a_type_inherits_comes_first() -> None:
    types = (
        '<EntityType Name="thing" BaseType="Long.Name.base"><Property Name="b" Type="Edm.Int32"/>'
        '</EntityType><EntityType Name="base"><Key><PropertyRef Name="a"/></Key>'
        '<Property Name="a" Type="Edm.Guid" Nullable="false"/></EntityType>'
    )
    thing = read_metadata(document(types))["things"]
    assert thing.key == ("a",)
    assert list(thing.properties) == ["a", "b"]


def test_types_that_are_derived_in_a_circle_come_to_an_end() -> None:
    types = (
        '<EntityType Name="thing" BaseType="A.other"><Property Name="b" Type="Edm.Int32"/>'
        '</EntityType><EntityType Name="other" BaseType="A.thing"/>'
    )
    assert list(read_metadata(document(types))["things"].properties) == ["b"]


def test_a_set_of_a_type_that_is_not_there_has_no_key() -> None:
    assert read_metadata(document(""))["things"].key == ()


@pytest.mark.parametrize("version", ["1.0", "2.0", "3.0", ""])
def test_another_version_is_told(version: str) -> None:
    with pytest.raises(PermanentError, match="another version of OData"):
        read_metadata(edmx(version).encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<a>",
        b"{}",
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
        b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>',
        document('<EntityType><Property Name="a"/></EntityType>'),
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
    ],
)
def test_what_cannot_be_read_is_told(text: bytes) -> None:
    with pytest.raises(TransientError, match="no metadata that can be read"):
        read_metadata(text)
