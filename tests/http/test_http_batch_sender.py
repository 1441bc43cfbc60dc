"""Who sends a batch sends its requests: what only a proxy may say is not said in them."""

from typing import Any

import pytest
from pyramid.security import NO_PERMISSION_REQUIRED
from support.batches import creation, send, statuses
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service
from cliquet.testing.web import basic_auth
from cliquet.web.requests import build_request

BEHIND_PROXY = {
    "multiauth.policies": "sso basicauth",
    "multiauth.policy.sso.use": "pyramid.authentication.RemoteUserAuthenticationPolicy",
    "multiauth.policy.sso.environ_key": "HTTP_X_REMOTE_USER",
}
# WSGI makes one name of them all.
SPELLINGS = ["X-Remote-User", "x-remote-user", "X_Remote_User", "HTTP_X_REMOTE_USER"]
AS_EVE = {"X-Remote-User": "eve"}


@pytest.fixture
def app() -> TestApp:
    app = make_app([Mushroom], settings=BEHIND_PROXY)
    app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, headers={"X-Remote-User": "ann"})
    return app


def seen_by(app: TestApp, user: Any) -> Any:
    return app.get("/v0/mushrooms", headers={"X-Remote-User": user}).json["data"]


@pytest.mark.clause("H-25.14", "H-4.13")
@pytest.mark.parametrize("name", SPELLINGS)
def test_the_header_that_a_proxy_names_users_by_is_that_of_the_batch(
    app: TestApp, name: str
) -> None:
    as_ann = {name: "ann"}
    items = [{"path": path, "headers": as_ann} for path in ("/mushrooms", "/mushrooms/", "/")]
    items.append({"path": "/mushrooms", "method": "DELETE", "headers": as_ann})
    for given in (items, [{**item, "headers": {}} for item in items]):
        found = send(app, given, headers=AS_EVE, defaults={"headers": as_ann})
        assert statuses(found) == [200] * 4
        assert [answer["body"].get("data") for answer in found] == [[], [], None, []]
        assert found[2]["body"]["user"] == {"id": "sso:eve"}
    assert len(seen_by(app, "ann")) == 1


@pytest.mark.clause("H-25.14")
@pytest.mark.parametrize("name", SPELLINGS)
def test_who_the_proxy_does_not_know_is_nobody_in_a_batch_either(app: TestApp, name: str) -> None:
    items = [{"path": "/mushrooms", "headers": {name: "ann"}}, {"path": "/mushrooms"}]
    assert statuses(send(app, items, headers={}, defaults={"headers": {name: "ann"}})) == [401] * 2


@pytest.mark.clause("H-25.14")
def test_credentials_of_its_own_are_still_those_of_a_request(app: TestApp) -> None:
    items = [{"path": "/", "headers": basic_auth()}]
    (answer,) = send(app, items, headers={})
    assert answer["body"]["user"]["id"].startswith("basicauth:")


@pytest.mark.clause("H-25.14", "S-16.9")
def test_what_a_middleware_names_users_by_is_known_in_a_batch() -> None:
    settings = {**BEHIND_PROXY, "multiauth.policy.sso.environ_key": "X_USER"}
    app = make_app([Mushroom], settings=settings)
    body = {"requests": [creation(name="cep"), {"path": "/"}]}
    found = app.post_json("/v0/batch", body, extra_environ={"X_USER": "ann"}).json["responses"]
    assert statuses(found) == [201, 200]
    assert found[1]["body"]["user"] == {"id": "sso:ann"}


@pytest.mark.clause("P-26.21")
def test_requests_that_an_application_builds_have_the_sender_of_the_original() -> None:
    def ask(request: Any) -> Any:
        item = {"path": "/", "headers": {b"X-Remote-User": b"ann"}}
        return request.invoke_subrequest(build_request(request, item)).json

    def configure(config: Any) -> None:
        service = Service(name="asks", path="/asks")
        service.add_view("GET", ask, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    app = make_app(settings=BEHIND_PROXY, configure=configure)
    assert app.get("/v0/asks", headers=AS_EVE).json["user"] == {"id": "sso:eve"}
