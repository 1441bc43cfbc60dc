"""The settings of resources in the environment, which names them as it can: ``MY_THING``.

When the environment is read, nobody knows yet which resources there will be. The form of a name
tells that it is a setting of a resource. A resource whose own name a variable cannot have gets its
settings when it is registered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cliquet import utils
from cliquet.settings.families import FAMILIES
from cliquet.settings.model import Setting

__all__ = ["FAMILIES_OF_RESOURCES", "names_as_registered", "names_in_environment"]

FAMILIES_OF_RESOURCES: Final = tuple(row for row in FAMILIES if "{resource_name}" in row.name)
"""The families of settings that each resource has."""

# A variable that cannot be a setting of a resource is told apart by this, which costs the least.
_ENDINGS: Final = tuple({row.name.rsplit("_", 1)[1].upper() for row in FAMILIES_OF_RESOURCES})
_PATTERNS: Final = tuple(row.pattern() for row in FAMILIES_OF_RESOURCES)


def names_in_environment(environment: Mapping[str, str], project_name: str) -> Iterator[str]:
    """Yield the bare names of the settings of resources in the environment, in lower case.

    A variable needs the prefix of the library or of the project, because one without prefix may
    belong to another program.
    """
    prefixes = tuple(
        f"{utils.environment_name(prefix)}_" for prefix in ("cliquet", project_name) if prefix
    )
    for variable in environment:
        if not variable.endswith(_ENDINGS) or variable != variable.upper():
            continue
        for prefix in prefixes:
            bare = variable.removeprefix(prefix).lower()
            if variable.startswith(prefix) and any(one.fullmatch(bare) for one in _PATTERNS):
                yield bare
                break


def names_as_registered(given: Mapping[str, Any], resource_name: str) -> dict[str, str]:
    """Return the names that the settings of a resource have by its own name.

    Parameters
    ----------
    given : settings as the environment names them.
    resource_name : name of the resource. There is nothing to return if a variable can have it.

    Returns
    -------
    For each name with the name of the resource, the one of `given`.
    """
    spelled = utils.environment_name(resource_name).lower()
    if spelled == resource_name:
        return {}
    patterns = [_around(row, spelled) for row in FAMILIES_OF_RESOURCES]
    matches = (pattern.fullmatch(name) for name in given for pattern in patterns)
    return {f"{one[1]}{resource_name}{one[2]}": one[0] for one in matches if one}


def _around(row: Setting, resource_name: str) -> re.Pattern[str]:
    """Return the pattern of a family for one resource, with a group before and one after it."""
    before, after = (
        row._replace(name=part).pattern().pattern for part in row.name.split("{resource_name}")
    )
    return re.compile(f"({before}){re.escape(resource_name)}({after})")
