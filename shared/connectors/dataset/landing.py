"""Where each column of a load lands in the dataset, so that every value stays what it is.

A source column has a column of its own name, its home. Where its type changed and the home cannot
take the new values exactly, they land in a variant beside it, `<name>__v_<kind>`, which is dlt's
name for a column of that use. A row that a merge writes has its value in one of them, and nothing
in the others.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from shared.connectors.dataset.column_types import kind_of, needed_type
from shared.errors import PermanentError

NEW_CONNECTOR = "load everything again with a new connector"

_NAME_BYTES = 63
"""PostgreSQL cuts a longer name."""


@dataclass(frozen=True, slots=True)
class LoadTable:
    """One table of a load: its name and key, and its qualified, quoted names to and from.

    Of several staged rows with one key the one with the greatest `newest_by` counts. `variants` are
    the staged columns that dlt made for values of another type, with the source column of each.
    `carried` are source columns that records had; one that none had a value in is not staged.
    """

    name: str
    key: Sequence[str]
    target: str
    staging: str
    newest_by: str | None = None
    variants: Mapping[str, str] = field(default_factory=dict[str, str])
    carried: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class HeldColumn:
    """A column that the dataset has: its type, and the source column that its mark names."""

    kind: str
    variant_of: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """What the dataset's column `lands_in` has to become for the values of a source column.

    `was` is the type that it has or, if it has to be made, that of the column beside it; None if
    there is neither.
    """

    column: str
    was: str | None
    becomes: str
    lands_in: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Landing:
    """By staged column the dataset's column it lands in, and what has to be done for that.

    `emptied` are the other columns of the same source columns, NULL in every row that is written.
    `marks` are the columns to be marked as variants, with the source column of each.
    """

    columns: Mapping[str, str]
    emptied: Sequence[str]
    changes: Sequence[ColumnChange]
    marks: Mapping[str, str]

    @property
    def widened(self) -> Sequence[ColumnChange]:
        """Return the changes of columns that are there."""
        return [change for change in self.changes if not change.is_new]


@dataclass(frozen=True, slots=True)
class TypeRules:
    """What a dataset's own types mean for a landing.

    `needed` returns the type that a column of the first needs to take values of the second, or None
    if there is none; `kind` returns dlt's name for a type.
    """

    needed: Callable[[str, str], str | None]
    kind: Callable[[str], str]


POSTGRESQL = TypeRules(needed_type, kind_of)


def plan_landing(
    table: LoadTable,
    held: Mapping[str, HeldColumn],
    staged: Mapping[str, str],
    in_use: Collection[str] = (),
    rules: TypeRules = POSTGRESQL,
) -> Landing:
    """Return where the staged columns, given with their types, land among those that are held.

    Columns `in_use` keep their types. Raises `PermanentError` if a part of the primary key is gone
    or cannot be held exactly: beside the old one it would not find the rows of before.
    """
    _check_key(table, held, staged, rules)
    plan = _Plan(held, staged, in_use, rules)
    families: dict[str, list[str]] = {}
    for name in staged:
        if name in table.key:
            plan.land_key(name)
        else:
            families.setdefault(table.variants.get(name, name), []).append(name)
    for source, names in families.items():
        plan.land(source, names)
    for source in sorted(set(table.carried) - set(families) - set(staged)):
        plan.empty(source)
    return Landing(plan.columns, plan.emptied, plan.changes, plan.marks)


class _Plan:
    """A landing under way: source columns are added one after the other."""

    def __init__(
        self,
        held: Mapping[str, HeldColumn],
        staged: Mapping[str, str],
        in_use: Collection[str],
        rules: TypeRules,
    ) -> None:
        self._rules = rules
        self._held = held
        self._staged = staged
        self._in_use = in_use
        self.columns: dict[str, str] = {}
        self.emptied: list[str] = []
        self.changes: list[ColumnChange] = []
        self.marks: dict[str, str] = {}

    def land_key(self, name: str) -> None:
        """Land a column of the key, which has one column in the dataset and fits into it."""
        self.columns[name] = name
        needed = self._rules.needed(self._held[name].kind, self._staged[name])
        if needed is not None:
            self._widen(name, name, needed)

    def land(self, source: str, names: Sequence[str]) -> None:
        """Land what was staged of a source column: its values, and those that dlt set apart."""
        family = self._family(source, names)
        home = self._held[source].kind if source in family else None
        # Values of the home's own type go home before those that would fit there as well.
        for name in sorted(names, key=lambda name: self._staged[name] != home):
            room = self._room(source, self._staged[name], family)
            if room is not None:
                self._widen(source, *room)
                self.columns[name] = room[0]
            else:
                self.columns[name] = self._make(source, name, home)
        landed = set(self.columns.values())
        self.emptied += [column for column in family if column not in landed]

    def empty(self, source: str) -> None:
        """Empty whatever holds the values of a source column that has none in this load."""
        self.emptied += self._family(source, ())

    def _family(self, source: str, names: Sequence[str]) -> Sequence[str]:
        """Return the held columns of a source column, and mark those that have no mark yet.

        What dlt staged as a variant is one in the dataset too, also in a table that dlt has made.
        """
        own = [name for name, column in self._held.items() if _is_of(source, name, column)]
        made_by_dlt = [
            name
            for name in names
            if name != source and name in self._held and self._held[name].variant_of is None
        ]
        self.marks |= dict.fromkeys(made_by_dlt, source)
        return [*own, *made_by_dlt]

    def _room(self, source: str, kind: str, family: Sequence[str]) -> tuple[str, str] | None:
        """Return the best column for values of this type, and the type that it needs for them.

        Home as it is comes first. Then a variant of this kind, since values that land there already
        go on together; so a home that is in use is not tried again by every load.
        """
        taken, kind_of = set(self.columns.values()), self._rules.kind
        ranked: list[tuple[int, str, str]] = []
        for column in family:
            now, is_home = self._held[column].kind, column == source
            needed = self._rules.needed(now, kind)
            if needed is None or column in taken or not (is_home or kind_of(now) == kind_of(kind)):
                continue
            if needed == now:
                ranked.append((0 if is_home else 1, column, needed))
            elif column not in self._in_use:
                ranked.append((3 if is_home else 2, column, needed))
        best = min(ranked, key=lambda entry: entry[0], default=None)
        return None if best is None else (best[1], best[2])

    def _widen(self, source: str, column: str, needed: str) -> None:
        now = self._held[column].kind
        if needed != now:
            self.changes.append(ColumnChange(source, now, needed, column, is_new=False))

    def _make(self, source: str, name: str, home: str | None) -> str:
        kind, column = self._staged[name], name
        if name in self._held:
            taken = {*self._held, *self._staged, *self.columns.values()}
            column = variant_name(source, self._rules.kind(kind), taken)
        self.changes.append(ColumnChange(source, home, kind, column, is_new=True))
        if column != source:
            self.marks[column] = source
        return column


def variant_name(source: str, kind: str, taken: Collection[str]) -> str:
    """Return the first free name of a variant: `amount__v_text`, `amount__v_text_2` and so on."""
    endings = (f"__v_{kind}{'' if number == 1 else f'_{number}'}" for number in count(1))
    names = (_cut(source, _NAME_BYTES - len(ending)) + ending for ending in endings)
    return next(name for name in names if name not in taken)


def _cut(name: str, most_bytes: int) -> str:
    return name.encode()[:most_bytes].decode(errors="ignore")


def _is_of(source: str, name: str, column: HeldColumn) -> bool:
    """Tell whether a held column is the home of a source column or a marked variant of it.

    A variant that a person gave the name of its source is the home.
    """
    return column.variant_of == source or (name == source and column.variant_of is None)


def _check_key(
    table: LoadTable,
    held: Mapping[str, HeldColumn],
    staged: Mapping[str, str],
    rules: TypeRules,
) -> None:
    key = [name for name in staged if name in table.key]
    lost = [name for name in key if name not in held or not _is_of(name, name, held[name])]
    if lost:
        raise PermanentError(
            f"The dataset's table {table.name} has no {', '.join(lost)}, which is in the primary"
            f" key: restore the column, or {NEW_CONNECTOR}."
        )
    misfits = [name for name in key if rules.needed(held[name].kind, staged[name]) is None]
    if misfits:
        told = "; ".join(
            f"{table.name}.{name} is {held[name].kind} there, and arrives as {staged[name]}"
            for name in misfits
        )
        raise PermanentError(
            f"The dataset cannot hold every value exactly: {told}. It is in the primary key:"
            f" {NEW_CONNECTOR}."
        )
