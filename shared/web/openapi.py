"""The routes as an OpenAPI 3.1 document: nothing in it is written twice."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from shared.flow.callers import CHOICE
from shared.web.operations import ANYONE, VERIFIED, Answers, Operation
from shared.web.refusals import refusals_of
from shared.web.repeats import HEADER, KEY_PATTERN, REPLAYED, InProgressError
from shared.web.shapes.base import Problem

Schema = dict[str, Any]

_REF = "#/components/schemas/{model}"
_PATH_PART = re.compile(r"<(?:(?P<form>[a-z]+):)?(?P<name>[a-z_]+)>")
_PATH_FORMS: Mapping[str | None, Schema] = {
    "uuid": {"type": "string", "format": "uuid"},
    "path": {"type": "string", "minLength": 1, "maxLength": 500},
    None: {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$"},
}
_INFO = {
    "title": "Syncline API",
    "version": "2",
    "description": (
        "Connectors, their schedules and runs. Errors are RFC 9457 problems with a stable `code`;"
        " lists come in pages (`limit`, `cursor`, and a `Link` to the next); times are RFC 3339 in"
        " UTC; unknown fields and parameters are refused."
    ),
}


class _Untitled(GenerateJsonSchema):
    """Schemas whose fields have no titles: they would repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's form)
        """Answer that no field's should."""
        return False


