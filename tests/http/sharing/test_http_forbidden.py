"""What a 403 says: to the people who run the service, and to the client if a setting allows it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pyramid.httpexceptions import HTTPForbidden
from support.sharing import BODY, CAP, FORBIDDEN, UNKNOWN_ID, URL, Toadstool, error, store, user_id
from webtest import TestApp

from cliquet import Service, resource
from cliquet.authorization import RouteFactory
from cliquet.testing.web import basic_auth, make_app

AUTH = basic_auth("outsider")


class Refusing(resource.ShareableResource):
    """Code of the application refuses."""

    def process_record(self, new: Any, old: Any = None) -> Any:
        raise HTTPForbidden


class Losing(resource.ShareableResource):
    """Somebody takes the permission back before the record is locked."""

    mapping = Toadstool.mapping

    def patch(self) -> Any:
        uri = f"/losings/{self.record_id}"
        backend: Any = self.request.registry.permission
        backend.remove_principal_from_ace(uri, "write", self.request.prefixed_userid)
        return super().patch()


class OwnFactory(RouteFactory):
    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self.required_permission = "publish"
        self.permission_object_id = f"/own/{request.matchdict['id']}"


def get_own(request: Any) -> Any:
    return {}


@pytest.fixture
def journal() -> list[Any]:
    return []


def made(journal: list[Any], **settings: Any) -> TestApp:
    def renderer(settings: Any = None) -> Any:
        def render(logger: Any, name: Any, entry: Any) -> Any:
            journal.append(dict(entry))
            return entry["event"]

        return render

    settings = {
        "logging_renderer": renderer,
        "refusing_create_principals": "system.Authenticated",
        **settings,
    }
    service = Service(name="own", path="/own/{id}", factory=OwnFactory)
    service.get(permission="dynamic")(get_own)
    return make_app(
        [Toadstool, CAP, Refusing, Losing],
        settings=settings,
        configure=lambda config: config.add_cornice_service(service),
    )


@pytest.fixture
def app(journal: list[Any], caplog: pytest.LogCaptureFixture) -> TestApp:
    caplog.set_level(logging.INFO, logger="cliquet")
    return made(journal)


@pytest.fixture
def explaining(journal: list[Any], caplog: pytest.LogCaptureFixture) -> TestApp:
    caplog.set_level(logging.INFO, logger="cliquet")
    return made(journal, explain_forbidden="true")


RECORD = f"/toadstools/{UNKNOWN_ID}"
CASES = [
    ("GET", URL, [("read", "/toadstools")]),
    ("HEAD", URL, [("read", "/toadstools")]),
    ("DELETE", URL, [("write", "/toadstools")]),
    ("POST", URL, [("toadstool:create", "/toadstools")]),
    ("GET", f"/v0{RECORD}", [("read", RECORD)]),
    ("PUT", f"/v0{RECORD}", [("write", RECORD), ("toadstool:create", "/toadstools")]),
    ("PATCH", f"/v0{RECORD}", [("write", RECORD)]),
    ("DELETE", f"/v0{RECORD}", [("write", RECORD)]),
    ("POST", "/v0/forests/a%20b/caps", [("cap:create", "/forests/a b/caps")]),
    ("GET", "/v0/own/1", [("publish", "/own/1")]),
]


def send(app: TestApp, method: str, url: str, status: int = 403, **headers: str) -> Any:
    if method in ("POST", "PUT", "PATCH"):
        return getattr(app, f"{method.lower()}_json")(
            url, BODY, headers={**AUTH, **headers}, status=status
        )
    return app.request(url, method=method, headers={**AUTH, **headers}, status=status)


@pytest.mark.clause("E-18.1")
@pytest.mark.parametrize(("method", "url", "needed"), CASES)
def test_the_line_names_permission_object_and_principals(
    app: TestApp, journal: list[Any], method: str, url: str, needed: list[Any]
) -> None:
    me = user_id(app, AUTH)
    app.app.registry.permission.add_user_principal(me, "group:guests")
    journal.clear()

    answer = send(app, method, url)

    (line,) = journal
    assert line["permission"] == " or ".join(name for name, _ in needed)
    assert line["object"] == " or ".join(uri for _, uri in needed)
    assert line["principals"] == sorted(
        [me, me.replace(":", "_"), "group:guests", "system.Authenticated", "system.Everyone"]
    )
    if method != "HEAD":
        assert error(answer) == FORBIDDEN
        assert answer.json.keys() == {"code", "errno", "error", "message"}


@pytest.mark.clause("E-18.2")
@pytest.mark.setting("explain_forbidden")
@pytest.mark.parametrize(("method", "url", "needed"), [case for case in CASES if case[0] != "HEAD"])
def test_the_answer_says_what_is_missing_if_a_setting_allows_it(
    explaining: TestApp, method: str, url: str, needed: list[Any]
) -> None:
    answer = send(explaining, method, url).json

    assert answer["details"] == {
        "permissions": [{"permission": name, "object": uri} for name, uri in needed]
    }
    assert answer["errno"] == 121
    assert answer["message"].startswith("This user cannot access this resource. It needs the perm")
    assert all(f"{name} on {uri}" in answer["message"] for name, uri in needed)
    assert ("if there is a record, or" in answer["message"]) == (method == "PUT")


@pytest.mark.clause("E-18.2")
def test_the_layers_of_pyramid_say_the_same(journal: list[Any]) -> None:
    app = made(journal, explain_forbidden="true", compiled_endpoints="false")

    told = send(app, "GET", URL).json["details"]

    assert told == {"permissions": [{"permission": "read", "object": "/toadstools"}]}


@pytest.mark.clause("E-18.2", "H-5.17")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_it_does_not_say_whether_the_record_exists(explaining: TestApp, method: str) -> None:
    stored = store(explaining)

    of_stored = send(explaining, method, stored["url"])
    of_unknown = send(explaining, method, f"/v0{RECORD}")

    assert of_stored.text.replace(stored["id"], UNKNOWN_ID) == of_unknown.text


@pytest.mark.clause("E-18.2")
def test_it_does_not_say_who_has_the_permission(explaining: TestApp) -> None:
    stored = store(explaining)
    explaining.app.registry.permission.add_principal_to_ace(
        f"/toadstools/{stored['id']}", "write", "group:editors"
    )

    assert "editors" not in send(explaining, "PATCH", stored["url"]).text


@pytest.mark.clause("E-18.2", "H-5.16")
def test_an_anonymous_request_is_told_nothing(explaining: TestApp, journal: list[Any]) -> None:
    journal.clear()

    answer = explaining.get(URL, status=401)

    assert "details" not in answer.json
    assert "permission" not in journal[0]


@pytest.mark.clause("E-18.1", "E-18.2")
def test_a_refusal_of_the_application_is_not_explained(
    explaining: TestApp, journal: list[Any]
) -> None:
    journal.clear()

    answer = explaining.post_json("/v0/refusings", {"data": {}}, headers=AUTH, status=403)

    assert error(answer) == FORBIDDEN
    assert "permission" not in journal[0]


@pytest.mark.clause("E-18.1", "E-18.2", "H-25.13")
def test_each_request_of_a_batch_has_its_own(explaining: TestApp, journal: list[Any]) -> None:
    journal.clear()
    requests = [
        {"path": "/toadstools"},
        {"path": RECORD, "method": "DELETE"},
        {"path": "/"},
    ]

    answers = explaining.post_json("/v0/batch", {"requests": requests}, headers=AUTH).json

    told = [answer["body"].get("details") for answer in answers["responses"]]
    assert told[1] == {"permissions": [{"permission": "write", "object": RECORD}]}
    first, second, third, summary = journal
    assert (first["permission"], second["permission"]) == ("read", "write")
    assert "permission" not in third
    assert "permission" not in summary


@pytest.mark.clause("E-18.1", "D-62")
def test_a_permission_that_is_lost_meanwhile_is_named(app: TestApp, journal: list[Any]) -> None:
    me, stored = user_id(app, AUTH), store(app, "/v0/losings")
    uri = f"/losings/{stored['id']}"
    app.app.registry.permission.add_principal_to_ace(uri, "write", me)
    journal.clear()

    send(app, "PATCH", stored["url"])

    assert (journal[-1]["permission"], journal[-1]["object"]) == ("write", uri)
