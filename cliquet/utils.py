"""Pure helpers for all layers and for applications.

Some public names belong to higher layers (`COMPARISON`, the functions for sub-requests). They can
still be imported here, and are forwarded at their first use, so that this module imports no other
layer.
"""

from __future__ import annotations

import base64
import copy
import hmac
import importlib
import json as _stdlib_json
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from cliquet.core import jsonio
from cliquet.core.literals import NotALiteralError, read_literal

__all__ = [
    "MAX_KEY_BYTES",
    "DeprecatedMeta",
    "classname",
    "current_resource_name",
    "current_service",
    "decode64",
    "decode_header",
    "dict_subset",
    "encode64",
    "encode_header",
    "environment_name",
    "hmac_digest",
    "is_storable",
    "is_storable_key",
    "is_storable_parent",
    "json",
    "json_serializer",
    "merge_dicts",
    "msec_time",
    "native_value",
    "random_bytes_hex",
    "read_env",
    "strip_uri_prefix",
    "strip_whitespace",
]

_FORWARDED: Final = {
    "COMPARISON": "cliquet.storage.query",
    "build_request": "cliquet.web.requests",
    "build_response": "cliquet.web.requests",
    "follow_subrequest": "cliquet.web.requests",
    "reapply_cors": "cliquet.web.requests",
}


def __getattr__(name: str) -> Any:
    """Forward the public names that are defined in higher layers (PEP 562)."""
    if name == "sqlalchemy":
        # Test suites of applications skip tests if it is None. The import must not cost anything
        # for others.
        try:
            return importlib.import_module("sqlalchemy")
        except ImportError:
            return None
    if name in _FORWARDED:
        return getattr(importlib.import_module(_FORWARDED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_FORWARDED, "sqlalchemy"])


# Text and values


def strip_whitespace(v: Any) -> Any:
    """Strip space, tab, carriage return and newline at both ends of a text.

    Any other value, such as ``colander.null``, is returned unchanged.
    """
    return v.strip(" \t\r\n") if isinstance(v, str) else v


# Databases limit the size of an index entry, which may be a principal, an object URI and a
# permission together, or the ids of a record with the value of a field.
MAX_KEY_BYTES: Final = 512


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def is_storable_key(text: str) -> bool:
    """Return whether a text may be part of a stored key: it can be stored, and is not too long.

    A value that is not a text is the mock of a test, and does not come from a client (P-31.1).
    """
    if not isinstance(text, str):
        return True
    if text.isascii():
        return "\0" not in text and len(text) <= MAX_KEY_BYTES
    if not is_storable(text):
        return False
    # A character has at most 4 bytes.
    return 4 * len(text) <= MAX_KEY_BYTES or len(text.encode()) <= MAX_KEY_BYTES


def is_storable_parent(parent_id: str, variables: Mapping[str, Any] | None) -> bool:
    """Return whether records may have such a parent, which may come from a URL.

    Parameters
    ----------
    variables : the values of the variables of the URL.
    """
    written = ""
    for name, value in variables.items() if variables else ():
        # Most URLs have no other variable.
        if name != "id" and isinstance(value, str):
            written += value
    # Shareable resources have the empty parent.
    return (not parent_id or is_storable_key(parent_id)) and (
        not written or is_storable_key(written)
    )


def is_storable(text: str) -> bool:
    """Return whether every database can store a text: it has no NUL and no lone surrogate.

    .. versionadded:: 3.2
    """
    return "\0" not in text and (text.isascii() or _SURROGATE.search(text) is None)


def classname(obj: object) -> str:
    """Return the lower-case name of the class of an instance."""
    return obj.__class__.__name__.lower()


_BOOLEANS: Final = {
    "on": True,
    "true": True,
    "yes": True,
    "off": False,
    "false": False,
    "no": False,
}
# First characters of a literal. Most texts begin with another one, and need no further test.
_LITERAL_STARTS: Final = frozenset("0123456789-+.'\"([{NuUrR \t\r\n\f")
_PLAIN_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)


