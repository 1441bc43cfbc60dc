"""Programs that are known by a key of the service (E-16), on each storage."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from pyramid.interfaces import IAuthenticationPolicy
from pyramid.request import Request
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp
from zope.interface.verify import verifyObject

from cliquet.authentication import APIKeyPolicy
from cliquet.security import api_keys
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.testing.web import basic_auth

PREFIX = "multiauth.policy.program"
DAY_MS = 86_400_000


def service(**options: Any) -> TestApp:
    return make_app(
        [Mushroom],
        settings={
            "multiauth.policies": "basicauth program",
            f"{PREFIX}.use": "cliquet.authentication.APIKeyPolicy",
            **{f"{PREFIX}.{name}": value for name, value in options.items()},
        },
    )


@pytest.fixture
def app() -> TestApp:
    return service(cache_seconds=0)


def storage_of(app: TestApp) -> Any:
    return app.app.registry.storage


def headers(key: str) -> dict[str, str]:
    return {"Authorization": f"ApiKey {key}"}


def status(app: TestApp, key: str) -> int:
    found: int = app.get("/v0/mushrooms", headers=headers(key), status="*").status_int
    return found


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.mark.clause("E-16.1")
def test_a_key_stands_for_its_user(app: TestApp) -> None:
    first, second = (api_keys.create(storage_of(app), "robot") for _ in range(2))
    other = api_keys.create(storage_of(app), "crawler")

    hello = app.get("/v0/", headers=headers(first))
    app.post_json("/v0/mushrooms", {"data": {"name": "Cep"}}, headers=headers(first))

    assert hello.json["user"] == {"id": "program:robot"}
    assert len(app.get("/v0/mushrooms", headers=headers(second)).json["data"]) == 1
    assert app.get("/v0/mushrooms", headers=headers(other)).json["data"] == []


@pytest.mark.clause("E-16.1")
@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1],
        lambda key: key + "a",
        lambda key: key[:-1] + ("a" if key[-1] != "a" else "b"),
        lambda key: key.replace("ck_", "ck_0", 1),
        lambda key: key[:36],
        lambda key: "ck_" + "0" * 32 + "_" + key.split("_", 2)[2],
        lambda key: "ck_" + "g" * 32 + "_" + key.split("_", 2)[2],
        lambda key: key.removeprefix("ck_"),
        lambda key: key.upper(),
        lambda key: key + "é",
        lambda key: "a" * 5000,
        lambda key: "*",
        lambda key: "ck_%_%",
        lambda key: "",
    ],
)
def test_what_is_no_key_is_401(app: TestApp, change: Callable[..., Any]) -> None:
    key = api_keys.create(storage_of(app), "robot")

    assert status(app, key) == 200
    assert status(app, change(key)) == 401


@pytest.mark.clause("E-16.1", "H-4.10")
def test_the_challenge_names_the_scheme() -> None:
    app = service(realm="Mycology")

    refused = app.get("/v0/mushrooms", status=401)

    assert 'ApiKey realm="Mycology"' in refused.headers.getall("WWW-Authenticate")


@pytest.mark.clause("E-16.2")
def test_the_storage_does_not_hold_the_key(app: TestApp) -> None:
    key = api_keys.create(storage_of(app), "robot")

    [record] = storage_of(app).get_all("__api_keys__", "")[0]

    secret = key.split("_", 2)[2]
    assert len(secret) >= 43
    assert secret not in str(record)


@pytest.mark.clause("E-16.2")
def test_no_client_reaches_the_keys(app: TestApp) -> None:
    api_keys.create(storage_of(app), "robot")

    for path in ("/v0/__api_keys__", "/v0/__api_keys__/x"):
        app.get(path, headers=basic_auth(), status=404)


@pytest.mark.clause("E-16.3")
def test_a_revoked_key_is_refused(app: TestApp) -> None:
    kept, revoked = (api_keys.create(storage_of(app), "robot") for _ in range(2))
    assert status(app, revoked) == 200
    found = api_keys.find(storage_of(app), revoked)
    assert found is not None

    api_keys.revoke(storage_of(app), found.id)

    assert status(app, revoked) == 401
    assert status(app, kept) == 200
    with pytest.raises(RecordNotFoundError):
        api_keys.revoke(storage_of(app), found.id)


@pytest.mark.clause("E-16.3")
def test_a_key_ends_at_its_time(app: TestApp) -> None:
    storage = storage_of(app)

    assert status(app, api_keys.create(storage, "robot", expires_ms=now_ms() + DAY_MS)) == 200
    assert status(app, api_keys.create(storage, "robot", expires_ms=now_ms() - 1)) == 401


@pytest.mark.clause("E-16.3")
def test_a_remembered_key_ends_at_its_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    app = service(cache_seconds=3600)
    key = api_keys.create(storage_of(app), "robot", expires_ms=now_ms() + 1800 * 1000)
    assert status(app, key) == 200

    later = time.time() + 1801
    monkeypatch.setattr("cliquet.security.api_key_policy.time.time", lambda: later)

    assert status(app, key) == 401


@pytest.mark.clause("E-16.3")
def test_a_remembered_key_costs_no_read(monkeypatch: pytest.MonkeyPatch) -> None:
    app = service()
    key = api_keys.create(storage_of(app), "robot")
    found: list[str] = []
    find = api_keys.find

    def counted(storage: Any, text: str) -> Any:
        found.append(text)
        return find(storage, text)

    monkeypatch.setattr(api_keys, "find", counted)

    for _ in range(3):
        assert status(app, key) == 200
    assert len(found) == 1
    # What was refused is not remembered: the key may be made in the next moment.
    for _ in range(3):
        assert status(app, key + "a") == 401
    assert len(found) == 4


@pytest.mark.clause("E-16.1")
@pytest.mark.parametrize("userid", ["", "a\x00b", "\ud800", "a" * 513])
def test_ids_that_no_user_can_have_get_no_key(app: TestApp, userid: str) -> None:
    with pytest.raises(ValueError, match="no id of a user"):
        api_keys.create(storage_of(app), userid)


@pytest.mark.clause("E-16.1")
@pytest.mark.parametrize("cache_seconds", [-1, 3601, "soon", None, float("nan")])
def test_a_wrong_time_stops_the_start(cache_seconds: Any) -> None:
    with pytest.raises(ValueError, match="cache_seconds"):
        APIKeyPolicy(cache_seconds=cache_seconds)


@pytest.mark.clause("E-16.1")
def test_the_policy_is_one_of_pyramid() -> None:
    policy = APIKeyPolicy()

    verifyObject(IAuthenticationPolicy, policy)
    assert policy.remember(Request.blank("/"), "robot") == []
    assert policy.unauthenticated_userid(Request.blank("/")) is None
    assert policy.effective_principals(Request.blank("/")) == []
