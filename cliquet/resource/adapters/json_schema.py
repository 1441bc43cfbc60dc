"""A JSON Schema as the schema of a resource."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyramid.exceptions import ConfigurationError

from cliquet.core.mistakes import did_you_mean, listed
from cliquet.resource.adapters import verdicts
from cliquet.resource.adapters.base import AdaptedSchema, SchemaOptions
from cliquet.resource.adapters.described import inlined

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    # Type checkers know it without the package.
    from typing_extensions import Unpack

__all__ = ["JSONSchema"]


class JSONSchema(AdaptedSchema):
    """A schema of records that is a JSON Schema, draft 2020-12 (E-8.16).

    A value is stored as it was sent. Absent members get their ``default``. Undeclared ones are
    dropped, unless ``additionalProperties`` or another keyword declares them; with
    ``"additionalProperties": False``, they are refused. It needs the extra ``jsonschema``.

    Parameters
    ----------
    schema : of the type ``object``. References lead to places within it, as in
        ``#/$defs/Place``.
    options : those of ``ResourceSchema.Options``, which win over ``additionalProperties``.

    Raises
    ------
    ImportError : the extra ``jsonschema`` is not installed.
    pyramid.exceptions.ConfigurationError : it is no JSON Schema, or none of objects.

    .. versionadded:: 3.2
    """

    _judges_only = True

    def __init__(self, schema: Mapping[str, Any], **options: Unpack[SchemaOptions]) -> None:
        library = _library()
        caller = sys._getframe(1)
        place = f"{caller.f_code.co_filename}:{caller.f_lineno}: JSONSchema"
        try:
            library.Draft202012Validator.check_schema(schema)
            described = inlined(schema)
        except library.exceptions.SchemaError as error:
            path = "/".join(map(str, error.absolute_path))
            raise ConfigurationError(
                f"{place}: it is no JSON Schema (draft 2020-12): {error.message} at {path!r}."
            ) from None
        except LookupError as error:
            raise ConfigurationError(
                f"{place}: it refers to {error.args[0]!r}; allowed: what the schema itself has, as "
                "in '#/$defs/Place'."
            ) from None
        if described.get("type") != "object":
            raise ConfigurationError(
                f"{place}: its type is {described.get('type')!r}; allowed: 'object'."
            )
        _refuse_unsatisfiable(described, place)
        self._judge = verdicts.judge_of(library, schema)
        super().__init__(described, options, None, place)

    def _validated(self, given: dict[str, Any], faults: dict[str, str]) -> Any:
        try:
            for path, text in self._judge(given):
                faults.setdefault(path, text)
        except RecursionError:
            # A schema that refers to itself takes more of the stack than the reader of JSON.
            faults[""] = "Nested too deeply"
        return given


def _refuse_unsatisfiable(described: Mapping[str, Any], place: str) -> None:
    """Refuse a schema that requires what it forbids, so that no record would fit.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : it does.
    """
    declared = described.get("properties", {})
    if described.get("additionalProperties") is not False or "patternProperties" in described:
        return
    for name in described.get("required", ()):
        # A client may send these, whatever the schema declares.
        if name not in declared and name not in ("id", "last_modified"):
            raise ConfigurationError(
                f"{place}: required has {name!r}, which is not among its properties, and "
                "additionalProperties is false, so that no record fits; allowed: "
                f"{listed(declared)}{did_you_mean(name, declared)}"
            )


def _library() -> Any:
    try:
        import jsonschema
    except ImportError as error:
        raise ImportError(
            f"{error}: JSONSchema needs the extra 'jsonschema' (pip install 'cliquet[jsonschema]')"
        ) from error
    return jsonschema
