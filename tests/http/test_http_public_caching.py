"""What anonymous users may keep of shareable resources (H-30)."""

from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from pyramid.security import NO_PERMISSION_REQUIRED
from support.clocks import NOW_MS, Clock
from support.shared_apps import make_app
from support.sharing import URL, Toadstool, grant, make_sharing_app, object_id, store
from webtest import TestApp

from cliquet.resource import ShareableViewSet


def public_app(expires: Any = None) -> Any:
    """Return an application where everybody reads, and the URLs of a collection and a record."""
    settings = {"toadstool_read_principals": "system.Everyone"}
    if expires is not None:
        settings["toadstool_cache_expires_seconds"] = expires
    app = make_sharing_app(settings)
    return app, [URL, store(app)["url"]]


@pytest.mark.clause("H-30.2", "S-10.1")
@pytest.mark.parametrize("method", ["get", "head"])
def test_an_anonymous_response_may_be_kept_for_the_configured_time(
    clock: Clock, method: str
) -> None:
    app, urls = public_app("3600")

    for url in urls:
        response = getattr(app, method)(url, status=200)
        assert response.headers["Cache-Control"] == "max-age=3600"
        expires = parsedate_to_datetime(response.headers["Expires"])
        assert expires.timestamp() == NOW_MS // 1000 + 3600
        assert "Pragma" not in response.headers


@pytest.mark.clause("H-30.2", "H-5.15")
def test_a_listing_shared_with_everyone_may_be_kept(clock: Clock) -> None:
    app = make_sharing_app({"toadstool_cache_expires_seconds": "60"})
    record = store(app)
    grant(app, object_id(record["url"]), "read", "system.Everyone")

    assert app.get(URL, status=200).headers["Cache-Control"] == "max-age=60"


@pytest.mark.clause("H-30.3", "S-10.2", "D-69")
@pytest.mark.parametrize("method", ["get", "head"])
def test_an_authenticated_response_is_not_kept(headers: dict[str, str], method: str) -> None:
    app, urls = public_app("3600")

    for url in urls:
        response = getattr(app, method)(url, headers=headers, status=200)
        assert response.headers["Cache-Control"] == "private, no-cache"
        assert "Expires" not in response.headers


class PublicViewSet(ShareableViewSet):
    """Asks nobody who they are."""

    def get_view_arguments(
        self, endpoint_type: Any, resource_cls: Any, method: str
    ) -> dict[Any, Any]:
        arguments = super().get_view_arguments(endpoint_type, resource_cls, method)
        return {**arguments, "permission": NO_PERMISSION_REQUIRED}


@pytest.mark.clause("D-69", "H-30.3")
def test_a_view_that_asks_for_no_permission_knows_its_user_all_the_same(
    headers: dict[str, str],
) -> None:
    app = make_sharing_app(
        {"toadstool_cache_expires_seconds": "3600"},
        resources=[(Toadstool, {"viewset": PublicViewSet()})],
    )

    assert app.get(URL, status=200).headers["Cache-Control"] == "max-age=3600"
    own = app.get(URL, headers=headers, status=200)
    assert own.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.clause("H-30.2", "H-4.11")
def test_bad_credentials_are_anonymous() -> None:
    app, urls = public_app("3600")

    response = app.get(urls[0], headers={"Authorization": "Basic !"}, status=200)

    assert response.headers["Cache-Control"] == "max-age=3600"


@pytest.mark.clause("H-30.1", "H-30.3", "S-10.2")
@pytest.mark.parametrize("expires", [None, "0", ""])
def test_without_the_setting_nothing_is_kept(headers: dict[str, str], expires: str | None) -> None:
    app, urls = public_app(expires)

    for url in urls:
        for user, expected in (({}, "no-cache"), (headers, "private, no-cache")):
            response = app.get(url, headers=user, status=200)
            assert response.headers["Cache-Control"] == expected
            assert "Expires" not in response.headers


@pytest.mark.clause("D-40")
def test_a_304_repeats_what_the_200_says(clock: Clock, headers: dict[str, str]) -> None:
    app, urls = public_app("3600")

    for url in urls:
        etag = app.get(url).headers["ETag"]
        response = app.get(url, headers={"If-None-Match": etag}, status=304)
        assert response.headers["Cache-Control"] == "max-age=3600"
        assert response.headers["Expires"] == app.get(url).headers["Expires"]
        own = app.get(url, headers={**headers, "If-None-Match": etag}, status=304)
        assert own.headers["Cache-Control"] == "private, no-cache"
        assert "Expires" not in own.headers


@pytest.mark.clause("H-30.5")
def test_errors_and_writes_may_not_be_kept() -> None:
    settings = {
        "toadstool_cache_expires_seconds": "3600",
        "toadstool_write_principals": "system.Everyone",
        "toadstool_create_principals": "system.Everyone",
    }
    app = make_sharing_app(settings)
    url = store(app)["url"]
    body = {"data": {"name": "x"}}

    for response in (
        app.get(url, headers={"If-Match": '"1"'}, status=412),
        app.get(f"{URL}/unknown", status=400),
        app.get(f"{URL}?_limit=x", status=400),
        app.get("/v0/forests/oak/caps", status=401),
        app.post_json(URL, body, status=201),
        app.put_json(url, body, status=200),
        app.patch_json(url, body, status=200),
        app.delete(url, status=200),
        app.delete(URL, status=200),
    ):
        assert "Cache-Control" not in response.headers
        assert "Expires" not in response.headers


