"""A service below a path of its site: every URL that it writes leads back to it."""

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from pyramid.httpexceptions import HTTPTemporaryRedirect
from support.served import serving
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import resource
from cliquet.events import AfterResourceChanged, ResourceChanged
from cliquet.testing.web import basic_auth

AUTH = basic_auth()
MOUNT = "/api"
# Of two segments; of what has to be escaped; and one that looks like a version.
MOUNTS = [MOUNT, "/tenants/a", "/caf\u00e9 one", "/v0"]


class Toadstool(resource.ShareableResource):
    """Records that are shared."""


def mounted(application: Any, mount: Any) -> Any:
    """Serve an application below a path, as paste's ``urlmap`` and others do (PEP 3333)."""
    prefix = mount.encode().decode("latin-1")

    def serve(environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path != prefix and not path.startswith(f"{prefix}/"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"outside"]
        environ["SCRIPT_NAME"] += prefix
        environ["PATH_INFO"] = path[len(prefix) :]
        return application(environ, start_response)

    return serve


@pytest.fixture(params=MOUNTS)
def mount(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def events() -> list[Any]:
    return []


@pytest.fixture
def app(mount: Any, events: list[Any]) -> TestApp:
    def configure(config: Any) -> None:
        for event_class in (ResourceChanged, AfterResourceChanged):
            config.add_subscriber(lambda event: events.append(event.payload["uri"]), event_class)

    settings = {"toadstool_create_principals": "system.Everyone"}
    root = make_app([*RESOURCES, Toadstool], settings=settings, configure=configure)
    return TestApp(mounted(root.app, mount))


@pytest.fixture
def url(mount: Any) -> Callable[[str], str]:
    """Return the URL of a path of the service."""
    return lambda path: quote(mount) + path


def batch(app: TestApp, url: Any, *requests: Any) -> Any:
    body = {"requests": [{"path": item} if isinstance(item, str) else item for item in requests]}
    return app.post_json(url("/v0/batch"), body, headers=AUTH).json["responses"]


def store(app: TestApp, url: Any, path: str = "/v0/mushrooms", number: int = 3) -> None:
    for n in range(number):
        app.post_json(url(path), {"data": {"name": f"n{n}"}}, headers=AUTH, status=201)


def followed(app: TestApp, first: Any) -> Any:
    """Return the names of a walk that begins with the URL of a page."""
    names, next_page = [], first
    while next_page:
        page = app.get(next_page, headers=AUTH, status=200)
        names += [item["name"] for item in page.json["data"]]
        next_page = page.headers.get("Next-Page")
    return names


@pytest.mark.clause("H-3.1", "H-32.1")
def test_hello_tells_its_own_url(app: TestApp, url: Callable[..., Any]) -> None:
    found = [app.get(url("/v0/")).json["url"]]
    found += [answer["body"]["url"] for answer in batch(app, url, "/", "/v0/", "/v0")]
    assert set(found) == {f"http://localhost{url('/v0/')}"}
    assert app.get(found[0]).json["url"] == found[0]


@pytest.mark.clause("H-14.5", "H-14.12")
def test_next_pages_lead_on_whoever_wrote_them(app: TestApp, url: Callable[..., Any]) -> None:
    store(app, url)
    path = "/mushrooms?_limit=1&_sort=name"
    direct = app.get(url(f"/v0{path}"), headers=AUTH).headers["Next-Page"]
    answers = batch(app, url, path, f"/v0{path}", url(f"/v0{path}"), "/mushrooms/?" + path[11:])
    found = {direct, *(answer["headers"]["Next-Page"] for answer in answers)}
    assert len(found) == 1
    assert followed(app, direct) == ["n1", "n2"]
    # A client that walks by batches, too.
    (answer,) = batch(app, url, direct.removeprefix("http://localhost"))
    assert [item["name"] for item in answer["body"]["data"]] == ["n1"]
    assert answer["headers"]["Next-Page"].startswith(f"http://localhost{url('/v0/mushrooms?')}")


@pytest.mark.clause("X-15")
def test_the_next_page_of_a_deletion_leads_on(app: TestApp, url: Callable[..., Any]) -> None:
    store(app, url)
    item = {"method": "DELETE", "path": "/mushrooms?_limit=2&_sort=name"}
    (answer,) = batch(app, url, item)
    rest = app.delete(answer["headers"]["Next-Page"], headers=AUTH).json["data"]
    assert len(rest) == 1


@pytest.mark.slow
@pytest.mark.clause("H-2.4", "H-2.11", "H-2.13")
@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/mushrooms?_sort=name", "/v0/mushrooms?_sort=name"),
        ("/v0/mushrooms/", "/v0/mushrooms"),
        ("/v0", "/v0/"),
        ("/", "/v0/"),
        ("", "/v0/"),
    ],
)
def test_redirections_stay_below_the_mount(
    app: TestApp, url: Callable[[str], str], path: str, leads_to: str
) -> None:
    location = app.get(url(path), headers=AUTH, status=307).location
    assert location == f"http://localhost{url(leads_to)}"
    app.get(location, headers=AUTH, status=200)


