"""The standard formats of PATCH: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902).

A patch of any format becomes members to remove from the record and members to set, so that the
decisions of an application about changes apply to all formats. These are functions of plain values.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from cliquet.core import jsonio
from cliquet.core.lazy import LazyModule
from cliquet.resource.parameters import InvalidParameter
from cliquet.storage.ordering import json_equal
from cliquet.types import JSONValue, Record
from cliquet.web.requests import JSON_PATCH, MERGE_PATCH, PATCH_CONTENT_TYPES

if TYPE_CHECKING:
    import jsonpatch
    import jsonpointer
else:
    # Few clients send a JSON Patch.
    jsonpatch, jsonpointer = LazyModule("jsonpatch"), LazyModule("jsonpointer")

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
"""Greatest number of operations in one JSON Patch."""

MAX_COPIED_BYTES = 2**22
"""Greatest size that the ``copy`` operations of one JSON Patch may duplicate, in bytes of JSON.

Each of them can double the document, so that a few hundred characters could fill the memory."""

MAX_COPIED_VALUES = 100_000
"""Greatest number of JSON values that they may duplicate.

Small values take up to a hundred times their bytes in memory."""

MAX_PATH_PARTS = 2 * jsonio.MAX_DEPTH
"""Greatest number of parts, and of escapes (RFC 6901 3), in a path of a JSON Patch.

It is twice the limit of bodies, because an operation may nest a value that the next one takes
out."""

# The members that an operation needs besides `op` and `path` (RFC 6902 4).
_NEEDED = {
    "add": "value",
    "replace": "value",
    "test": "value",
    "move": "from",
    "copy": "from",
    "remove": "path",
}
# An index has ASCII digits without a leading zero (RFC 6901 4). No array is longer than that.
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")

_NO_OPERATION = "it is not an operation of RFC 6902"


class Difference(NamedTuple):
    """The changes from one object to another, at the root.

    Attributes
    ----------
    removed : names of the members that are removed.
    members : members that are new or have another value.
    """

    removed: list[str]
    members: Record


def difference(before: Mapping[str, JSONValue], after: Mapping[str, JSONValue]) -> Difference:
    """Return the changes from `before` to `after`."""
    return Difference(
        [name for name in before if name not in after],
        {
            name: value
            for name, value in after.items()
            if name not in before or not json_equal(before[name], value)
        },
    )


def check_shape(content_type: str, patch: JSONValue) -> None:
    """Refuse a body that is not a patch, whatever the record is.

    Parameters
    ----------
    content_type : one of :data:`PATCH_CONTENT_TYPES`.
    patch : the parsed body.

    Raises
    ------
    InvalidParameter : a merge patch is not an object, and would replace the record by another type
        (RFC 7396 2); or a JSON Patch is not an array of operations. For a wrong operation, the name
        is its index.
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
    """Refuse a record that is too deep for a body, so that a client could not send it back (D-12).

    A patch may nest values more deeply than a body may.

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
    """Return the patched document; `document` and `patch` are not changed.

    Parameters
    ----------
    content_type : one of :data:`PATCH_CONTENT_TYPES`.
    patch : patch that :func:`check_shape` has accepted.

    Raises
    ------
    InvalidParameter : the patch does not fit the document; for JSON Patch, the name is the index of
        the wrong operation.
    """
    patched = _merge(document, patch) if content_type == MERGE_PATCH else _operate(document, patch)
    if not isinstance(patched, dict):
        raise InvalidParameter("body", None, "The result of the patch is not an object")
    return patched


def _merge(target: JSONValue, patch: JSONValue) -> JSONValue:
    """Apply a merge patch (RFC 7396 2); its depth is limited, like that of bodies."""
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
    """Apply a JSON Patch (RFC 6902) operation by operation, so that a wrong one can be named."""
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
    """An operation fails although its paths are correct; the text says why."""


@contextmanager
def _naming(index: int) -> Iterator[None]:
    """Name the operation in the error if it fails.

    Raises
    ------
    InvalidParameter : the operation has failed.
    """
    try:
        yield
    except _RefusedError as error:
        reason = str(error)
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        LookupError,
        # Some releases of the libraries raise this too.
        TypeError,
        # Earlier operations may have nested a value more deeply than the recursion limit of Python.
        RecursionError,
    ):
        reason = "its path does not lead anywhere"
    else:
        return
    raise _failure(index, reason)


def _operated(document: JSONValue, operation: Record) -> JSONValue:
    """Apply one operation in place; return the document, which may be another object.

    Raises
    ------
    LookupError : a path does not lead anywhere.
    _RefusedError : a ``test`` fails.
    """
    name, path = operation["op"], operation["path"]
    parts = _parts(path)
    if name == "test":
        # The library treats true and 1 as equal, but JSON does not.
        if not json_equal(_find(document, parts), operation["value"]):
            raise _RefusedError("the value tested is another one")
        return document
    if name == "remove":
        return _changed(document, "remove", path)
    if name not in ("move", "copy"):
        # It is a copy, because later operations may change it, and the patch may be applied again
        #
        return _changed(document, name, path, copy.deepcopy(operation["value"]))
    source = _parts(operation["from"])
    value = _find(document, source)
    if name == "copy":
        return _changed(document, "add", path, copy.deepcopy(value))
    if parts == source:
        return document
    if parts[: len(source)] == source:
        raise LookupError("moved inside itself")
    # The value is not copied, because a copy at each move would cost as much as the value.
    return jsonpatch.JsonPatch([operation]).apply(document, in_place=True)


def _changed(document: JSONValue, name: str, path: str, value: JSONValue = None) -> JSONValue:
    """Add, replace or remove a value, and return the document.

    Paths are checked here too, because releases of the libraries differ in what they accept: some
    treat the characters of a text as its items.
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
    LookupError : there is no value.
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
    """Return the unescaped parts of a path.

    Raises
    ------
    jsonpointer.JsonPointerException : it is not a JSON Pointer (RFC 6901 3).
    """
    parts: list[str] = jsonpointer.JsonPointer(pointer).parts
    return parts


def _has_long_path(operation: JSONValue) -> bool:
    """Return whether a path has more parts than a document has levels, without splitting it."""
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
