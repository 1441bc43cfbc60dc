"""The standard formats of PATCH: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902), E-4.

Whatever the format, a patch becomes members to take out of the record and members to set, so that
what an application decides about changes holds for all of them. Functions of plain values.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import jsonpatch
import jsonpointer

from cliquet.core import jsonio
from cliquet.resource.parameters import InvalidParameter
from cliquet.storage.ordering import json_equal
from cliquet.types import JSONValue, Record
from cliquet.web.requests import JSON_PATCH, MERGE_PATCH, PATCH_CONTENT_TYPES

__all__ = [
    "JSON_PATCH",
    "MAX_COPIED_BYTES",
    "MAX_COPIED_VALUES",
    "MAX_OPERATIONS",
    "MAX_PATH_PARTS",
    "MERGE_PATCH",
    "PATCH_CONTENT_TYPES",
    "Difference",
    "apply",
    "check_depth",
    "check_shape",
    "difference",
]

MAX_OPERATIONS = 1000
"""Most operations of one JSON Patch."""

MAX_COPIED_BYTES = 2**22
"""Most that the ``copy`` operations of one JSON Patch may duplicate, in bytes of JSON: each of them
can double the document, so that a few hundred characters would fill the memory."""

MAX_COPIED_VALUES = 100_000
"""Most JSON values that they may duplicate: small ones take up to a hundred times their bytes."""

MAX_PATH_PARTS = 2 * jsonio.MAX_DEPTH
"""Most parts of a path of a JSON Patch, and most escapes (RFC 6901 3); an operation may
nest what the next one takes out again."""

# Members that an operation needs besides `op` and `path` (RFC 6902 4).
_NEEDED = {
    "add": "value",
    "replace": "value",
    "test": "value",
    "move": "from",
    "copy": "from",
    "remove": "path",
}
# RFC 6901 4: ASCII digits without leading zero. No array is longer than that.
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")

_NO_OPERATION = "it is not an operation of RFC 6902"


class Difference(NamedTuple):
    """How one object becomes another, at the root.

    Attributes
    ----------
    removed : names of the members that go.
    members : members that are new or have another value.
    """

    removed: list[str]
    members: Record


def difference(before: Mapping[str, JSONValue], after: Mapping[str, JSONValue]) -> Difference:
    """Return what makes `after` of `before`."""
    return Difference(
        [name for name in before if name not in after],
        {
            name: value
            for name, value in after.items()
            if name not in before or not json_equal(before[name], value)
        },
    )


def check_shape(content_type: str, patch: JSONValue) -> None:
    """Refuse what is no patch, whatever it is applied to.

    Parameters
    ----------
    content_type : one of :data:`PATCH_CONTENT_TYPES`.
    patch : the parsed body.

    Raises
    ------
    InvalidParameter : a merge patch that is no object, which would replace the record by something
        else (RFC 7396 2); a JSON Patch that is no array of operations. For a faulty
        operation, the name is its index.
    """
    if content_type == MERGE_PATCH:
        if not isinstance(patch, dict):
            raise InvalidParameter("body", None, "A merge patch of a record is an object")
        return
    if not isinstance(patch, list):
        raise InvalidParameter("body", None, "A JSON patch is an array of operations")
    if len(patch) > MAX_OPERATIONS:
        description = f"A JSON patch is limited to {MAX_OPERATIONS} operations"
        raise InvalidParameter("body", None, description)
    for index, operation in enumerate(patch):
        if _has_long_path(operation):
            raise _failure(index, f"a path has more than {MAX_PATH_PARTS} parts or escapes")
        if not _is_operation(operation):
            raise _failure(index, _NO_OPERATION)


def check_depth(record: Record) -> None:
    """Refuse a record that a response could not show, nor a client send back (D-12).

    A patch may nest what the limit on bodies would refuse.

    Raises
    ------
    InvalidParameter : with the payload around it, it has too many levels.
    """
    level: list[JSONValue] = [record]
    for _ in range(jsonio.MAX_DEPTH - 1):
        level = [inner for item in level for inner in _inner(item)]
        if not level:
            return
    description = f"The result of the patch has more than {jsonio.MAX_DEPTH} levels of nesting"
    raise InvalidParameter("body", None, description)


def apply(content_type: str, document: Record, patch: JSONValue) -> Record:
    """Return the document that a patch makes of `document`; both are left alone.

    Parameters
    ----------
    content_type : one of :data:`PATCH_CONTENT_TYPES`.
    patch : what :func:`check_shape` let pass.

    Raises
    ------
    InvalidParameter : the patch does not fit the document; for JSON Patch, the name is the index of
        the operation at fault.
    """
    patched = _merge(document, patch) if content_type == MERGE_PATCH else _operate(document, patch)
    if not isinstance(patched, dict):
        raise InvalidParameter("body", None, "The result of the patch is not an object")
    return patched


def _merge(target: JSONValue, patch: JSONValue) -> JSONValue:
    """Apply RFC 7396 2; bounded in depth as bodies are."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def _operate(document: Record, operations: Sequence[Record]) -> JSONValue:
    """Apply RFC 6902, one operation after the other so that the faulty one can be named."""
    patched: JSONValue = copy.deepcopy(document)
    copied_bytes = copied_values = 0
    for index, operation in enumerate(operations):
        with _naming(index):
            if operation["op"] == "copy":
                copied = _find(patched, _parts(operation["from"]))
                copied_values += jsonio.count_values(copied)
                if copied_values > MAX_COPIED_VALUES:
                    raise _RefusedError(f"copies are limited to {MAX_COPIED_VALUES} values")
                copied_bytes += len(jsonio.dumps(copied))
                if copied_bytes > MAX_COPIED_BYTES:
                    raise _RefusedError(f"copies are limited to {MAX_COPIED_BYTES} bytes")
            patched = _operated(patched, operation)
    return patched


