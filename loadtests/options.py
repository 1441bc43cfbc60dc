"""What may be chosen on the command line: its parsing, and the template of the records.

Knows nothing of HTTP.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import uuid
from pathlib import Path
from typing import Any, NamedTuple

# Valid for the example service.
DEFAULT_RECORD = (
    '{"name": "Mushroom {number}", "habitat": "forest", "cap_mm": "{number}", "edible": true}'
)
# How many different values `{number}` has: few enough for a filter to find several records.
NUMBERS = 20


class RecordTemplate:
    """Records to send, each a little different.

    In texts, at any depth, ``{number}`` becomes an integer from 1 to 20, and ``{unique}`` a text
    that was never used. A text that is just ``{number}`` becomes the integer itself.
    """

    def __init__(self, template: dict[str, Any]) -> None:
        self.template = template
        scalars = (name for name, value in template.items() if isinstance(value, str | int | float))
        #: The field to filter and sort by: the first that is a text, a number or a boolean.
        self.filter_field: str | None = next(scalars, None)

    def render(self, generator: random.Random) -> dict[str, Any]:
        """Return the `data` of one record."""
        rendered: dict[str, Any] = _fill(
            copy.deepcopy(self.template),
            generator.randint(1, NUMBERS),
            uuid.UUID(int=generator.getrandbits(128)).hex,
        )
        return rendered


def _fill(value: Any, number: int, unique: str) -> Any:
    if value == "{number}":
        return number
    if isinstance(value, str):
        # Not `str.format`: the text may have other braces.
        return value.replace("{number}", str(number)).replace("{unique}", unique)
    if isinstance(value, list):
        return [_fill(item, number, unique) for item in value]
    if isinstance(value, dict):
        return {name: _fill(item, number, unique) for name, item in value.items()}
    return value


class Options(NamedTuple):
    """What to run."""

    server_url: str
    resource: str  # path, with a leading slash and without the version prefix
    record: RecordTemplate
    users: int
    spawn_rate: float  # users per second
    duration_seconds: float
    output: Path


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line; exit with status 2 and one line when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="loadtests",
        usage="make bench SERVER_URL=..., or python -m loadtests --server-url ... [options]",
        description="Run a mixed load against a running service, and show its latencies.",
    )
    add = parser.add_argument
    add("--server-url", required=True, type=_url, help="with or without the version prefix")
    add("--resource", default="/mushrooms", help="path of a collection (default: %(default)s)")
    add("--record", default=DEFAULT_RECORD, type=_record, help="a JSON object, or a file of one")
    add("--users", default=10, type=_positive(int), help="clients at once (default: %(default)s)")
    add("--spawn-rate", default=10.0, type=_positive(float), metavar="N", help="users per second")
    add("--duration", default=30.0, type=_positive(float), metavar="SECONDS")
    add("--output", default=Path("build/loadtest"), type=Path, help="folder of the results")
    given = parser.parse_args(arguments)
    return Options(
        server_url=given.server_url,
        resource="/" + given.resource.strip("/"),
        record=given.record,
        users=given.users,
        spawn_rate=given.spawn_rate,
        duration_seconds=given.duration,
        output=given.output,
    )


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with http:// or https://")
    return text


def _record(text: str) -> RecordTemplate:
    source = text
    try:
        if not text.lstrip().startswith("{"):
            source = Path(text).read_text(encoding="utf-8")
        template = json.loads(source)
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"neither a JSON object nor a readable file: {text!r} ({error.strerror})"
        ) from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"invalid JSON in {text!r}: {error}") from error
    if not isinstance(template, dict):
        raise argparse.ArgumentTypeError(f"not a JSON object: {text!r}")
    return RecordTemplate(template)


def _positive(kind: type[int] | type[float]) -> Any:
    def parse_number(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = 0
        # Infinity and "not a number" are neither.
        if not 0 < number < float("inf"):
            noun = "an integer" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {noun} greater than 0")
        return number

    return parse_number
