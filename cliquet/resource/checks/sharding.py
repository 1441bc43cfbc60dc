"""The shards of a resource: their number, and what excludes several of them (E-23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyramid.exceptions import ConfigurationError

from cliquet import settings
from cliquet.core.mistakes import Place, listed
from cliquet.resource.checks.findings import Finding
from cliquet.resource.schema import ResourceSchema
from cliquet.resource.viewset import ViewSet
from cliquet.settings.families import MAX_SHARDS

__all__ = ["declare", "number_of", "shards"]


def number_of(resource_cls: Any, viewset: Any, configured: Mapping[str, Any]) -> int:
    """Return the number of shards of a resource.

    The setting wins over the keyword of the registration, and that one over the class.
    """
    number = settings.read(configured, f"{viewset.get_name(resource_cls)}_shards")
    declared: int = _declared(resource_cls, viewset) if number is None else number
    return declared


def _declared(resource_cls: Any, viewset: Any) -> Any:
    # An application may have made a viewset without our class, whose attributes may be anything.
    has_keyword = isinstance(viewset, ViewSet) and hasattr(viewset, "shards")
    return viewset.shards if has_keyword else resource_cls.shards


def declare(registry: Any, resource_cls: Any, number: int) -> None:
    """Tell the storage over how many shards the collections of a class are spread.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : another registration of the class, which serves the same
        collections, has another number.
    """
    known: dict[type, int] = vars(registry).setdefault("resource_shards", {})
    before = known.setdefault(resource_cls, number)
    if before != number:
        raise ConfigurationError(
            f"{Place(resource_cls)}: it has {number} shards, and another registration of the class"
            f" has {before}; allowed: one number, because both serve the same collections."
        )
    # This is also the default collection of an instance.
    registry.storage.declare_shards(resource_cls.__name__.lower(), number)


def shards(resource_cls: Any, viewset: Any, configured: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a number that is none, and unique fields of a resource with several shards."""
    given = _declared(resource_cls, viewset)
    if type(given) is not int or not 1 <= given <= MAX_SHARDS:
        yield Finding(f"shards is {given!r}; allowed: a number from 1 to {MAX_SHARDS}.")
        return
    number = number_of(resource_cls, viewset, configured)
    mapping = resource_cls.mapping
    # What is no schema is another mistake.
    unique = mapping.get_option("unique_fields") if isinstance(mapping, ResourceSchema) else ()
    if number > 1 and unique:
        yield Finding(
            f"it has {number} shards, and the unique fields {listed(unique)}; allowed: one of the "
            "two, because values are compared under the lock of one shard."
        )