@pytest.mark.clause("H-30.6")
def test_caches_are_told_that_the_response_depends_on_the_user(headers: dict[str, str]) -> None:
    app, urls = public_app("3600")

    for user in ({}, headers):
        assert app.get(urls[0], headers=user).headers["Vary"] == "Authorization"


@pytest.mark.clause("S-10.3")
def test_the_setting_is_the_one_of_the_resource(clock: Clock) -> None:
    app = make_sharing_app(
        {
            "toadstool_read_principals": "system.Everyone",
            "amanita_cache_expires_seconds": "60",
        }
    )

    assert app.get(URL, status=200).headers["Cache-Control"] == "no-cache"


# Clients that no `Authorization` header tells apart


LAN = {"REMOTE_ADDR": "10.0.0.7"}
WORLD = {"REMOTE_ADDR": "192.0.2.1"}


@pytest.fixture(params=[None, "lan-user"])
def network_app(request: pytest.FixtureRequest) -> Any:
    """Return an application that the clients of a network may read, named or not."""
    settings = {
        "toadstool_cache_expires_seconds": "3600",
        "toadstool_read_principals": "trusted",
        "multiauth.policies": "basicauth ipauth",
        "multiauth.policy.ipauth.use": "cliquet.authentication.IPAuthenticationPolicy",
        "multiauth.policy.ipauth.ipaddrs": "10.0.0.*",
        "multiauth.policy.ipauth.principals": "trusted",
    }
    if request.param:
        settings["multiauth.policy.ipauth.userid"] = request.param
    return make_sharing_app(settings)


@pytest.mark.clause("D-69", "H-30.3")
def test_what_a_network_may_read_is_for_no_shared_cache(network_app: TestApp) -> None:
    url = store(network_app)["url"]

    for path in (url, URL):
        response = network_app.get(path, extra_environ=LAN, status=200)
        assert response.headers["Cache-Control"] == "private, no-cache"
        assert "Expires" not in response.headers
        network_app.get(path, extra_environ=WORLD, status=401)


@pytest.mark.clause("D-69")
def test_nor_is_what_a_network_is_refused(network_app: TestApp) -> None:
    for path, status in ((f"{URL}/5c1a5ba7-7d2b-4a7b-8a2b-5ba77d2b4a7b", 404), (f"{URL}?a=1", 400)):
        refused = network_app.get(path, extra_environ=LAN, status=status)
        assert refused.headers["Cache-Control"] == "private"
        stranger = network_app.get(path, extra_environ=WORLD, status=401)
        assert "Cache-Control" not in stranger.headers


@pytest.mark.clause("D-69", "H-30.2")
def test_what_everyone_may_read_is_public_where_nothing_else_was_judged(
    network_app: TestApp,
) -> None:
    record = store(network_app)
    grant(network_app, object_id(record["url"]), "read", "system.Everyone")

    outside = network_app.get(record["url"], extra_environ=WORLD)
    inside = network_app.get(record["url"], extra_environ=LAN)

    assert outside.headers["Cache-Control"] == "max-age=3600"
    # Its permissions were judged by more than what everybody has.
    assert inside.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.clause("D-69", "H-3.5")
def test_who_the_service_says_that_one_is_is_for_no_shared_cache() -> None:
    settings = {
        "multiauth.policies": "remote basicauth",
        "multiauth.policy.remote.use": "pyramid.authentication.RemoteUserAuthenticationPolicy",
    }
    app = make_sharing_app(settings)

    named = app.get("/v0/", extra_environ={"REMOTE_USER": "ann"})
    assert named.json["user"] == {"id": "remote:ann"}
    assert named.headers["Cache-Control"] == "private"
    assert "Cache-Control" not in app.get("/v0/").headers


@pytest.mark.clause("D-69")
def test_an_application_that_sends_the_header_knows_what_it_does() -> None:
    def configure(config: Any) -> None:
        def view(request: Any) -> Any:
            request.response.headers["Cache-Control"] = "public, max-age=5"
            request.response.text = str(request.authenticated_userid)
            return request.response

        config.add_route("own", "/own")
        config.add_view(view, route_name="own", permission=NO_PERMISSION_REQUIRED)

    settings = {
        "multiauth.policies": "remote",
        "multiauth.policy.remote.use": "pyramid.authentication.RemoteUserAuthenticationPolicy",
    }
    app = make_app(settings=settings, configure=configure)

    response = app.get("/v0/own", extra_environ={"REMOTE_USER": "ann"})

    assert (response.text, response.headers["Cache-Control"]) == ("ann", "public, max-age=5")
