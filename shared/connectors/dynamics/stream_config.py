"""What a workspace says about one entity set, checked before it is stored."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from shared.connectors.json_http.cursor_config import SyncMode
from shared.connectors.json_http.texts import MODEL, Text, each_once

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_KEY = 16
_MAX_COLUMNS = 1_000
_LONGEST_LOOK_BACK = 31 * 86_400

DELTA_LINK = "@odata.deltaLink"
"""The cursor of a stream with change tracking: what its watermark holds is such a link."""


def _identifier(text: str) -> str:
    if not _IDENTIFIER.fullmatch(text):
        raise ValueError("use the name as the service writes it: letters, digits and _ only")
    return text


Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=128), AfterValidator(_identifier)
]


class StreamConfig(BaseModel):
    """One entity set. Names are as the service writes them, capitals included."""

    model_config = MODEL

    entity: Identifier = Field(
        description="Name of the entity set, which the dataset's table is named after.",
        examples=["customers", "accounts"],
    )
    sync_mode: SyncMode = Field(default=SyncMode.INCREMENTAL, strict=False)
    delta: bool = Field(
        default=False,
        description="Dataverse only: ask for changes by change tracking, which tells of deletions,"
        " too. The table has to have it turned on.",
    )
    cursor: Identifier | None = Field(
        default=None,
        description="Property that moves with every change; lastModifiedDateTime of Business"
        " Central and modifiedon of Dataverse if not given.",
        examples=["systemModifiedAt"],
    )
    look_back_seconds: int = Field(
        default=300,
        ge=0,
        le=_LONGEST_LOOK_BACK,
        description="Each sync starts so much before the newest value of the last one, since what"
        " is posted in a long transaction appears late. What is read again and did not change"
        " counts as nothing.",
    )
    ordered: bool = Field(
        default=True,
        description="Ask for records in the order of the cursor, so that a long sync keeps what it"
        " has when it breaks off. False for an entity set that cannot be sorted by it.",
    )
    filter: Text | None = Field(
        default=None,
        min_length=1,
        description="OData $filter that every record has to meet.",
        examples=["blocked eq 'All'"],
    )
    columns: Annotated[list[Identifier], Field(min_length=1, max_length=_MAX_COLUMNS)] | None = (
        Field(default=None, description="Properties besides key and cursor; all if not given.")
    )
    primary_key: Annotated[list[Identifier], Field(min_length=1, max_length=_MAX_KEY)] | None = (
        Field(default=None, description="If it is not the key that the service itself names.")
    )

    @model_validator(mode="after")
    def _check_once(self) -> Self:
        each_once(self.columns or (), "column")
        each_once(self.primary_key or (), "part of the key")
        return self

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if self.sync_mode is SyncMode.FULL_REFRESH and (self.cursor or self.delta):
            raise ValueError(
                "full_refresh reads the whole entity set: leave out cursor and delta, or choose"
                " incremental"
            )
        if self.delta and (self.cursor or self.filter or self.primary_key):
            raise ValueError(
                "change tracking takes no filter, and has a cursor and key of its own: leave out"
                " filter, cursor and primary_key, or delta"
            )
        return self

    def cursor_of(self, usual: str) -> str | None:
        """Return what the watermark is of, given the service's usual cursor; None if it has none.

        That is a property, or `DELTA_LINK`.
        """
        if self.sync_mode is SyncMode.FULL_REFRESH:
            return None
        return DELTA_LINK if self.delta else self.cursor or usual
