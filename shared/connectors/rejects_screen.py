"""The screen that every page passes on its way to a dataset: what cannot be loaded stays behind.

A page is looked at column by column, by tests that cost little. Only where one of them has a doubt
its records are looked at one by one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from math import isnan
from typing import Any
from uuid import UUID

from dlt.common.normalizers.json.relational import DataItemNormalizer
from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.schema.typing import TTableSchemaColumns

from shared.connectors.rejects import (
    MOST_REJECTS,
    Flaw,
    Reject,
    RejectReason,
    is_storable,
    make_reject,
    text_of_key,
    too_many_rejects,
)
from shared.connectors.rejects_values import (
    Doubt,
    are_plain,
    flaw_of_column,
    flaw_of_fields,
    page_is_plain,
)
from shared.domain.fault import Fault
from shared.errors import PermanentError

Record = dict[str, Any]

_NAMING = NamingConvention(max_length=63)
_KEY_BYTES = 2_600
"""An entry of PostgreSQL's index has 2,704 bytes, with a head and padding."""
_PART_BYTES = 12
"""What a part of a key takes at most beside its letters."""
_SHORT = frozenset({int, bool, date, datetime, time, UUID})
_WRITTEN = frozenset({str, Decimal, float})
_KEY_TYPES: Mapping[str, type] = {"text": str, "bigint": int, "double": float}
_MOST_FIELDS = 1_598
"""PostgreSQL's tables have 1,600 columns at most, of which dlt has two."""
_SAFE_FIELDS = 400
_ROW_BYTES = 8_000
"""A row has to fit into a page of 8,192 bytes, where of a long text only a pointer stands."""
_POINTER_BYTES = 18
_KEYLESS = frozenset({RejectReason.NOT_AN_OBJECT, RejectReason.KEY_MISSING, RejectReason.KEY_TYPE})


def column_name(field: str) -> str:
    """Return the name that a field of a source has in the dataset."""
    if not field or field.isspace():
        return DataItemNormalizer.EMPTY_KEY_IDENTIFIER
    return _NAMING.normalize_identifier(field)


