"""Count the files of the package that a request goes through, and the changes from one to another.

Whoever follows a request in an editor opens so many files, and goes from one to another so often.
Run with ``--files`` to see the files in their turn, and with ``--steps`` to see each function. The
page ``docs/architecture.rst`` names these files; a test compares it with what is traced here.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import colander
from pyramid.request import Request

import cliquet
from cliquet import resource
from cliquet.testing.web import basic_auth, make_app

PACKAGE = Path(cliquet.__file__).parent
# What runs in tests only is on no way.
TESTING = PACKAGE / "testing"


class Mushroom(resource.UserResource):
    """A resource with a schema, whose records belong to their user."""

    class MushroomSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())
        size = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    mapping = MushroomSchema()


REQUESTS = {
    "POST": ("POST", "/v0/mushrooms", {"data": {"name": "Cep", "size": 3}}),
    "filtered GET": ("GET", "/v0/mushrooms?min_size=1&_sort=size&_limit=5&_fields=name", None),
}


class Step(NamedTuple):
    """A function of the package that was called.

    Attributes
    ----------
    file : its path below ``cliquet/``.
    """

    file: str
    function: str


class Way(NamedTuple):
    """What one request calls.

    Attributes
    ----------
    steps : the functions of the package, as they are called.
    calls : number of calls of Python functions in all, those of libraries included.
    """

    steps: list[Step]
    calls: int

    @property
    def files(self) -> list[str]:
        """The files, each where the request comes to it first."""
        return list(dict.fromkeys(step.file for step in self.steps))

    @property
    def changes(self) -> int:
        """How often a step is in another file than the step before."""
        pairs = zip(self.steps, self.steps[1:], strict=False)
        return sum(before.file != after.file for before, after in pairs)


def follow(app: Any, method: str, path: str, body: Any) -> Way:
    """Send a request, and return its way.

    Raises
    ------
    ValueError : the answer is an error, whose way is another one.
    """
    raw = b"" if body is None else json.dumps(body).encode()
    request = Request.blank(path, method=method, headers=basic_auth(), body=raw)
    if raw:
        request.content_type = "application/json"
    steps: list[Step] = []
    calls = 0

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        if event != "call":
            return
        calls += 1
        path = Path(frame.f_code.co_filename)
        if PACKAGE in path.parents and TESTING not in path.parents:
            steps.append(Step(path.relative_to(PACKAGE).as_posix(), frame.f_code.co_name))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        response = request.get_response(app)
    finally:
        sys.setprofile(before)
    if response.status_code >= 300:
        raise ValueError(f"{method} {path} answers {response.status}: {response.text}")
    return Way(steps, calls)


def ways() -> dict[str, Way]:
    """Return the way of each request, on backends in memory, the second time that it is sent."""
    app = make_app([Mushroom]).app
    for request in REQUESTS.values():
        # What is found out once is found out now.
        follow(app, *request)
    return {name: follow(app, *request) for name, request in REQUESTS.items()}


def main() -> None:
    """Print the figures, and the steps if they are wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--files", action="store_true", help="show the files")
    shown.add_argument("--steps", action="store_true", help="show each function that is called")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    for name, way in ways().items():
        print(f"{name}: {len(way.files)} files, {way.changes} changes of file, {way.calls} calls")
        for file in way.files if arguments.files else ():
            print(f"  {file}")
        last = ""
        for step in way.steps if arguments.steps else ():
            print(f"  {'' if step.file == last else step.file:40} {step.function}")
            last = step.file


if __name__ == "__main__":
    main()
