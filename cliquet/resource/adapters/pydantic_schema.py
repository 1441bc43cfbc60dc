"""A model of pydantic as the schema of a resource."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyramid.exceptions import ConfigurationError

from cliquet.core import jsonio
from cliquet.core.mistakes import Place
from cliquet.resource.adapters.base import AdaptedSchema, SchemaOptions
from cliquet.resource.adapters.described import inlined

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    # Type checkers know it without the package.
    from typing_extensions import Unpack

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["PydanticSchema", "is_model"]


class PydanticSchema(AdaptedSchema):
    """A schema of records that a model of pydantic validates (E-8.15).

    What is stored is the JSON of the model, ``model_dump(mode="json", by_alias=True)``, without
    computed fields, and without the members that are ``None`` by default. It needs the extra
    ``pydantic``.

    Parameters
    ----------
    model : class of the records.
    options : those of ``ResourceSchema.Options``. They may also be in a class ``Options`` within
        the model. Without ``preserve_unknown`` and ``unknown``, the ``extra`` of the model decides:
        ``ignore``, ``allow`` or ``forbid``.

    Raises
    ------
    ImportError : the extra ``pydantic`` is not installed.
    pyramid.exceptions.ConfigurationError : the model cannot be the schema of records.

    .. versionadded:: 3.2
    """

    _judges_only = False

    def __init__(self, model: type[BaseModel], **options: Unpack[SchemaOptions]) -> None:
        library = _library()
        if not (isinstance(model, type) and issubclass(model, library.BaseModel)):
            raise ConfigurationError(
                f"PydanticSchema({model!r}): allowed: a class that derives from pydantic.BaseModel."
            )
        place = Place(model)
        try:
            described = inlined(model.model_json_schema(by_alias=True, mode="validation"))
        except library.errors.PydanticUserError as error:
            raise ConfigurationError(
                f"{place}: it cannot be described as JSON: {str(error).splitlines()[0]}"
            ) from error
        if described.get("type") != "object":
            raise ConfigurationError(f"{place}: it is no object; allowed: a model with fields.")
        _check_names(model, place)
        if model.model_config.get("extra") == "ignore":
            described.pop("additionalProperties", None)
        self.model = model
        self._error = library.ValidationError
        super().__init__(described, options, getattr(model, "Options", None), place)

    def _validated(self, given: dict[str, Any], faults: dict[str, str]) -> Any:
        try:
            # As JSON, a strict model takes the text of a date, and the faults are in words of JSON.
            record = self.model.model_validate_json(jsonio.dumps(given))
        except self._error as error:
            for found in error.errors(include_url=False, include_input=False):
                path, text = _path(found, given), _text(found)
                faults[path] = f"{faults[path]}; {text}" if path in faults else text
            return None
        return record.model_dump(mode="json", by_alias=True, round_trip=True)


def is_model(thing: Any) -> bool:
    """Return whether something is a model of pydantic, without importing pydantic."""
    base = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    return base is not None and isinstance(thing, type) and issubclass(thing, base)


def _library() -> Any:
    try:
        import pydantic
    except ImportError as error:
        raise ImportError(
            f"{error}: PydanticSchema needs the extra 'pydantic' (pip install 'cliquet[pydantic]')"
        ) from error
    return pydantic


def _check_names(model: type[BaseModel], place: Place) -> None:
    """Refuse fields with two names: PATCH validates what is stored once more."""
    for name, field in model.model_fields.items():
        read = field.validation_alias or name
        written = field.serialization_alias or name
        if read != written and not field.exclude:
            raise ConfigurationError(
                f"{place}: {name} is read as {read!r} and written as {written!r}; allowed: one "
                f"name, as in Field(alias={written!r})."
            )


def _path(found: Any, value: Any) -> str:
    """Return the path of a fault, without the names of alternatives that pydantic puts into it."""
    parts: list[str] = []
    loc: Iterable[str | int] = found["loc"]
    for position, part in enumerate(loc):
        is_last = position == len(found["loc"]) - 1
        is_position = isinstance(part, int) and isinstance(value, list) and part < len(value)
        if is_position or (isinstance(value, dict) and part in value):
            value = value[part]
        elif not (is_last and found["type"] == "missing") and parts:
            continue
        parts.append(str(part))
    return ".".join(parts)


def _text(found: Any) -> str:
    kind = found["type"]
    if kind == "missing":
        return "Required"
    if kind == "extra_forbidden":
        return "Unknown member"
    if kind in ("value_error", "assertion_error"):
        # These are words of the application.
        return str(found["ctx"]["error"])
    return str(found["msg"])