class Screen:
    """Lets the records of one stream pass, page by page, and keeps what it rejects.

    `doubts` are the columns of a typed stream whose values may be refused; without them any field
    may hold anything, and `hints` are dlt's for some, which may come to be known page by page.
    `carried` are then the columns that records had, NULL or not.
    """

    def __init__(
        self,
        stream: str,
        key: Sequence[str],
        doubts: Mapping[str, Doubt] | None = None,
        hints: TTableSchemaColumns | None = None,
    ) -> None:
        self.rejects: dict[str, Reject] = {}
        self.flaws: Counter[Flaw] = Counter()
        self._stream = stream
        self._key = key
        self._doubts = doubts
        self._hints = {} if hints is None else hints
        self._fields: dict[str, list[str]] = {}
        self._known: set[str] = set()
        self._carried: set[str] = set()
        self._key_types: dict[str, type] = {}
        self._temporal_key = self._columns_of_time() if doubts is not None else frozenset()

    @property
    def carried(self) -> frozenset[str]:
        """Return the dataset's names of the fields of records that passed; nothing if typed."""
        return frozenset(column_name(str(field)) for field in self._carried)

    @property
    def keys(self) -> Sequence[Mapping[str, str]]:
        """Return the keys of rejected records, as text, that a row of the dataset may have."""
        keys = [reject.key for reject in self.rejects.values() if reject.key is not None]
        return [key for key in keys if all(map(is_storable, key.values()))]

    @property
    def has_rejected_unknown(self) -> bool:
        """Tell whether a record was rejected of which nobody can tell which row it is."""
        return any(reject.key is None for reject in self.rejects.values())

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many records were rejected, by reason."""
        counts: Counter[str] = Counter()
        for flaw, times in self.flaws.items():
            counts[flaw.reason.value] += times
        return counts

    def passed(self, pages: Iterable[list[Record]]) -> Iterator[list[Record]]:
        """Yield what can be loaded of each page, if anything.

        Raises `PermanentError` if more than `MOST_REJECTS` cannot, or the fields need more columns
        than a table has.
        """
        for page in pages:
            good = page if self._is_plain(page) else self._sorted_out(page)
            if good:
                yield good

    def _is_plain(self, page: list[Record]) -> bool:
        """Tell, at little cost, whether surely all of a page can be loaded."""
        if set(map(type, page)) != {dict}:
            return False
        if not all(self._are_plain_keys(name, page) for name in self._key):
            return False
        if max(map(len, page)) > _SAFE_FIELDS:
            return False
        if self._doubts is not None:
            return all(
                are_plain([record.get(name) for record in page], doubt)
                for name, doubt in self._doubts.items()
            )
        fields = _fields_of(page)
        self._learn(fields)
        if self._clashes() or not page_is_plain(page):
            return False
        self._carried |= fields
        return True

    def _are_plain_keys(self, name: str, page: list[Record]) -> bool:
        values = [record.get(name) for record in page]
        kinds = set(map(type, values))
        if len(kinds) != 1 or kinds != {self._key_types.setdefault(name, type(values[0]))}:
            return False
        if kinds <= _SHORT:
            return True
        if name in self._temporal_key:
            return False
        if not kinds <= _WRITTEN:
            return False
        texts = list(map(str, values))
        most = _KEY_BYTES // len(self._key) - _PART_BYTES
        return max(map(len, texts)) * 4 <= most and not (kinds == {float} and "nan" in texts)

    def _learn(self, fields: set[str]) -> None:
        """Take note of the fields that records have."""
        for field in fields - self._known:
            self._known.add(field)
            self._fields.setdefault(column_name(str(field)), []).append(field)
        if len(self._fields) > _MOST_FIELDS:
            raise PermanentError(
                f"The records of {self._stream} have more than {_MOST_FIELDS:,} fields, and a table"
                " of the dataset has no more columns: leave fields out.",
                fault=Fault.SCHEMA,
            )

    def _clashes(self) -> list[list[str]]:
        return [fields for fields in self._fields.values() if len(fields) > 1]

    def _sorted_out(self, page: list[Record]) -> list[Record]:
        if self._doubts is None:
            self._learn(_fields_of([record for record in page if type(record) is dict]))
        good: list[Record] = []
        for record in page:
            flaw = self._flaw(record)
            if flaw is None:
                good.append(record)
            else:
                self._reject(record, flaw)
        if self._doubts is None:
            self._carried |= _fields_of(good)
        return good

    def _reject(self, record: Record, flaw: Flaw) -> None:
        key = None if flaw.reason in _KEYLESS else self._written_key(record)
        reject = make_reject(record, flaw, key)
        self.rejects[reject.record_hash] = reject
        self.flaws[reject.flaw] += 1
        if self.flaws.total() > MOST_REJECTS:
            raise too_many_rejects(self._stream, self.flaws)

    def _written_key(self, record: Record) -> Mapping[str, str]:
        return {
            column_name(name): text_of_key(_instant(self._part(record, name))) for name in self._key
        }

    def _flaw(self, record: Record) -> Flaw | None:
        if type(record) is not dict:
            return Flaw(RejectReason.NOT_AN_OBJECT)
        return self._flaw_of_key(record) or self._flaw_of_names(record) or self._flaw_within(record)

    def _flaw_within(self, record: Record) -> Flaw | None:
        if self._doubts is None:
            flaw = flaw_of_fields(record, self._types())
        else:
            columns = self._doubts.items()
            flaws = (flaw_of_column(name, record.get(name), doubt) for name, doubt in columns)
            flaw = next(filter(None, flaws), None)
        if flaw is None and len(record) > _SAFE_FIELDS and _width(record) > _ROW_BYTES:
            return Flaw(RejectReason.TOO_WIDE)
        return flaw

    def _flaw_of_names(self, record: Record) -> Flaw | None:
        for fields in self._clashes():
            found = [field for field in fields if field in record]
            if len(found) > 1:
                return Flaw(RejectReason.NAMES_CLASH, ", ".join(map(str, found)))
        return None

    def _flaw_of_key(self, record: Record) -> Flaw | None:
        size = 0
        for name in self._key:
            value = self._part(record, name)
            # A NaN becomes a NULL on its way, but not as a decimal.
            if value is None or (isinstance(value, float) and isnan(value)):
                return Flaw(RejectReason.KEY_MISSING, name)
            if self._doubts is None and not self._fits_key(name, value):
                return Flaw(RejectReason.KEY_TYPE, name)
            if name in self._temporal_key and isinstance(value, str):
                # What Python has no date for comes as text, and would land beside the key.
                return Flaw(RejectReason.TIME_OUT_OF_RANGE, name)
            size += len(text_of_key(value).encode(errors="replace")) + _PART_BYTES
        return Flaw(RejectReason.KEY_TOO_LONG, ", ".join(self._key)) if size > _KEY_BYTES else None

    def _fits_key(self, name: str, value: Any) -> bool:
        hinted = self._types().get(name)
        if hinted is not None:
            first = _KEY_TYPES.get(hinted)
            return first is None or _goes_with(first, value)
        first = self._key_types.get(name, type(None))
        if first is type(None):
            first = self._key_types[name] = type(value)
        return _goes_with(first, value)

    def _types(self) -> Mapping[str, str]:
        types = {name: hint.get("data_type") for name, hint in self._hints.items()}
        return {name: kind for name, kind in types.items() if kind is not None}

    def _columns_of_time(self) -> frozenset[str]:
        """Return the columns of the key that hold dates or times."""
        types = self._types()
        return frozenset(name for name in self._key if types.get(name) in ("date", "timestamp"))

    def _part(self, record: Record, name: str) -> Any:
        """Return a part of the key, whose name dlt does not take by its letters."""
        if name in record:
            return record[name]
        others = self._fields.get(column_name(name), ())
        return next((record[other] for other in others if other in record), None)


def _fields_of(page: Sequence[Record]) -> set[str]:
    return set[Any]().union(*page)


def _goes_with(first: type, value: Any) -> bool:
    """Tell whether dlt brings a value into a column of the first one's type."""
    if type(value) is first:
        return True
    if first is str:
        return not isinstance(value, dict | list | bytes)
    if first is float:
        return type(value) is int
    return first is int and type(value) is str and value.isascii() and value.isdigit()


def _instant(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return value.replace(tzinfo=value.tzinfo or UTC)


def _width(record: Record) -> int:
    """Return about how many bytes of a row a record's values take at least."""
    return sum(map(_bytes, record.values()))


def _bytes(value: Any) -> int:
    match value:
        case None:
            return 0
        case bool():
            return 1
        case str():
            return min(len(value) + 1, _POINTER_BYTES)
        case int() | float() | datetime() | date() | time():
            return 8
        case Decimal():
            return 5
        case _:
            return _POINTER_BYTES
