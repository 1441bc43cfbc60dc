"""The line of a request costs little: it is written for every request of every service (S-18.5)."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from pyramid.request import Request
from support.batches import creation
from support.garbage import uncollected
from support.shared_apps import make_app
from testapp import Mushroom

import cliquet
from cliquet.testing.web import basic_auth

PACKAGE = str(Path(cliquet.__file__).parent)
RENDERERS = ("ClassicLogRenderer", "MozillaHekaRenderer")
MOST_CALLS = 45


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the lines of the service are written to, and nothing else."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("cliquet")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    yield stream
    logger.removeHandler(handler)
    logger.level, logger.propagate = before


def calls_at(level: int, app: Any, request: Request) -> int:
    """Return how many of our functions a request calls when a level is written."""
    logging.getLogger("cliquet").setLevel(level)
    number = 0

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal number
        number += event == "call" and PACKAGE in frame.f_code.co_filename

    for attempt in range(2):
        # Caches are filled by the first.
        again = request.copy()
        with uncollected():
            sys.setprofile(watch if attempt else None)
            try:
                again.get_response(app)
            finally:
                sys.setprofile(None)
    return number


@pytest.mark.clause("S-18.5")
@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("path", ["/v0/", "/v0/mushrooms?name=Morel&_sort=-name&_limit=20"])
def test_the_summary_calls_few_functions(stream: io.StringIO, renderer: str, path: str) -> None:
    app = make_app([Mushroom], settings={"logging_renderer": f"cliquet.logs.{renderer}"}).app
    request = Request.blank(path, headers={**basic_auth(), "User-Agent": "curl/8.5"})

    silent = calls_at(logging.WARNING, app, request)
    told = calls_at(logging.INFO, app, request)

    assert stream.getvalue().count("request.summary") == 2
    assert told - silent <= MOST_CALLS


@pytest.mark.clause("S-18.5")
@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_summary_of_each_request_of_a_batch_calls_few_functions(
    stream: io.StringIO, renderer: str
) -> None:
    app = make_app([Mushroom], settings={"logging_renderer": f"cliquet.logs.{renderer}"}).app
    body = json.dumps({"requests": [creation(name="Morel")] * 20}).encode()
    request = Request.blank("/v0/batch", method="POST", body=body, headers=basic_auth())
    request.content_type = "application/json"

    silent = calls_at(logging.WARNING, app, request)
    told = calls_at(logging.INFO, app, request)

    assert stream.getvalue().count("subrequest.summary") == 40
    assert told - silent <= 21 * MOST_CALLS