def native_value(value: Any) -> Any:
    """Convert a text to the value that it means.

    ``on``, ``true`` and ``yes`` are true, ``off``, ``false`` and ``no`` false, in any case. A
    literal of the Python language becomes its value, if it is ``None``, a boolean, a number, a
    text, or a list, tuple or dictionary of these. Any other text stays the same: nothing is
    evaluated (D-18), and no text makes this function raise.

    Parameters
    ----------
    value : text to convert; values of other types are returned unchanged.
    """
    if not isinstance(value, str):
        return value
    boolean = _BOOLEANS.get(value.lower())
    if boolean is not None:
        return boolean
    if value[:1] not in _LITERAL_STARTS:
        return value
    if _PLAIN_INTEGER.fullmatch(value):
        return int(value)
    try:
        return read_literal(value)
    except NotALiteralError:
        return value


def encode64(content: str | bytes, encoding: str = "utf-8") -> str:
    """Return the base64 text of a text."""
    raw = content.encode(encoding) if isinstance(content, str) else content
    return base64.b64encode(raw).decode("ascii")


def decode64(encoded_content: str | bytes, encoding: str = "utf-8") -> str:
    """Return the decoded text of base64; characters outside of its alphabet are skipped.

    Raises
    ------
    ValueError : the input is not base64, or its content is not text in `encoding`.
    """
    return base64.b64decode(encoded_content).decode(encoding)


def hmac_digest(secret: str | bytes, message: str, encoding: str = "utf-8") -> str:
    """Return the hexadecimal HMAC-SHA256 of a message."""
    key = secret.encode(encoding) if isinstance(secret, str) else secret
    return hmac.digest(key, message.encode(encoding), "sha256").hex()


def random_bytes_hex(bytes_length: int) -> str:
    """Return `bytes_length` bytes from a secure source as hexadecimal digits."""
    return os.urandom(bytes_length).hex()


def encode_header(value: Any, encoding: str = "utf-8") -> Any:
    """Return the native text of a header that is text or bytes.

    Values of other types are returned unchanged.
    """
    return decode_header(value, encoding) if isinstance(value, bytes) else value


def decode_header(value: str | bytes, encoding: str = "utf-8") -> str:
    """Return the text of a header that is text or bytes.

    Bytes that are not valid in `encoding` are read as Latin-1, the encoding of WSGI, because a
    damaged header of a client must not raise an error.
    """
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode(encoding)
    except UnicodeDecodeError:
        return value.decode("latin-1")


URI_PREFIX: Final = re.compile(r"/v[0-9]+(?=[/?#]|\Z)")


def strip_uri_prefix(path: str) -> str:
    """Remove the version prefix, which is a complete first segment ``/v<digits>``."""
    path = str(path)
    match = URI_PREFIX.match(path)
    return path[match.end() :] if match else path


# Dictionaries


def merge_dicts(a: MutableMapping[Any, Any], b: Mapping[Any, Any]) -> None:
    """Add the members of `b` that `a` lacks to `a`, in place and recursively.

    Values in `a` are never replaced, whatever their type. Containers of `b` are copied, so that one
    mapping of defaults may serve many targets.
    """
    for key, value in b.items():
        if key not in a:
            a[key] = copy.deepcopy(value) if isinstance(value, (dict, list)) else value
        elif isinstance(a[key], dict) and isinstance(value, dict):
            merge_dicts(a[key], value)


