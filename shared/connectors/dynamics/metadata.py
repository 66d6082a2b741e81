"""What a service says of its entity sets in $metadata: an EDMX document of OData v4."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError, TransientError

_EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
_EDMX = "{http://docs.oasis-open.org/odata/ns/edmx}Edmx"
_VERSION = "4."
_MOST_BASES = 20
"""How far types are derived from one another; more is a circle."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property of an entity, by its type of `Edm`; any other type is nested or a list."""

    name: str
    type: str
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class EntitySet:
    """What can be read of one entity set; without a key its records cannot be told apart."""

    name: str
    key: tuple[str, ...]
    properties: Mapping[str, Property]


@dataclass(slots=True)
class _Type:
    base: str | None
    key: tuple[str, ...]
    properties: list[Property]


@dataclass(slots=True)
class _Reading:
    types: dict[str, _Type] = field(default_factory=dict[str, _Type])
    plain: dict[str, str] = field(default_factory=dict[str, str])
    """Types that stand for one of `Edm`, by name."""
    sets: dict[str, str] = field(default_factory=dict[str, str])
    aliases: dict[str, str] = field(default_factory=dict[str, str])

    def name_of(self, name: str) -> str:
        """Return a qualified name with its namespace in place of an alias."""
        prefix, dot, last = name.rpartition(".")
        return f"{self.aliases.get(prefix, prefix)}{dot}{last}"


def read_metadata(document: bytes) -> Mapping[str, EntitySet]:
    """Return the entity sets of a service by name.

    Raises `TransientError` for what is no XML, most often a page of a proxy or of maintenance, and
    `PermanentError` for a service of another version.
    """
    try:
        reading = _read(document)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise TransientError(
            "The source gave no metadata that can be read. If it stays so, check the connector's"
            " settings.",
            code=Reason.SOURCE_UNAVAILABLE,
            fault=Fault.SCHEMA,
        ) from error
    return {name: _entity_set(reading, name, type_) for name, type_ in reading.sets.items()}


def _read(document: bytes) -> _Reading:
    """Read the document; raises what its parser does."""
    reading = _Reading()
    namespace = ""
    for event, element in iterparse(BytesIO(document), events=("start", "end")):
        match event, element.tag.removeprefix(_EDM):
            case "start", tag if tag == _EDMX:
                _check_version(element)
            case "start", "Schema":
                namespace = element.attrib["Namespace"]
                reading.aliases[element.get("Alias", namespace)] = namespace
            case "end", "EntityType":
                reading.types[f"{namespace}.{element.attrib['Name']}"] = _type(element)
                element.clear()
            case "end", "EnumType":
                reading.plain[f"{namespace}.{element.attrib['Name']}"] = "Edm.String"
                element.clear()
            case "end", "TypeDefinition":
                name = f"{namespace}.{element.attrib['Name']}"
                reading.plain[name] = element.attrib["UnderlyingType"]
            case "end", "EntitySet":
                reading.sets[element.attrib["Name"]] = element.attrib["EntityType"]
            case "end", "ComplexType" | "Action" | "Function" | "Annotations":
                element.clear()  # Dataverse's document has megabytes of them
            case _:
                pass
    return reading


def _check_version(element: Element) -> None:
    if not element.get("Version", "").startswith(_VERSION):
        raise PermanentError(
            "The source speaks another version of OData than v4: check the connector's settings.",
            code=Reason.CONFIGURATION,
            fault=Fault.SCHEMA,
        )


def _type(element: Element) -> _Type:
    key = tuple(part.attrib["Name"] for part in element.iterfind(f"{_EDM}Key/{_EDM}PropertyRef"))
    return _Type(element.get("BaseType"), key, list(_properties(element)))


def _properties(element: Element) -> Iterator[Property]:
    for found in element.iterfind(f"{_EDM}Property"):
        is_nullable = found.get("Nullable", "true") != "false"
        yield Property(found.attrib["Name"], found.attrib["Type"], is_nullable)


def _entity_set(reading: _Reading, name: str, type_name: str) -> EntitySet:
    """Return an entity set with what its type inherits, in the order of the document."""
    key: tuple[str, ...] = ()
    properties: dict[str, Property] = {}
    wanted: str | None = type_name
    for _ in range(_MOST_BASES):
        found = None if wanted is None else reading.types.get(reading.name_of(wanted))
        if found is None:
            break
        key = found.key or key
        own = {one.name: _resolved(reading, one) for one in found.properties}
        properties = {**own, **properties}
        wanted = found.base
    return EntitySet(name, key, properties)


def _resolved(reading: _Reading, found: Property) -> Property:
    plain = reading.plain.get(reading.name_of(found.type))
    return found if plain is None else Property(found.name, plain, found.is_nullable)
