"""A shared record is read together with its ACEs where both are in one database."""

import functools
from collections.abc import Iterator
from typing import Any

import colander
import pytest
from servers.processes import temporary_folder
from support.shared_apps import make_app
from webtest import TestApp

from cliquet import resource
from cliquet.resource.shareable_model import ShareableModel
from cliquet.testing.web import basic_auth

MAT = basic_auth("mat")
ALICE = basic_auth("alice")
READS = ("get", "find_with_aces", "object_permissions", "check_permission")
FAMILIES = ["sqlite", "postgresql", "sqlite beside", "memory"]
UNKNOWN = "00000000-0000-4000-8000-000000000001"
joined = pytest.mark.parametrize("pair", FAMILIES[:2], indirect=True)
everywhere = pytest.mark.parametrize("pair", FAMILIES, indirect=True)


class Toadstool(resource.ShareableResource):
    """Shared records, which only their ACEs open."""

    class ToadstoolSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = ToadstoolSchema()


class Bolete(Toadstool):
    """Shared records that settings open to all users."""


class LoudModel(ShareableModel):
    """A model of an application."""

    def get_record(self, record_id: str, parent_id: str | None = None) -> Any:
        return {**super().get_record(record_id, parent_id), "name": "loud"}


class Loud(Toadstool):
    default_model = LoudModel


class Guarded(Toadstool):
    """A resource whose parent depends on the request."""

    asked = 0

    def get_parent_id(self, request: Any) -> str:
        type(self).asked += 1
        return "parent"


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings of two backends."""
    with temporary_folder("joint", in_memory=True) as folder:
        if request.param == "memory":
            urls = ["", ""]
        elif request.param == "postgresql":
            urls = [request.getfixturevalue("postgresql_module_url")] * 2
        else:
            other = "b" if "beside" in request.param else "a"
            urls = [f"sqlite:///{folder}/a.db", f"sqlite:///{folder}/{other}.db"]
        name = request.param.split()[0]
        settings = {}
        for kind, url in zip(("storage", "permission"), urls, strict=True):
            settings[f"{kind}_backend"] = f"cliquet.{kind}.{name}"
            if url:
                settings[f"{kind}_url"] = url
        yield settings


@pytest.fixture
def app(pair: dict[str, str]) -> TestApp:
    settings = {**pair}
    for name in ("toadstool", "loud", "guarded"):
        settings[f"{name}_create_principals"] = "system.Authenticated"
    for name in ("read", "create"):
        settings[f"bolete_{name}_principals"] = "system.Authenticated"
    app = make_app([Toadstool, Bolete, Loud, Guarded], settings=settings)
    for backend in (app.app.registry.storage, app.app.registry.permission):
        backend.initialize_schema()
        backend.flush()
    return app


@pytest.fixture
def calls(app: TestApp, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the methods that are called, as if somebody timed them."""
    called: list[str] = []

    def timed(name: str, method: Any) -> Any:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            called.append(name)
            return method(*args, **kwargs)

        return call

    for backend in (app.app.registry.storage, app.app.registry.permission):
        for name in READS:
            if hasattr(backend, name):
                monkeypatch.setattr(backend, name, timed(name, getattr(backend, name)))
    return called


def create(app: TestApp, kind: str) -> str:
    body = {"data": {"name": "a"}, "permissions": {"read": ["basicauth:bob"]}}
    created = app.post_json(f"/v0/{kind}", body, headers=MAT).json["data"]
    return f"/v0/{kind}/{created['id']}"


@pytest.mark.clause("B-23.22", "H-5.17")
@joined
@pytest.mark.parametrize("kind", ["toadstools", "boletes"])
def test_a_record_and_its_permissions_are_read_at_once(
    app: TestApp, calls: list[str], kind: str
) -> None:
    url = create(app, kind)
    calls.clear()

    body = app.get(url, headers=MAT).json

    # SQLite makes no round trip that would be saved before the check.
    is_remote = app.app.registry.storage.makes_round_trips
    is_joined = is_remote or kind == "boletes"
    assert calls == (["find_with_aces"] if is_joined else ["object_permissions", "get"])
    assert body["data"]["name"] == "a"
    assert set(body["permissions"]) == {"read", "write"}


@pytest.mark.clause("B-23.22", "H-5.17", "H-5.11")
@everywhere
def test_who_may_not_read_learns_nothing(app: TestApp) -> None:
    url = create(app, "toadstools")
    missing = f"/v0/toadstools/{UNKNOWN}"
    app.app.registry.permission.add_principal_to_ace(
        missing.removeprefix("/v0"), "read", "system.Authenticated"
    )

    refused = app.get(url, headers=ALICE, status=403)
    unknown = app.get(url[:-4] + "0000", headers=ALICE, status=403)
    app.get("/v0/toadstools/no%20id", headers=ALICE, status=403)
    app.get(missing, headers=ALICE, status=404)

    assert refused.json == unknown.json
    assert set(refused.headers) == set(unknown.headers)
    app.head(url, headers=ALICE, status=403)
    app.head(url, headers=MAT, status=200)


@pytest.mark.clause("B-23.22", "P-14.3")
@everywhere
def test_a_model_of_an_application_is_the_one_that_is_asked(app: TestApp) -> None:
    assert app.get(create(app, "louds"), headers=MAT).json["data"]["name"] == "loud"


@pytest.mark.clause("B-23.22", "P-11.1")
@joined
def test_the_parent_of_an_application_is_not_asked_before_the_check(app: TestApp) -> None:
    url = create(app, "guardeds")
    Guarded.asked = 0

    app.get(url, headers=ALICE, status=403)
    assert Guarded.asked == 0

    app.get(url, headers=MAT)
    assert Guarded.asked == 1


@pytest.mark.clause("B-23.22", "B-20.4")
@joined
@pytest.mark.parametrize("kind", ["toadstools", "boletes"])
@pytest.mark.parametrize("owner", ["storage", "permission"])
def test_a_method_that_an_application_has_replaced_is_called(
    app: TestApp, monkeypatch: pytest.MonkeyPatch, kind: str, owner: str
) -> None:
    url = create(app, kind)
    backend = getattr(app.app.registry, owner)
    name = {"storage": "get", "permission": "object_permissions"}[owner]
    original, replaced = getattr(backend, name), []

    def replacement(*args: Any, **kwargs: Any) -> Any:
        replaced.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(backend, name, replacement)
    app.get(url, headers=MAT)

    assert replaced == [name]
