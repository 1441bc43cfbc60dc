"""Variables of the environment that look like settings, and are read by nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from cliquet import utils
from cliquet.settings.families import FAMILIES, SETTINGS
from cliquet.settings.loading import Resolution, environment_names
from cliquet.settings.unknown import nearest_name

__all__ = ["UnreadVariable", "find_unread"]

_PREFIX: Final = "CLIQUET_"
# The program reads the first itself; the others are of the tests of the library.
_OF_OTHERS: Final = re.compile(
    r"CLIQUET_(?:INI|TEST_\w+)"
    # Kubernetes tells each container of the other services, one of which may have our name.
    r"|[A-Z0-9_]+?_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_\w+)?)"
)
_SIMILAR: Final = 0.6
# The application may have variables of its own under its name.
_VERY_SIMILAR: Final = 0.85


class UnreadVariable(NamedTuple):
    """A variable of the environment that has no effect. Its value is never told.

    Attributes
    ----------
    name : its name.
    reason : why it has no effect, and what was probably meant.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} {self.reason}"


def find_unread(resolution: Resolution, environment: Mapping[str, str]) -> list[UnreadVariable]:
    """Return the variables with the prefix of the library, or of the project, that nothing reads.

    One with the prefix of the project is returned only if it is nearly that of a setting.

    Parameters
    ----------
    environment : variables of the environment, of which only the names are used.
    """
    own = utils.environment_name(resolution.project_name)
    prefixes = tuple(dict.fromkeys([_PREFIX, f"{own}_" if own else _PREFIX]))
    given = [name for name in environment if name.upper().startswith(prefixes)]
    if not given:
        return []
    read = {
        variable
        for bare in resolution.values
        for variable in environment_names(bare, resolution.project_name)
    }
    read.update(source.rpartition(" ")[2] for source in resolution.sources.values())
    return sorted(
        UnreadVariable(name, reason)
        for name in given
        if name not in read and not _OF_OTHERS.fullmatch(name)
        for reason in _reasons(name, resolution.project_name, prefixes)
    )


def _reasons(name: str, project_name: str, prefixes: tuple[str, ...]) -> Iterator[str]:
    """Yield why a variable is not read; nothing if it was probably meant for another program."""
    prefix = next(one for one in prefixes if name.upper().startswith(one))
    missing = next(filter(None, (_entry_for(row, name, prefix) for row in _rows())), None)
    if missing is not None:
        yield (
            "is only read where the file has a line for the setting; allowed: a line such as "
            f"{missing if '.' in missing else f'cliquet.{missing}'} = …"
        )
        return
    bare = name[len(prefix) :].lower()
    nearest = nearest_name(bare, _SIMILAR if prefix == _PREFIX else _VERY_SIMILAR)
    if nearest is not None:
        yield f"is the name of no setting; did you mean {prefix}{utils.environment_name(nearest)}?"
    elif prefix == _PREFIX:
        yield "is the name of no setting."


def _rows() -> Iterator[str]:
    """Yield the settings that the environment alone does not make known (S-1.5)."""
    yield from (row.name for row in FAMILIES if "{resource_name}" not in row.name)
    yield from _plain_names()


def _plain_names() -> Iterator[str]:
    return (name for name, row in SETTINGS.items() if not row.is_family)


def _entry_for(name: str, variable: str, prefix: str) -> str | None:
    """Return the name of a setting as the file has it, if a variable is spelled like that."""
    pieces = re.split(r"\{\w+\}", name)
    words = r"(\w+?)".join(re.escape(utils.environment_name(piece)) for piece in pieces)
    match = re.fullmatch(f"{re.escape(prefix)}{words}", variable)
    if match is None:
        return None
    filled = [part for pair in zip(pieces, [*match.groups(), ""], strict=True) for part in pair]
    return "".join(filled[:1] + [part.lower() for part in filled[1:]])
