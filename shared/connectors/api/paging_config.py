"""How an API splits its records into pages: one of these, by `type`."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from shared.connectors.json_http.texts import MODEL, JsonPath, Name

_LARGEST_PAGE = 5_000
_Size = Annotated[int, Field(ge=1, le=_LARGEST_PAGE)]


class _SizedPages(BaseModel):
    """Pages whose size may be asked for."""

    model_config = MODEL

    size_parameter: Name | None = Field(
        default=None, description="Parameter that asks for a page size.", examples=["per_page"]
    )
    size: _Size | None = Field(default=None, description="Records a page.", examples=[100])

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if (self.size_parameter is None) != (self.size is None):
            raise ValueError("size_parameter and size belong together: give both or none")
        return self

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the parameters that paging sets."""
        return () if self.size_parameter is None else (self.size_parameter,)

    def sized(self, *, smallest: bool = False) -> dict[str, int]:
        """Return the parameters that ask for a page size, or for a page of one record."""
        if self.size_parameter is None or self.size is None:
            return {}
        return {self.size_parameter: 1 if smallest else self.size}


class NoPages(BaseModel):
    """One answer holds everything."""

    model_config = MODEL

    type: Literal["none"] = "none"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the parameters that paging sets."""
        return ()

    def sized(self, *, smallest: bool = False) -> dict[str, int]:  # noqa: ARG002 (as the others)
        """Return no parameters: there is no page size to ask for."""
        return {}


class LinkHeaderPages(_SizedPages):
    """The next page stands in the header Link (RFC 8288), as GitHub has it."""

    type: Literal["link_header"]
    relation: Name = Field(default="next", description="The rel of the link to follow.")


class NextUrlPages(_SizedPages):
    """The address of the next page stands in the answer."""

    type: Literal["next_url"]
    path: JsonPath = Field(
        description="Where the answer has it; nothing, null or an empty text ends the stream.",
        examples=["links.next", "'@odata.nextLink'"],
    )


class PageNumberPages(_SizedPages):
    """Pages are asked for by their number, until one is empty or the last is reached."""

    type: Literal["page_number"]
    parameter: Name = Field(default="page", examples=["page"])
    first: int = Field(default=1, ge=0, le=1, description="The number of the first page.")
    total_pages_path: JsonPath | None = Field(
        default=None,
        description="Where the answer says how many pages there are. Without it the stream"
        " ends at an empty page.",
        examples=["meta.total_pages"],
    )
    stop_at_short_page: bool = Field(
        default=False,
        description="End at a page with fewer records than size, too, which saves a request. Only"
        " for an API that fills its pages and gives pages as large as they are asked for.",
    )

    @model_validator(mode="after")
    def _check_short(self) -> Self:
        if self.stop_at_short_page and self.size is None:
            raise ValueError("stop_at_short_page needs size_parameter and size: give them")
        return self

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the parameters that paging sets."""
        return (self.parameter, *super().parameters)


class OffsetPages(BaseModel):
    """Records are counted: each request says how many to skip, by how many there were."""

    model_config = MODEL

    type: Literal["offset"]
    parameter: Name = Field(default="offset", examples=["offset", "skip"])
    limit_parameter: Name = Field(default="limit", examples=["limit", "top"])
    limit: _Size = Field(default=100, description="Records a page.")
    total_path: JsonPath | None = Field(
        default=None,
        description="Where the answer says how many records there are. Without it the stream"
        " ends at an empty page.",
        examples=["meta.total"],
    )
    stop_at_short_page: bool = Field(
        default=False,
        description="End at a page with fewer records than limit, too, which saves a request. Only"
        " for an API that fills its pages and gives pages as large as they are asked for.",
    )

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the parameters that paging sets."""
        return (self.parameter, self.limit_parameter)

    def sized(self, *, smallest: bool = False) -> dict[str, int]:
        """Return the parameters that ask for a page size, or for a page of one record."""
        return {self.limit_parameter: 1 if smallest else self.limit}


class CursorPages(_SizedPages):
    """Each answer has a mark of where the next page begins."""

    type: Literal["cursor"]
    path: JsonPath = Field(
        description="Where the answer has it; nothing, null or an empty text ends the stream.",
        examples=["meta.next_cursor"],
    )
    parameter: Name = Field(default="cursor", examples=["cursor", "page_token"])

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the parameters that paging sets."""
        return (self.parameter, *super().parameters)


Pagination = Annotated[
    NoPages | LinkHeaderPages | NextUrlPages | PageNumberPages | OffsetPages | CursorPages,
    Field(discriminator="type"),
]
