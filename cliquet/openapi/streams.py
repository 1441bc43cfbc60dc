"""The stream of changes that a list with tokens can be: events, one line of JSON each."""

from __future__ import annotations

from typing import Final

from cliquet.openapi.components import Components, Described
from cliquet.openapi.error_responses import error_schema

__all__ = ["described"]

_CHECKPOINT: Final[Described] = {
    "type": "object",
    "required": ["token"],
    "properties": {"token": {"type": "string", "description": "What to go on with."}},
}
_RESET: Final[Described] = {
    "type": "object",
    "required": ["reason"],
    "properties": {"reason": {"enum": ["horizon", "epoch", "view"]}},
}


def described(components: Components, change: Described) -> Described:
    """Return the media type of a stream, in the words that OpenAPI has since 3.2.

    Parameters
    ----------
    change : schema of a change.
    """
    data = {
        "change": change,
        "checkpoint": components.schema("Checkpoint", lambda: dict(_CHECKPOINT)),
        "reset": components.schema("Reset", lambda: dict(_RESET)),
        "end": error_schema(components),
    }
    return {"itemSchema": {"anyOf": [_event(name, schema) for name, schema in data.items()]}}


def _event(name: str, data: Described) -> Described:
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"const": name},
            "id": {"type": "string"},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": data,
            },
        },
    }
