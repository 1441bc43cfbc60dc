"""Requests that do not synchronise are answered the same where synchronisation is enabled."""

import re
import time
from typing import Any

import colander
import pytest
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

LICHENS, HILLS = "/v0/lichens", "/v0/hills"
FIRST, SECOND = "9b0e0a4c-9b1a-4a57-9d61-b1e4e65f7b01", "9b0e0a4c-9b1a-4a57-9d61-b1e4e65f7b02"
BOB = "basicauth:" + "0" * 64
SETTINGS = {"hill_create_principals": "system.Authenticated"}
MAT, ANN = basic_auth("mat"), basic_auth("ann")

_TIMESTAMP = re.compile(r"1\d{12}")
_DATE = re.compile(r"\w{3}, \d{2} \w{3} \d{4} [\d:]{8} GMT")
_TOKEN = re.compile(r"(_token=)[^&>]+")


class Hill(resource.ShareableResource):
    class HillSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String(), missing=colander.drop)
        n = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    mapping = HillSchema()


def requests_to(url: str) -> list[tuple[Any, ...]]:
    """Return requests without tokens or streams: method, URL, body and headers."""
    first, second = f"{url}/{FIRST}", f"{url}/{SECOND}"
    shared = {"read": ["system.Everyone"], "write": [BOB]} if url == HILLS else None
    more = {} if shared is None else {"permissions": shared}
    item = {"method": "POST", "path": url, "body": {"data": {"id": SECOND, "name": "again"}}}
    return [
        ("GET", url),
        ("HEAD", url),
        ("POST", url, {"data": {"id": FIRST, "name": "one", "n": 1}}),
        ("POST", url, {"data": {"id": FIRST, "name": "one"}}),
        ("PUT", second, {"data": {"name": "two", "n": 2}, **more}),
        ("PUT", second, {"data": {"name": "two", "n": 3}}, {"If-None-Match": "*"}),
        ("PATCH", second, {"data": {"n": 4}}),
        ("PATCH", second, {"data": {"n": 4}}, {"Response-Behavior": "diff"}),
        ("GET", first),
        ("GET", first, None, {"If-None-Match": '"1"'}),
        ("GET", second, None, ANN),
        ("GET", first, None, ANN),
        ("GET", f"{url}/9b0e0a4c-9b1a-4a57-9d61-b1e4e65f7b03"),
        ("GET", url),
        ("GET", url, None, ANN),
        ("HEAD", url),
        ("GET", f"{url}?_limit=1"),
        ("GET", f"{url}?_sort=-name&min_n=1&_fields=name"),
        ("GET", f"{url}?_since=1"),
        ("GET", f"{url}?_since=abc"),
        ("GET", f"{url}?_sort=nothing"),
        ("GET", url, None, {"If-Match": '"1"'}),
        ("DELETE", first, None, {"If-Match": '"1"'}),
        ("DELETE", first),
        ("DELETE", first),
        ("GET", first),
        ("GET", f"{url}?_since=1"),
        ("POST", "/v0/batch", {"requests": [item, {"path": url}, {"path": first}]}),
        ("DELETE", f"{url}?n=4"),
        ("DELETE", url),
        ("OPTIONS", url, None, {"Origin": "http://a", "Access-Control-Request-Method": "GET"}),
        ("GET", url),
    ]


def answers(app: TestApp, url: str) -> list[Any]:
    """Return all the answers, without the names that each of them gets."""
    # The applications of a run on servers share their backends.
    app.app.registry.storage.flush()
    app.app.registry.permission.flush()
    found = []
    for method, path, *rest in requests_to(url):
        # Collections of two users may have one timestamp, which would then have one rank.
        time.sleep(0.002)
        body, headers = (*rest, None, {})[:2] if len(rest) < 2 else rest
        sender = app.request if body is None else getattr(app, f"{method.lower()}_json")
        arguments = {"method": method} if body is None else {"params": body}
        response = sender(path, headers={**MAT, **(headers or {})}, expect_errors=True, **arguments)
        told = [pair for pair in response.headerlist if pair[0] != "X-Request-Id"]
        found.append((method, path, response.status, told, response.text))
    return found


def comparable(found: list[Any], *, ranks: bool) -> list[str]:
    """Return the answers without times; timestamps leave their ranks if these are to be equal."""
    text = "\n".join(map(repr, found))
    stamps = sorted(set(_TIMESTAMP.findall(text)))
    names = {stamp: f"t{rank if ranks else ''}" for rank, stamp in enumerate(stamps)}
    text = _DATE.sub("date", _TOKEN.sub(r"\1token", text))
    return _TIMESTAMP.sub(lambda match: names[match[0]], text).split("\n")


@pytest.mark.clause("E-11.1", "E-14.1")
@pytest.mark.setting("sync_enabled")
@pytest.mark.parametrize(
    # What is noted of a shared record that somebody loses takes a timestamp (E-12.1).
    ("url", "ranks"),
    [(LICHENS, True), (HILLS, False)],
)
def test_who_does_not_synchronise_sees_no_difference(url: str, ranks: bool) -> None:
    without, enabled = (
        answers(make_app([*RESOURCES, Hill], settings={**SETTINGS, "sync_enabled": value}), url)
        for value in ("false", "true")
    )

    assert sum(status.startswith("2") for _, _, status, *_ in enabled) > 15
    assert comparable(enabled, ranks=ranks) == comparable(without, ranks=ranks)