class _RefusedError(Exception):
    """An operation fails although its paths are right; the text says why."""


@contextmanager
def _naming(index: int) -> Iterator[None]:
    """Tell which operation failed.

    Raises
    ------
    InvalidParameter : it did.
    """
    try:
        yield
    except _RefusedError as error:
        reason = str(error)
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        LookupError,
        # What some releases of the libraries raise as well.
        TypeError,
        # Of a value that earlier operations nested deeper than Python recurses.
        RecursionError,
    ):
        reason = "its path does not lead anywhere"
    else:
        return
    raise _failure(index, reason)


def _operated(document: JSONValue, operation: Record) -> JSONValue:
    """Apply one operation in place, and return the document, which may be another one.

    Raises
    ------
    LookupError : a path does not lead anywhere.
    _RefusedError : a ``test`` fails.
    """
    name, path = operation["op"], operation["path"]
    parts = _parts(path)
    if name == "test":
        # The library takes true for 1; JSON does not.
        if not json_equal(_find(document, parts), operation["value"]):
            raise _RefusedError("the value tested is another one")
        return document
    if name == "remove":
        return _changed(document, "remove", path)
    if name not in ("move", "copy"):
        # Later operations may change it, and the patch may be applied again.
        return _changed(document, name, path, copy.deepcopy(operation["value"]))
    source = _parts(operation["from"])
    value = _find(document, source)
    if name == "copy":
        return _changed(document, "add", path, copy.deepcopy(value))
    if parts == source:
        return document
    if parts[: len(source)] == source:
        raise LookupError("moved inside itself")
    # As it is: a copy would cost as much as the value, at each move.
    return jsonpatch.JsonPatch([operation]).apply(document, in_place=True)


def _changed(document: JSONValue, name: str, path: str, value: JSONValue = None) -> JSONValue:
    """Add, replace or remove a value, and return the document.

    Paths are judged here too: releases of the libraries differ in what they let pass, such as the
    characters of a text taken for its items.
    """
    parts = _parts(path)
    if name != "add":
        _find(document, parts)
    elif parts:
        parent = _find(document, parts[:-1])
        if isinstance(parent, list) and parts[-1] != "-" and not _INDEX.fullmatch(parts[-1]):
            raise LookupError(parts[-1])
    change = {"op": name, "path": path, "value": value}
    return jsonpatch.JsonPatch([change]).apply(document, in_place=True)


def _find(document: JSONValue, parts: Sequence[str]) -> JSONValue:
    """Return the value at a path (RFC 6901 4).

    Raises
    ------
    LookupError : there is none.
    """
    value = document
    for part in parts:
        if isinstance(value, dict):
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part):
            value = value[int(part)]
        else:
            raise LookupError(part)
    return value


def _parts(pointer: str) -> list[str]:
    """Return the unescaped members of a path.

    Raises
    ------
    jsonpointer.JsonPointerException : it is no JSON Pointer (RFC 6901 3).
    """
    parts: list[str] = jsonpointer.JsonPointer(pointer).parts
    return parts


def _has_long_path(operation: JSONValue) -> bool:
    """Whether a path has more parts than any document has levels, before it is split."""
    if not isinstance(operation, dict):
        return False
    paths = (operation.get("path"), operation.get("from"))
    return any(
        isinstance(path, str) and max(path.count("/"), path.count("~")) > MAX_PATH_PARTS
        for path in paths
    )


def _is_operation(operation: JSONValue) -> bool:
    if not isinstance(operation, dict):
        return False
    name = operation.get("op")
    needed = _NEEDED.get(name) if isinstance(name, str) else None
    if needed is None or needed not in operation:
        return False
    try:
        for member in ("path", needed) if needed == "from" else ("path",):
            if not isinstance(operation.get(member), str):
                return False
            _parts(operation[member])
    except jsonpointer.JsonPointerException:
        return False
    return True


def _failure(index: int, reason: str) -> InvalidParameter:
    return InvalidParameter("body", str(index), f"Operation {index} fails: {reason}")


def _inner(value: JSONValue) -> Sequence[JSONValue]:
    """Return the arrays and objects directly inside a value."""
    items = value.values() if isinstance(value, dict) else value
    return [item for item in items if isinstance(item, (dict, list))]