def dict_subset(d: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return a new dictionary with the members that `keys` name.

    Parameters
    ----------
    d : dictionary to select from; it is not modified.
    keys : names of members; dots select inside dictionaries (``address.street``). A member of `d`
        whose own name contains the dots wins over the nested reading, as in filters. Unknown names
        are ignored; below an existing dictionary they give an empty one. If a value on the way is
        not a dictionary, it is returned whole (D-33).
    """
    return _subset(d, keys, is_root=True)


def _subset(d: Mapping[str, Any], keys: Iterable[str], *, is_root: bool) -> dict[str, Any]:
    subset: dict[str, Any] = {}
    inner_keys: dict[str, list[str]] = {}
    for key in keys:
        head, dot, tail = key.partition(".")
        if key in d and (is_root or not dot):
            subset[key] = d[key]
        elif not dot or head not in d:
            continue
        elif isinstance(d[head], dict):
            inner_keys.setdefault(head, []).append(tail)
        else:
            subset[head] = d[head]
    for head, tails in inner_keys.items():
        # A member that is also selected whole stays whole.
        if head not in subset:
            subset[head] = _subset(d[head], tails, is_root=False)
    return subset


# Clock and environment


def msec_time() -> int:
    """Return the current time in milliseconds since the Epoch, rounded down.

    Call it as ``utils.msec_time()``, because tests replace the attribute of this module (P-35.19).
    """
    return time.time_ns() // 1_000_000


def environment_name(key: str) -> str:
    """Return the environment variable for a spelling of a setting."""
    return key.replace(".", "_").replace("-", "_").upper()


def read_env(key: str, value: Any) -> Any:
    """Return the value of the setting `key` in the environment, else `value`.

    `native_value` converts both.
    """
    return native_value(os.environ.get(environment_name(key), value))


# JSON


def json_serializer(v: Any, **kw: Any) -> str:
    """Return the JSON text of any value; ``/`` is not escaped.

    Parameters
    ----------
    v : the value; `cliquet.core.jsonio.dumps` describes the result for types that JSON lacks.
    kw : ``default``, a function for objects without a JSON form, which renderers pass; ``indent``
        and ``sort_keys`` as in the standard library. Others are accepted and have no effect.
    """
    default: Callable[[Any], Any] | None = kw.get("default")
    text = jsonio.dumps(v, default=default).decode("utf-8")
    layout = {name: kw[name] for name in ("indent", "sort_keys") if kw.get(name)}
    if layout:
        return _stdlib_json.dumps(_stdlib_json.loads(text), ensure_ascii=False, **layout)
    return text


class _JSON:
    """The object ``cliquet.utils.json`` of applications, which works like the standard module."""

    dumps = staticmethod(json_serializer)
    loads = staticmethod(jsonio.loads)

    def __getattr__(self, name: str) -> Any:
        return getattr(_stdlib_json, name)


json: Final = _JSON()


# Requests


def current_service(request: Any) -> Any:
    """Return the service whose route the request matched, or ``None``.

    Call it as ``utils.current_service()``, because tests replace the attribute of this module
    (P-35.19).
    """
    route = getattr(request, "matched_route", None)
    if route is None:
        return None
    services = request.registry.cornice_services
    return services.get(route.pattern) or services.get(f"__cornice{route.name}")


def current_resource_name(request: Any) -> str | None:
    """Return the name of the resource of the request, or ``None``."""
    service = current_service(request)
    # The name was decided when the resource was registered.
    name = getattr(service, "resource_name", None)
    if isinstance(name, str):
        return name
    viewset = getattr(service, "viewset", None)
    if viewset is None:
        return None
    # An application has made the service itself, or it is the mock of a test.
    made: str = viewset.get_name(service.resource)
    return made


# Deprecations


class DeprecatedMeta(type):
    """Metaclass that gives a warning when somebody derives from a class that uses it.

    The text is the attribute ``__deprecation_warning__`` of the class.
    """

    def __new__(
        mcs, name: str, bases: tuple[type, ...], attrs: dict[str, Any], **kwargs: Any
    ) -> DeprecatedMeta:
        for base in bases:
            if isinstance(base, DeprecatedMeta):
                message = getattr(base, "__deprecation_warning__", "")
                warnings.warn(message, DeprecationWarning, stacklevel=2)
        return super().__new__(mcs, name, bases, attrs, **kwargs)
