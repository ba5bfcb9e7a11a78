"""The server's interface as an OpenAPI document, and as a self-contained page of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from pie_bench.serve.protocol import Batch, Job, Reply

_REFUSALS = {
    "400": "The body is not JSON.",
    "401": "The token is missing or unknown.",
    "403": "A server without tokens only serves this machine.",
    "408": "The body did not arrive in time.",
    "413": "Too large, or too many programs at once.",
    "415": "Not application/json.",
    "422": "A field is invalid, or names something this server does not offer.",
    "429": "The queue is full, or the client exceeded its rate: wait for Retry-After seconds.",
    "500": "The program could not be judged because of a fault on the server.",
}
_STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8886;padding:.3rem .6rem;text-align:left;
vertical-align:top}code,pre{font-family:ui-monospace,monospace}pre{padding:.6rem;overflow:auto;background:#8882}
"""
_EXAMPLE = """curl -s http://127.0.0.1:8399/v1/judge -H 'Content-Type: application/json' -d '
  {"program": "#include <cstdio>\\nint main() { puts(\\"2\\"); }", "tests": [{"input": "1\\n", "output": "2\\n"}]}'"""


def openapi(version: str, *, needs_token: bool) -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    from pydantic.json_schema import models_json_schema

    _, schemas = models_json_schema(
        [(Job, "validation"), (Batch, "validation"), (Reply, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    of = {name: {"$ref": f"#/components/schemas/{name}"} for name in schemas["$defs"]}
    replies = {
        "type": "object",
        "required": ["replies"],
        "properties": {"replies": {"type": "array", "items": of["Reply"]}},
    }
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    refusals = {
        status: {"description": why, "content": {"application/json": {"schema": error}}}
        for status, why in _REFUSALS.items()
    }
    judged = {
        "description": "The reply, or with `jobs` the replies in order; with Accept: application/x-ndjson one reply "
        "per line, as they finish.",
        "content": {
            "application/json": {"schema": {"oneOf": [of["Reply"], replies]}},
            "application/x-ndjson": {"schema": of["Reply"]},
        },
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "pie-bench serve",
            "version": version,
            "description": "Is a C++ program right, and how fast?",
        },
        "paths": {
            "/v1/judge": {
                "post": {
                    "summary": "Judges a program, or several.",
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"oneOf": [of["Job"], of["Batch"]]}}},
                    },
                    "responses": {"200": judged, **refusals},
                }
            },
            "/healthz": {"get": _simple("Whether the server is up, and what it offers.", "application/json")},
            "/metrics": {"get": _simple("Prometheus' metrics.", "text/plain")},
        },
        "components": {"schemas": schemas["$defs"]},
    }
    if needs_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path in ("/v1/judge", "/metrics"):
            for operation in document["paths"][path].values():
                operation["security"] = [{"token": []}]
    return document


def _simple(summary: str, kind: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": summary, "content": {kind: {}}}}}


def page(document: Mapping[str, Any]) -> str:
    """The document as one HTML page, without scripts or external requests."""
    info = document["info"]
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])} ",
            'For programs: <a href="openapi.json">openapi.json</a>.</p>',
            f"<pre>{escape(_EXAMPLE)}</pre>",
            *_paths(document),
            *_schemas(document),
            "</body></html>",
        ]
    )


def _paths(document: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            token = " Needs a token." if "security" in operation else ""
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}{token}</p>"
            yield "<table><tr><th>status</th><th></th></tr>"
            for status, response in operation["responses"].items():
                yield f"<tr><td>{status}</td><td>{escape(response['description'])}</td></tr>"
            yield "</table>"


def _schemas(document: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        yield f"<h2>{escape(name)}</h2><p>{escape(schema.get('description', ''))}</p>"
        yield "<table><tr><th>field</th><th>type</th><th></th></tr>"
        for field, of in schema.get("properties", {}).items():
            needed = " (required)" if field in schema.get("required", []) else ""
            about = escape(of.get("description", ""))
            yield f"<tr><td><code>{escape(field)}</code>{needed}</td><td>{escape(_type(of))}</td><td>{about}</td></tr>"
        yield "</table>"


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    if schema.get("type") == "array":
        return f"array of {_type(schema['items'])}" if "items" in schema else "array"
    return str(schema.get("type", "any"))
