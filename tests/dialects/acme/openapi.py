"""Acme's API as an OpenAPI 3.1 document."""

from typing import Any


def document() -> dict[str, Any]:
    """Return the document."""
    message = {"$ref": "#/components/schemas/Message"}
    answered = {"description": "The message.", "content": {"application/json": {"schema": message}}}
    asked = {
        "type": "object",
        "required": ["to", "text"],
        "properties": {"to": {"type": "string", "examples": ["+2348012345678"]}, "text": {"type": "string"}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "SMS, as Acme's API has it", "version": "1.0"},
        "security": [{"key": []}],
        "paths": {
            "/messages": {
                "post": {
                    "operationId": "send",
                    "requestBody": {"content": {"application/json": {"schema": asked}}},
                    "responses": {"200": answered},
                }
            },
            "/messages/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "get": {"operationId": "get", "responses": {"200": answered}},
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Acme-Key"}},
            "schemas": {
                "Message": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string", "format": "uuid"},
                        "status": {"type": "string"},
                        "parts": {"type": ["integer", "null"]},
                    },
                }
            },
        },
    }
