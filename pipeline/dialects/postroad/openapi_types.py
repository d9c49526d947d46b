"""Schemas of single fields for the OpenAPI document of Postroad's own API, and how objects are made of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from schema.message_class import MessageClass
from schema.vocabulary import Code, Encoding

Json = dict[str, Any]


def page(name: str, more: Mapping[str, Json] | None = None) -> Json:
    """Return the schema of a page of these items, with further properties."""
    return closed({"data": {"type": "array", "items": ref(name)}, "next_cursor": TEXT_OR_NULL, **(more or {})})


def closed(properties: Mapping[str, Json], may: Iterable[str] = ()) -> Json:
    """Return the schema of an object of these fields only, of which those in `may` are optional."""
    optional = set(may)
    required = [name for name in properties if name not in optional]
    found: Json = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return found | {"required": required} if required else found


def or_null(name: str) -> Json:
    """Return a reference to a schema, or null."""
    return {"anyOf": [ref(name), {"type": "null"}]}


def ref(name: str) -> Json:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Json = {"type": "string"}
TEXT_OR_NULL: Json = {"type": ["string", "null"]}
ID: Json = {"type": "string", "format": "uuid"}
TIME: Json = {"type": "string", "format": "date-time"}
TIME_OR_NULL: Json = {"type": ["string", "null"], "format": "date-time"}
FLAG: Json = {"type": "boolean"}
#: a count
WHOLE: Json = {"type": "integer", "minimum": 0}
WHOLE_OR_NULL: Json = {"type": ["integer", "null"], "minimum": 0}

ENCODING: Json = {"enum": [*(str(each) for each in Encoding), None]}
CLASS: Json = {"enum": [str(each) for each in MessageClass]}
CODE: Json = {"enum": [str(each) for each in Code]}

NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"
REFERENCE: Json = {"type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": NO_CONTROLS}
COUNTRY: Json = {"type": ["string", "null"], "pattern": "^[A-Z]{2}$", "description": "ISO 3166-1 alpha-2."}
MERGE: Json = {
    "type": "object",
    "maxProperties": 100,
    "propertyNames": {"minLength": 1, "maxLength": 255, "pattern": NO_CONTROLS},
    "additionalProperties": {"type": "string", "maxLength": 1600, "pattern": r"^[^\x00]*$"},
    "description": "Values of the merge fields `${name}` of the text.",
}
#: one recipient of a request
RECIPIENT: Json = closed(
    {
        "to": {"type": "string", "maxLength": 1600, "description": "E.164; without a plus a number of `country`."},
        "merge": MERGE,
        "correlation_id": REFERENCE,
        "country": COUNTRY,
    },
    ["merge", "correlation_id", "country"],
)
#: what is sent, by requests and campaigns
MESSAGE: Json = {
    "sender": {"type": "string", "minLength": 1, "maxLength": 20, "pattern": NO_CONTROLS},
    "body": {
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": 1600,
        "pattern": r"^[^\x00]*$",
        "description": "The text; or give `template`.",
    },
    "template": {
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": 64,
        "pattern": NO_CONTROLS,
        "description": "Slug or id of a template; or give `body`.",
    },
    "merge": MERGE,
    "country": COUNTRY,
    "send_at": TIME_OR_NULL | {"description": "Not before this time."},
    "valid_until": TIME_OR_NULL | {"description": "Not after this time."},
    "test": FLAG | {"description": "Goes to no real carrier, costs nothing. Always so with a test key."},
}
