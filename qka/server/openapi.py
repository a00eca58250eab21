"""The HTTP side in OpenAPI, made from the table of methods."""

from typing import Any

import msgspec

from qka import __version__
from qka.server.methods import METHODS, Method

_KINDS = {
    "query": "Asks the terminal; changes nothing.",
    "order": "Places an order; with an Idempotency-Key once, however often it is sent.",
    "cancel": "Asks for a cancel; 0 says that it was sent on, not that it is done.",
    "recall": "Takes back orders that the terminal was not handed yet; the keys of those.",
    "transfer": "Moves money or shares between accounts. Off unless the server was told otherwise.",
    "local": "Answered by the server itself.",
}


def document() -> bytes:
    """The whole document, JSON."""
    _, schemas = msgspec.json.schema_components(
        [method.params for method in METHODS.values()], ref_template="#/components/schemas/{name}"
    )
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "QMTServer", "version": __version__},
            "security": [{"token": []}],
            "paths": {f"/api/{m.name}": {"post": _method(m)} for m in METHODS.values()}
            | {
                "/outcome/{key}": {"get": _get("What became of an order, by its key.", "key")},
                "/metrics": {"get": _get("Counters, for Prometheus.")},
                "/openapi.json": {"get": _get("This document.")},
                "/ws": {"get": _get("The WebSocket: calls, pushes and quotes.")},
                "/health": {"get": {**_get("How the server is."), "security": []}},
            },
            "components": {
                "schemas": schemas | {"Success": _SUCCESS, "Failure": _FAILURE},
                "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Token"}},
            },
        }
    )


def _method(method: Method) -> dict[str, Any]:
    headers = ["X-Deadline"]
    if method.kind in ("order", "transfer"):
        headers.append("Idempotency-Key")
    return {
        "operationId": method.name,
        "description": _KINDS[method.kind],
        "x-scope": method.scope,
        "parameters": [
            {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
            for name in headers
        ],
        "requestBody": {
            "required": True,
            "content": _content(f"#/components/schemas/{method.name}"),
        },
        "responses": _responses(),
    }


def _get(description: str, *path: str) -> dict[str, Any]:
    return {
        "description": description,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in path
        ],
        "responses": _responses(),
    }


def _responses() -> dict[str, Any]:
    failure = {"description": "not done", "content": _content("#/components/schemas/Failure")}
    return {
        "200": {"description": "done", "content": _content("#/components/schemas/Success")},
        "default": failure,
    }


def _content(ref: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": ref}}}


_SUCCESS = {
    "type": "object",
    "required": ["success", "data"],
    "properties": {"success": {"const": True}, "data": {}},
}
_FAILURE = {
    "type": "object",
    "required": ["success", "detail", "code", "outcome"],
    "properties": {
        "success": {"const": False},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "outcome": {"enum": ["executed", "not_executed", "unknown"]},
        "retry_after": {"type": "number"},
        "data": {},
    },
}
