"""A change of a record writes permissions only if something of them changes."""

from pathlib import Path
from typing import Any

import pytest
from testapp import Mushroom
from webtest import TestApp

from cliquet import resource
from cliquet.permission.base import PermissionBase
from cliquet.testing.web import basic_auth, make_app

pytestmark = pytest.mark.clause("B-23.25")

ALICE, BOB = basic_auth(), basic_auth("bob:secret")
READ = {"permissions": {"read": ["system.Everyone"]}}
BODY = {"data": {"name": "a"}}


class Shared(resource.ShareableResource):
    mapping = Mushroom.MushroomSchema()


@pytest.fixture
def app(tmp_path: Path) -> TestApp:
    url = f"sqlite:///{tmp_path}/data.db"
    settings = {
        f"{kind}_{name}": value
        for kind in ("storage", "permission")
        for name, value in (("backend", f"cliquet.{kind}.sqlite"), ("url", url))
    }
    opened = {
        f"shared_{name}_principals": "system.Authenticated" for name in ("read", "write", "create")
    }
    return make_app([Shared], settings={**settings, **opened})


@pytest.fixture
def written(app: TestApp, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the objects whose permissions are written from now on."""
    calls: list[Any] = []
    writer = app.app.registry.permission._writer
    write = writer.write

    def noting(object_id: str, *args: Any, **kwargs: Any) -> Any:
        calls.append(object_id)
        return write(object_id, *args, **kwargs)

    # A published method would be taken for one of the application.
    monkeypatch.setattr(writer, "write", noting)
    return calls


def created(app: TestApp, body: Any = BODY) -> str:
    answer = app.post_json("/v0/shareds", body, headers=ALICE, status=201).json
    return f"/v0/shareds/{answer['data']['id']}"


def change(app: TestApp, method: str, url: str, body: Any, headers: Any = ALICE) -> Any:
    send = app.put_json if method == "PUT" else app.patch_json
    return send(url, body, headers=headers, status=200).json


methods = pytest.mark.parametrize("method", ["PUT", "PATCH"])


@methods
def test_those_of_a_user_who_has_written_it_before_stay(
    app: TestApp, written: list[Any], method: str
) -> None:
    url = created(app, {**BODY, **READ})
    before = app.get(url, headers=ALICE).json["permissions"]
    written.clear()

    answer = change(app, method, url, {"data": {"name": "b"}})

    assert written == []
    assert answer["permissions"] == before == app.get(url, headers=ALICE).json["permissions"]


@methods
def test_another_user_who_writes_it_gets_the_permission(
    app: TestApp, written: list[Any], method: str
) -> None:
    url = created(app)
    written.clear()

    answer = change(app, method, url, BODY, BOB)

    assert len(written) == 1
    assert len(answer["permissions"]["write"]) == 2
    assert app.get(url, headers=ALICE).json["permissions"] == answer["permissions"]


@methods
def test_those_of_a_body_are_written(app: TestApp, written: list[Any], method: str) -> None:
    url = created(app)
    written.clear()

    answer = change(app, method, url, {**BODY, **READ})

    assert len(written) == 1
    assert answer["permissions"]["read"] == ["system.Everyone"]


@methods
@pytest.mark.parametrize("name", ["write_object_permissions", "add_principal_to_ace"])
def test_a_method_of_the_application_is_called_each_time(
    app: TestApp, method: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = created(app)
    calls: list[Any] = []
    permission: Any = app.app.registry.permission
    own = getattr(PermissionBase, name)

    class Audited(type(permission)):  # type: ignore[misc]  # of the backend of this test
        pass

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return getattr(super(Audited, self), name)(*args, **kwargs)

    setattr(Audited, name, noting)
    assert callable(own)
    monkeypatch.setattr(permission, "__class__", Audited)

    change(app, method, url, BODY)

    assert len(calls) == 1