DOTTED = [
    "/../../admin",
    "/%2e%2e/%2E%2e/admin/",
    "/v0/../../../admin/",
    "/v0/%2e%2e/%2e%2e/%2e%2e/admin/",
    "/./mushrooms",
    "/v0/mushrooms/.",
    "/..",
]


@pytest.mark.slow
@pytest.mark.clause("H-2.4", "H-2.11", "D-70")
@pytest.mark.parametrize("path", DOTTED)
def test_a_url_that_clients_would_shorten_is_written_nowhere(
    app: TestApp, url: Callable[[str], str], path: str
) -> None:
    refused = app.get(url("") + path, headers=AUTH, status=400)
    (answer,) = batch(app, url, path)

    assert "Location" not in refused.headers
    assert answer["status"] == 400
    assert refused.json == answer["body"]
    assert refused.json["details"][0]["location"] == "path"
    assert "'.' or '..'" in refused.json["message"]


@pytest.mark.clause("H-2.4")
@pytest.mark.parametrize("path", ["/...", "/.hidden", "/a..", "/a.b/..c"])
def test_other_dots_are_characters(app: TestApp, url: Callable[..., Any], path: str) -> None:
    location = app.get(url(path), headers=AUTH, status=307).location
    assert location == f"http://localhost{url('/v0')}{path}"


@pytest.mark.clause("H-25.13", "H-25.17", "H-25.18")
def test_paths_of_a_batch_may_have_the_version_and_the_mount(
    app: TestApp, url: Callable[..., Any]
) -> None:
    store(app, url, number=1)
    paths = ["/mushrooms", "/v0/mushrooms", url("/v0/mushrooms"), "/mushrooms/", "/v0/mushrooms/"]
    paths.append(url("/v0/mushrooms/"))
    answers = batch(app, url, *paths)
    assert [answer["status"] for answer in answers] == [200] * len(paths)
    assert {answer["path"] for answer in answers} == {"/v0/mushrooms"}
    assert all(len(answer["body"]["data"]) == 1 for answer in answers)


@pytest.mark.clause("H-25.13", "D-22")
def test_a_path_that_only_looks_like_the_mount_is_of_the_service(
    app: TestApp, url: Callable[..., Any], mount: str
) -> None:
    unknown = [f"{mount}", f"{mount}/mushrooms", f"{mount}x/v0/mushrooms", "/v1/mushrooms"]
    if mount == "/v0":
        unknown = ["/v1/mushrooms"]
    assert {answer["status"] for answer in batch(app, url, *unknown)} == {404}
    for path in ("/batch", "/v0/batch", url("/v0/batch")):
        body = {"requests": [{"path": path, "method": "POST"}]}
        app.post_json(url("/v0/batch"), body, headers=AUTH, status=400)


@pytest.mark.clause("P-21.3", "P-25.8")
def test_events_and_permissions_name_objects_alike_from_wherever_they_are_written(
    app: TestApp, url: Callable[..., Any], events: list[Any]
) -> None:
    record_id = "d1d1d1d1-0000-4000-8000-000000000001"
    path = f"/toadstools/{record_id}"
    body = {"data": {}, "permissions": {"read": ["system.Everyone"]}}
    app.put_json(url(f"/v0{path}"), body, headers=AUTH, status=201)
    for prefix in ("", "/v0", url("/v0")):
        item = {"method": "PUT", "path": prefix + path, "body": body}
        (answer,) = batch(app, url, item)
        assert answer["status"] == 200
    assert events == [path] * 8
    # The permissions were found again: those of one object.
    assert app.get(url(f"/v0{path}"), headers=basic_auth("eve")).json["permissions"]


@pytest.mark.clause("H-25.17")
def test_a_redirection_to_another_application_of_the_site_is_the_clients() -> None:
    def configure(config: Any) -> None:
        for name, location in (("in", "/api/v0/"), ("out", "/other/v0/"), ("beside", "/apis/v0/")):
            config.add_route(name, f"/{name}")
            config.add_view(lambda request, to=location: HTTPTemporaryRedirect(to), route_name=name)

    app = TestApp(mounted(make_app(configure=configure).app, MOUNT))
    answers = batch(app, lambda path: MOUNT + path, "/in", "/out", "/beside")
    assert [answer["status"] for answer in answers] == [200, 307, 307]
    assert answers[1]["headers"]["Location"].endswith("/other/v0/")


@pytest.mark.clause("H-32.1", "H-14.5")
def test_the_prefix_that_a_server_is_told_of_is_a_mount() -> None:
    app = make_app(RESOURCES)
    with serving(app.app, url_prefix=MOUNT) as port:

        def get(address: Any) -> Any:
            parts = urlsplit(address)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("GET", f"{parts.path}?{parts.query}", headers=AUTH)
                response = connection.getresponse()
                body = response.read()
            finally:
                connection.close()
            assert response.status == 200, body
            return response, body

        store(app, lambda path: path)
        response, _ = get(f"{MOUNT}/v0/mushrooms?_limit=2")
        following = response.headers["Next-Page"]
        assert following.startswith(f"http://127.0.0.1:{port}{MOUNT}/v0/mushrooms?")
        response, _ = get(following)
        assert "Next-Page" not in response.headers
