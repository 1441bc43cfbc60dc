"""The shards of a resource: their number, and what excludes several of them (E-23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cliquet import settings
from cliquet.core.mistakes import listed
from cliquet.resource.checks.findings import Finding
from cliquet.resource.schema import ResourceSchema
from cliquet.settings.families import MAX_SHARDS

__all__ = ["number_of", "shards"]


def number_of(resource_cls: Any, resource_name: str, configured: Mapping[str, Any]) -> int:
    """Return the number of shards of a resource; the setting wins over the class."""
    number = settings.read(configured, f"{resource_name}_shards")
    declared: int = resource_cls.shards if number is None else number
    return declared


def shards(
    resource_cls: Any, resource_name: str, configured: Mapping[str, Any]
) -> Iterator[Finding]:
    """Find a number that is none, and unique fields of a resource with several shards."""
    given = resource_cls.shards
    if type(given) is not int or not 1 <= given <= MAX_SHARDS:
        yield Finding(f"shards is {given!r}; allowed: a number from 1 to {MAX_SHARDS}.")
        return
    number = number_of(resource_cls, resource_name, configured)
    mapping = resource_cls.mapping
    # What is no schema is another mistake.
    unique = mapping.get_option("unique_fields") if isinstance(mapping, ResourceSchema) else ()
    if number > 1 and unique:
        yield Finding(
            f"it has {number} shards, and the unique fields {listed(unique)}; allowed: one of the "
            "two, because values are compared under the lock of one shard."
        )