class _Schemas:
    """The schemas of shapes and bodies, each referred to by its name."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        inputs: dict[tuple[int, str], tuple[Any, Any, TypeAdapter[Any]]] = {}
        for mode, type_ in _types_of(operations):
            inputs[id(type_), mode] = (id(type_), mode, TypeAdapter(type_))
        self._refs, rest = TypeAdapter.json_schemas(
            inputs.values(), schema_generator=_Untitled, ref_template=_REF
        )
        self.components: Schema = dict(sorted(rest["$defs"].items()))
        for operation in operations:
            if operation.method == "PATCH" and operation.takes.body is not None:
                self._leave_out_defaults(operation.takes.body.__name__)

    def of_answer(self, shape: Any) -> JsonSchemaValue:
        """Return the schema of an answer."""
        return self._refs[id(shape), "serialization"]

    def of_body(self, model: Any) -> JsonSchemaValue:
        """Return the schema of a body."""
        return self._refs[id(model), "validation"]

    def _leave_out_defaults(self, name: str) -> None:
        # What a change leaves out stays as it is, whatever the model has in its place.
        for schema in self.components[name]["properties"].values():
            schema.pop("default", None)


def describe(operations: Iterable[Operation]) -> Schema:
    """Return the document for these routes."""
    operations = list(operations)
    schemas = _Schemas(operations)
    paths: dict[str, Schema] = {}
    for operation in operations:
        path = _PATH_PART.sub(r"{\g<name>}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({one.tag for one in operations})],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key of a workspace: `syn_…`.",
                },
                "operator_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of whoever runs the deployment.",
                },
                "bearer_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": (
                        "A token of a person, of an issuer that the deployment trusts. Who is a"
                        " member of several workspaces names one (`workspace`)."
                    ),
                },
                "workspace": {
                    "type": "apiKey",
                    "in": "header",
                    "name": CHOICE,
                    "description": (
                        "With the token of a person: the id of the workspace that it is to speak"
                        " for. It proves nothing; who is a member of one alone may leave it out."
                    ),
                },
            },
        },
    }


def _types_of(operations: Iterable[Operation]) -> Iterable[tuple[Any, Any]]:
    yield "serialization", Problem
    for operation in operations:
        shapes = [operation.answers.shape, *operation.answers.otherwise.values()]
        yield from (("serialization", shape) for shape in shapes if shape is not None)
        if operation.takes.body is not None:
            yield "validation", operation.takes.body


def _operation(operation: Operation, schemas: _Schemas) -> Schema:
    role = f"Needs the role {operation.access}."
    if operation.access == ANYONE:
        role = "" if operation.takes.operator_token else "Open to everybody."
    elif operation.access == VERIFIED:
        role = "Needs a key or a token, and no role."
    shown: Schema = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": f"{operation.description} {role}".strip(),
        "security": _security(operation),
        "parameters": [*_path_parameters(operation), *_query(operation), *_headers(operation)],
        "responses": _responses(operation, schemas),
    }
    takes = operation.takes
    if takes.body is not None:
        content: Schema = {"schema": schemas.of_body(takes.body)}
        if takes.examples:
            content["examples"] = {
                name.replace(" ", "_"): {"summary": name, "value": value}
                for name, value in takes.examples.items()
            }
        shown["requestBody"] = {
            "required": not takes.body_is_optional,
            "content": {"application/json": content},
        }
    elif takes.is_raw:
        shown["requestBody"] = {"required": False, "content": {"*/*": {"schema": {}}}}
    return shown


def _security(operation: Operation) -> list[Schema]:
    if operation.access != ANYONE:
        person: Schema = {"bearer_token": []}
        return [{"api_key": []}, {**person, "workspace": []}, person]
    return [{"operator_token": []}] if operation.takes.operator_token else []


def _path_parameters(operation: Operation) -> list[Schema]:
    return [
        {
            "name": part["name"],
            "in": "path",
            "required": True,
            "schema": _PATH_FORMS[part["form"]],
        }
        for part in _PATH_PART.finditer(operation.path)
    ]


def _query(operation: Operation) -> list[Schema]:
    model = operation.takes.query
    if model is None:
        return []
    shown = model.model_json_schema(schema_generator=_Untitled)
    defined = shown.get("$defs", {})
    required = shown.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, **_parameter(schema, defined)}
        for name, schema in shown.get("properties", {}).items()
    ]


def _parameter(schema: Schema, defined: Mapping[str, Schema]) -> Schema:
    """Return schema and description of a parameter; one that is left out is no null."""
    [own, *_] = schema.get("anyOf", [schema])
    named = defined.get(own.get("$ref", "").rpartition("/")[2], {})
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    merged = {**named, **own, **rest}
    merged.pop("$ref", None)
    if merged.get("default", ...) is None:
        del merged["default"]
    description = merged.pop("description", None)
    return {"schema": merged} | ({"description": description} if description else {})


def _headers(operation: Operation) -> list[Schema]:
    found: list[Schema] = []
    if operation.takes.premise:
        description = "The ETag that was read: refused with 412 if somebody changed it since."
        found.append(_header("If-Match", {"type": "string"}, description))
    if operation.takes.key:
        pattern = f"^{KEY_PATTERN}$"
        description = "For 24 hours the same key gets the same answer; a random UUID is best."
        found.append(_header(HEADER, {"type": "string", "pattern": pattern}, description))
    if _is_tagged(operation) and operation.method == "GET":
        description = "The ETag that is there already: answered with 304 if nothing changed."
        found.append(_header("If-None-Match", {"type": "string"}, description))
    for name, purpose in operation.takes.headers.items():
        found.append(_header(name, {"type": "string"}, purpose))
    return found


def _header(name: str, schema: Schema, description: str) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "schema": schema,
        "description": description,
    }


def _is_tagged(operation: Operation) -> bool:
    answers = operation.answers
    is_read = operation.method == "GET" and operation.access != ANYONE
    has_version = answers.shape is not None and (is_read or answers.version is not None)
    return has_version or answers.is_tagged


def _responses(operation: Operation, schemas: _Schemas) -> Schema:
    answers = operation.answers
    shown: Schema = {str(answers.status.value): _answer(operation, schemas)}
    for status, shape in answers.otherwise.items():
        shown[str(status.value)] = {
            "description": status.phrase,
            "content": {"application/json": {"schema": schemas.of_answer(shape)}},
        }
    if _is_tagged(operation) and operation.method == "GET":
        shown["304"] = {"description": "Nothing changed", "headers": _answer_headers("ETag")}
    for status, codes in refusals_of(operation).items():
        shown[str(status.value)] = _refusal(status, codes, schemas)
    return dict(sorted(shown.items()))


def _answer(operation: Operation, schemas: _Schemas) -> Schema:
    answers = operation.answers
    names = ["X-Request-Id"]
    if _is_tagged(operation):
        names.append("ETag")
    if operation.takes.query is not None and "cursor" in operation.takes.query.model_fields:
        names.append("Link")
    if answers.location:
        names.append("Location")
    if operation.takes.key:
        names.append(REPLAYED)
    shown: Schema = {"description": answers.status.phrase, "headers": _answer_headers(*names)}
    if answers.shape is not None:
        shown["content"] = {answers.media_type: {"schema": schemas.of_answer(answers.shape)}}
    elif answers.status != HTTPStatus.NO_CONTENT:
        shown["content"] = {
            media_type: _text(answers, media_type)
            for media_type in (answers.media_type, *answers.other_media_types)
        }
    if answers.links:
        shown["links"] = {
            link.operation: {
                "operationId": link.operation,
                "parameters": {
                    name: f"$response.body#{pointer}" for name, pointer in link.parameters.items()
                },
            }
            for link in answers.links
        }
    return shown


def _text(answers: Answers, media_type: str) -> Schema:
    shown: Schema = {"schema": {"type": "string"}}
    example = answers.examples.get(media_type)
    return shown if example is None else {**shown, "example": example}


def _answer_headers(*names: str) -> Schema:
    return {name: {"schema": {"type": "string"}} for name in names}


def _refusal(status: HTTPStatus, codes: Iterable[str], schemas: _Schemas) -> Schema:
    names = ["X-Request-Id"]
    asks_again = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    if status in asks_again or InProgressError.code in codes:
        names.append("Retry-After")
    return {
        "description": f"{status.phrase}: {', '.join(f'`{code}`' for code in sorted(codes))}",
        "headers": _answer_headers(*names),
        "content": {"application/problem+json": {"schema": schemas.of_answer(Problem)}},
    }
