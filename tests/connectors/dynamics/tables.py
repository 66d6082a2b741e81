"""The entity sets of the OData service of the tests: what they are made of, and their EDMX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from sqlalchemy import Boolean, Column, DateTime, Integer, MetaData, String, Table

EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
EDM = "http://docs.oasis-open.org/odata/ns/edm"
_STORED: Mapping[str, Any] = {
    "Edm.Boolean": Boolean,
    "Edm.Int32": Integer,
    "Edm.Int64": Integer,
    "Edm.DateTimeOffset": DateTime,
}
"""What is compared in filters is stored as what it is; anything else as JSON."""


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity set: its key, and the types of its properties."""

    name: str
    key: Sequence[str]
    types: Mapping[str, str]
    base: str | None = None

    def table(self, metadata: MetaData) -> Table:
        """Return the table that holds it; `_company` and `_version` are never shown."""
        columns = [
            Column(name, _STORED.get(type_, String)(), primary_key=name in self.key)
            for name, type_ in self.types.items()
        ]
        company = Column("_company", String(), primary_key=True)
        return Table(self.name, metadata, company, Column("_version", Integer()), *columns)

    def is_plain(self, name: str) -> bool:
        return self.types[name] in _STORED or self.types[name] in ("Edm.String", "Edm.Guid")


CUSTOMERS = Entity(
    "customers",
    ["id"],
    {
        "id": "Edm.Guid",
        "number": "Edm.String",
        "displayName": "Edm.String",
        "balance": "Edm.Decimal",
        "weight": "Edm.Double",
        "blocked": "Edm.Boolean",
        "entryNumber": "Edm.Int64",
        "birthday": "Edm.Date",
        "opensAt": "Edm.TimeOfDay",
        "logo": "Edm.Binary",
        "picture": "Edm.Stream",
        "type": "NAV.customerType",
        "currency": "NAV.code",
        "address": "Microsoft.NAV.postalAddress",
        "tags": "Collection(Edm.String)",
        "place": "Edm.GeographyPoint",
        "period": "Edm.Duration",
        "lastModifiedDateTime": "Edm.DateTimeOffset",
    },
)
LINES = Entity(
    "orderLines",
    ["documentId", "sequence"],
    {"documentId": "Edm.Guid", "sequence": "Edm.Int32", "amount": "Edm.Decimal"},
)
COMPANIES = Entity(
    "companies",
    ["id"],
    {"id": "Edm.Guid", "name": "Edm.String", "systemCreatedAt": "Edm.DateTimeOffset"},
)
ACCOUNTS = Entity(
    "accounts",
    ["accountid"],
    {
        "accountid": "Edm.Guid",
        "name": "Edm.String",
        "revenue": "Edm.Decimal",
        "_ownerid_value": "Edm.Guid",
        "createdon": "Edm.DateTimeOffset",
        "modifiedon": "Edm.DateTimeOffset",
    },
    base="crmbaseentity",
)
ENTITIES = (CUSTOMERS, LINES, COMPANIES, ACCOUNTS)


def edmx(version: str = "4.0", entities: Sequence[Entity] = ENTITIES) -> str:
    """Return $metadata."""
    types = "".join(map(_type, entities))
    sets = "".join(
        f'<EntitySet Name="{one.name}" EntityType="NAV.{one.name}Type"/>' for one in entities
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><edmx:Edmx Version={quoteattr(version)}'
        f' xmlns:edmx="{EDMX}"><edmx:DataServices>'
        f'<Schema Namespace="Microsoft.NAV" Alias="NAV" xmlns="{EDM}">'
        '<EnumType Name="customerType"><Member Name="Person" Value="0"/></EnumType>'
        '<TypeDefinition Name="code" UnderlyingType="Edm.String"/>'
        '<ComplexType Name="postalAddress"><Property Name="city" Type="Edm.String"/></ComplexType>'
        f'<EntityType Name="crmbaseentity" Abstract="true"/>{types}'
        f'<EntityContainer Name="System">{sets}<Singleton Name="me" Type="NAV.customersType"/>'
        "</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    )


def _type(entity: Entity) -> str:
    key = "".join(f'<PropertyRef Name="{name}"/>' for name in entity.key)
    properties = "".join(
        f'<Property Name="{name}" Type="{type_}" Nullable="{str(name not in entity.key).lower()}"/>'
        for name, type_ in entity.types.items()
    )
    base = "" if entity.base is None else f' BaseType="NAV.{entity.base}"'
    return (
        f'<EntityType Name="{entity.name}Type"{base}><Key>{key}</Key>{properties}'
        f'<NavigationProperty Name="company" Type="NAV.companiesType"/></EntityType>'
    )
