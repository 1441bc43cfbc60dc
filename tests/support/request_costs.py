"""What requests may ask of the backends: a table of scenarios and their costs.

Each scenario prepares an application, then sends one request. Tests count what the request costs,
in whatever unit their backends are measured in.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import colander

from cliquet import resource
from cliquet.testing.web import basic_auth
from support.shared_apps import make_app
from support.sharing import grant, user_id

HEADERS = basic_auth("alice")
STRANGER = basic_auth("stranger")
NEW_ID = "00000000-0000-4000-8000-000000000001"
BATCH_SIZE = 25
FUTURE = '"9999999999999"'


class OpenSchema(resource.ResourceSchema):
    """One field, and whatever is sent is kept."""

    class Options:
        preserve_unknown = True

    a = colander.SchemaNode(colander.Integer(), missing=colander.drop)


class Chanterelle(resource.UserResource):
    """A record of each user's own."""

    mapping = OpenSchema()


class Bolete(resource.ShareableResource):
    """A record that users share."""

    mapping = OpenSchema()


URLS = {"user": "/v0/chanterelles", "shareable": "/v0/boletes"}
KINDS = tuple(URLS)


class Site(NamedTuple):
    """An application, and the list of one of its resources.

    Attributes
    ----------
    record_url : of a record that the user has made.
    """

    app: Any
    url: str
    record_url: str

    def send(
        self,
        method: Any,
        url: Any,
        *,
        body: Any = None,
        status: Any = 200,
        headers: Any = HEADERS,
        **conditions: Any,
    ) -> Any:
        headers = {**headers, **{name.replace("_", "-"): v for name, v in conditions.items()}}
        if body is None:
            return self.app.request(url, method=method, headers=headers, status=status)
        send_json = getattr(self.app, f"{method.lower()}_json")
        return send_json(url, body, headers=headers, status=status)


class Scenario(NamedTuple):
    """One line of the table.

    Attributes
    ----------
    send : sends the request to a :class:`Site`.
    user, shareable : most that it may cost, by the kind of the resource.
    prepare : what happens before, with the site.
    """

    send: Callable[[Site], Any]
    user: int
    shareable: int
    prepare: Callable[[Site], Any] = lambda site: None


def make_site(
    kind: Any, *, settings: Any = None, connect: Any = lambda registry: None, configure: Any = None
) -> Any:
    """Return a site whose user may list and create.

    Parameters
    ----------
    connect : called with the registry, to replace its backends.
    """

    def set_up(config: Any) -> None:
        connect(config.registry)
        if configure is not None:
            configure(config)

    app = make_app([Chanterelle, Bolete], settings=settings, configure=set_up)
    url = URLS[kind]
    me = user_id(app, HEADERS)
    for permission in ("read", "write", "bolete:create"):
        grant(app, "/boletes", permission, me)
    app.app.registry.permission.add_user_principal(me, "group:pickers")
    record = app.post_json(url, {"data": {"a": 1}}, headers=HEADERS, status=201).json["data"]
    return Site(app, url, f"{url}/{record['id']}")


def new_url(site: Any) -> str:
    return f"{site.url}/{NEW_ID}"


def make_tombstone(site: Any) -> None:
    site.send("PUT", new_url(site), body={"data": {}}, status=201)
    site.send("DELETE", new_url(site))


def batch(site: Any, *requests: Any) -> Any:
    return site.send("POST", "/v0/batch", body={"requests": list(requests)})


def batch_of(method: Any, path: Any, body: Any = None) -> Any:
    """Return what sends a batch of one request, repeated."""

    def send(site: Any) -> None:
        request = {"method": method, "path": path(site)}
        if body is not None:
            request["body"] = body
        answers = batch(site, *[request] * BATCH_SIZE).json["responses"]
        assert {answer["status"] for answer in answers} <= {200, 201}

    return send


ANY = {"data": {"b": 2}}

SCENARIOS = {
    "GET record": Scenario(lambda s: s.send("GET", s.record_url), 1, 3),
    "HEAD record": Scenario(lambda s: s.send("HEAD", s.record_url), 1, 3),
    "GET record, 304": Scenario(
        lambda s: s.send("GET", s.record_url, If_None_Match=FUTURE, status=304), 1, 3
    ),
    "GET list": Scenario(lambda s: s.send("GET", s.url), 1, 3),
    "HEAD list": Scenario(lambda s: s.send("HEAD", s.url), 1, 3),
    "GET filtered page": Scenario(lambda s: s.send("GET", f"{s.url}?a=1&_limit=1&_sort=a"), 1, 3),
    "GET list, 304": Scenario(
        lambda s: s.send("GET", s.url, If_None_Match=FUTURE, status=304), 1, 3
    ),
    "POST": Scenario(lambda s: s.send("POST", s.url, body=ANY, status=201), 1, 4),
    "PUT, replacing": Scenario(lambda s: s.send("PUT", s.record_url, body=ANY), 2, 6),
    "PUT, creating": Scenario(lambda s: s.send("PUT", new_url(s), body=ANY, status=201), 2, 6),
    "PUT, creating anew": Scenario(
        lambda s: s.send("PUT", new_url(s), body=ANY, status=201), 2, 6, make_tombstone
    ),
    "PUT, with a condition": Scenario(
        lambda s: s.send("PUT", s.record_url, body=ANY, If_Match=FUTURE), 2, 6
    ),
    "PATCH": Scenario(lambda s: s.send("PATCH", s.record_url, body=ANY), 2, 5),
    "DELETE": Scenario(lambda s: s.send("DELETE", s.record_url), 2, 5),
    "DELETE list": Scenario(lambda s: s.send("DELETE", s.url), 1, 4),
    "batch of POST": Scenario(batch_of("POST", lambda s: s.url, ANY), 2, 6),
    "batch of GET list": Scenario(batch_of("GET", lambda s: s.url), 25, 27),
    "batch of GET record": Scenario(batch_of("GET", lambda s: s.record_url), 25, 51),
    # One more
    "GET list, with a condition that holds": Scenario(
        lambda s: s.send("GET", s.url, If_None_Match='"1"'), 2, 4
    ),
    "POST, with a condition that holds": Scenario(
        lambda s: s.send("POST", s.url, body=ANY, If_Match=FUTURE, status=201), 2, 5
    ),
    "POST, with an id": Scenario(
        lambda s: s.send("POST", s.url, body={"data": {"id": NEW_ID}}, status=201), 2, 5
    ),
    "DELETE list, with a condition that holds": Scenario(
        lambda s: s.send("DELETE", s.url, If_Match=FUTURE), 2, 5
    ),
}
