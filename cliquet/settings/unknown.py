"""Names in the settings that nobody has declared, and that are probably mistakes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from cliquet import utils
from cliquet.core.lazy import LazyModule
from cliquet.core.mistakes import differs_by
from cliquet.settings.families import FAMILIES, SETTINGS, find
from cliquet.settings.loading import Resolution
from cliquet.settings.model import Setting
from cliquet.settings.of_resources import FAMILIES_OF_RESOURCES

if TYPE_CHECKING:
    import difflib
else:
    # It is needed for mistakes alone.
    difflib = LazyModule("difflib")

__all__ = [
    "UnknownResource",
    "UnknownSetting",
    "find_unknown",
    "find_unknown_resources",
    "nearest_name",
]

# Similarity is a number from 0 to 1. An application may have settings of its own under the prefix
# of its project: such a name is only reported if it is very similar to one of ours.
_SIMILAR: Final = 0.6
_VERY_SIMILAR: Final = 0.85

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
# The pattern of a placeholder that stands for one word, such as a permission.
_ONE_PART: Final = "[^_]+"


# Families whose names contain that of a resource, with a group for it.
_OF_RESOURCES: Final = tuple(
    (re.compile(row.pattern().pattern.replace("(?:[^.]*)", "([^.]*)", 1)), row)
    for row in FAMILIES_OF_RESOURCES
)
_LISTENED_TO: Final = "event_listeners.{name}.resources"
_RESOURCES_OF_LISTENER: Final = SETTINGS[_LISTENED_TO].pattern()
# A misspelt name of a resource differs from the right one by at most so many letters.
_MOST_LETTERS: Final = 2


class UnknownResource(NamedTuple):
    """A setting of a resource that the service does not have.

    Attributes
    ----------
    name : name as the deployer wrote it, of the setting or of its variable.
    resource : name of the resource in it.
    nearest : the most similar name of a resource, if it is so similar that it was certainly meant.
    """

    name: str
    resource: str
    nearest: str | None


class UnknownSetting(NamedTuple):
    """A setting that probably has no effect.

    Attributes
    ----------
    name : name as the deployer wrote it.
    nearest : the most similar known name, with the same prefix; ``None`` if there is none.
    """

    name: str
    nearest: str | None

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"unknown setting {self.name}{hint}"


def find_unknown(resolution: Resolution) -> list[UnknownSetting]:
    """Return the unknown settings with the prefix ``cliquet.`` or that of the project.

    A setting is known if it is in the table or in a family, or if the application or a plugin has
    given a default for it.
    """
    found = []
    for bare, spellings in resolution.spellings.items():
        if bare in resolution.declared or find(bare) is not None:
            continue
        for spelling in sorted(spellings):
            prefix = spelling.removesuffix(bare)
            if prefix == "cliquet.":
                nearest = nearest_name(bare, _SIMILAR)
            elif prefix and prefix == f"{resolution.project_name}.":
                nearest = nearest_name(bare, _VERY_SIMILAR)
                if nearest is None:
                    continue
            else:
                continue
            found.append(UnknownSetting(spelling, nearest and f"{prefix}{nearest}"))
    return sorted(found)


def find_unknown_resources(
    resolution: Resolution, resources: Collection[str]
) -> list[UnknownResource]:
    """Return the settings of resources that do not exist.

    Applications have settings of their own with such names. Therefore only those are returned that
    were probably meant for the library: if the name of a resource is similar, or if the name of the
    setting has the prefix ``cliquet.``, or its variable the prefix ``CLIQUET_``.

    Parameters
    ----------
    resources : names of all resources of the service.
    """
    found = []
    # The names of the resources as the environment has them.
    spelled = {utils.environment_name(name) for name in resources}
    for bare, source in resolution.sources.items():
        resource = _resource_of(bare)
        if resource is None or resource in resources or bare in resolution.declared:
            continue
        spellings = list(resolution.spellings.get(bare, ()))
        if source.startswith("environment "):
            if utils.environment_name(resource) in spelled:
                continue
            spellings.append(source.removeprefix("environment "))
        nearest = _nearest_resource(resource, resources)
        found += [
            UnknownResource(spelling, resource, nearest)
            for spelling in spellings
            if nearest is not None or spelling.startswith(("cliquet.", "CLIQUET_"))
        ]
    for bare, value in resolution.values.items():
        # A listener is told nothing of a resource that does not exist.
        if _RESOURCES_OF_LISTENER.fullmatch(bare):
            for resource in SETTINGS[_LISTENED_TO].parse(value):
                nearest = _nearest_resource(resource, resources)
                if nearest is not None:
                    found.append(UnknownResource(bare, resource, nearest))
    return sorted(found)


def _nearest_resource(name: str, resources: Collection[str]) -> str | None:
    """Return the resource that was certainly meant by a name that is not one of them."""
    if name in resources:
        return None
    near = [(differs_by(name, one, _MOST_LETTERS), one) for one in resources]
    # Half of a short name makes another one.
    certain = [(letters, one) for letters, one in near if letters and letters * 2 < len(one)]
    return min(certain)[1] if certain else None


def _resource_of(bare: str) -> str | None:
    """Return the name of the resource in the name of a setting, if its row has one."""
    row = find(bare)
    for pattern, candidate in _OF_RESOURCES:
        if candidate is row:
            match = pattern.fullmatch(bare)
            return match[1] if match else None
    return None


def nearest_name(bare: str, similarity: float = _SIMILAR) -> str | None:
    """Return the known name that is most similar to an unknown one; ``None`` if there is none.

    Parameters
    ----------
    bare : unknown name, without prefix.
    similarity : least similarity of the result, from 0 to 1.
    """
    best, best_name = similarity, None
    for given, known, name in _candidates(bare):
        # At each start, some names are compared with every known one.
        if not _may_be_similar(given, known, best):
            continue
        score = _similarity(given, known)
        if score >= best:
            best, best_name = score, name
    return best_name


def _candidates(bare: str) -> Iterator[tuple[str, str, str]]:
    """Yield pairs of texts to compare, with the known name that is meant if they are similar."""
    for name, row in SETTINGS.items():
        if not row.is_family:
            yield bare, name, name
    for row in FAMILIES:
        filled = _fill(row, bare) if row.is_family else None
        if filled is not None:
            yield filled


def _fill(row: Setting, bare: str) -> tuple[str, str, str] | None:
    """Put the parts of a name into the pattern of a family, if there are enough parts.

    The value of a free placeholder is not compared, because it would make all names similar.
    """
    separator = "." if "." in row.name else "_"
    pieces = re.findall(r"\{\w+\}|[^{}._]+" if separator == "_" else r"[^.]+", row.name)
    parts = bare.split(separator)
    # The first free placeholder takes all the parts that are left over.
    width = len(parts) - len(pieces) + 1
    if width < 1:
        return None
    given, known, name = [], [], []
    for piece in pieces:
        placeholder = _PLACEHOLDER.fullmatch(piece)
        choices = row.placeholders.get(placeholder[1], "") if placeholder else piece
        is_free = placeholder is not None and "|" not in choices
        taken = width if is_free and choices != _ONE_PART else 1
        text = separator.join(parts[:taken])
        del parts[:taken]
        if taken > 1:
            width = 1
        if not is_free:
            given.append(text)
            text = max(choices.split("|"), key=lambda choice: _similarity(text, choice))
            known.append(text)
        name.append(text)
    return separator.join(given), separator.join(known), separator.join(name)


def _may_be_similar(one: str, other: str, least: float) -> bool:
    """Return false if letters alone, in any order, make two texts less similar than that."""
    length = len(one) + len(other)
    if length and 2.0 * min(len(one), len(other)) / length < least:
        return False
    shared = sum(min(one.count(letter), other.count(letter)) for letter in set(one))
    # As `ratio` computes it, so that a text that is just similar enough stays so.
    return not length or 2.0 * shared / length >= least


def _similarity(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()
