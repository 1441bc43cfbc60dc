"""Permissions that an application changes in the backend itself, beside the models (E-12.3)."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.combinations import TOGETHER, name_of, running_combination
from support.sharing import CAP, make_sharing_app, user_id
from webtest import TestApp

from cliquet.core.globs import Exact
from cliquet.testing.web import basic_auth

OWNER = basic_auth("owner")
READER = basic_auth("reader")
OTHER = basic_auth("other")
FOREST = "/v0/forests/a/caps"
ELSEWHERE = "/v0/forests/b/caps"
SETTINGS = {
    "sync_enabled": "true",
    "cap_sync_departures": "true",
    "cap_create_principals": "system.Authenticated",
}
SOME_APART = [
    ("redis", "redis", False),
    ("redis", "postgresql", False),
    ("postgresql", "redis", False),
    ("sqlite", "memory", False),
]


def configure(config: Any) -> None:
    """Add views that change backends within a request, as subscribers of applications do."""

    def fell(request: Any) -> Any:
        registry, forest = request.registry, request.matchdict["forest"]
        if request.matchdict["what"] == "all":
            registry.storage.delete_all("cap", f"/forests/{forest}*")
        registry.permission.delete_object_permissions(f"/forests/{forest}/*")
        if request.matchdict["what"] == "failing":
            raise ValueError
        return {}

    def change(request: Any) -> Any:
        permission, change = request.registry.permission, request.matchdict["change"]
        getattr(permission, change)(*request.json_body)
        return {}

    config.add_route("fell", "/fell/{forest}/{what}")
    config.add_view(fell, route_name="fell", renderer="json")
    config.add_route("change", "/change/{change}")
    config.add_view(change, route_name="change", renderer="json")


@pytest.fixture(params=[*TOGETHER, *SOME_APART], ids=name_of)
def app(request: pytest.FixtureRequest) -> Iterator[Any]:
    with running_combination(
        request.param, request, resources=(CAP,), configure=configure, **SETTINGS
    ) as made:
        yield made


@pytest.fixture
def app_in_memory() -> TestApp:
    return make_sharing_app(SETTINGS, resources=(CAP,), configure=configure)


class Device:
    """A copy of a forest, by tokens or by ``_since``."""

    def __init__(self, app: Any, headers: Any, *, has_tokens: bool = True) -> None:
        self._app, self._headers, self._has_tokens = app, headers, has_tokens
        self._known = "" if has_tokens else "0"
        self.ids: set[str] = set()
        self.told: set[str] = set()

    def synchronise(self) -> set[str]:
        name, header = ("_sync", "Sync-Token") if self._has_tokens else ("_since", "ETag")
        url = f"{FOREST}?{name}={self._known}"
        response = self._app.get(url, headers=self._headers, status=200)
        for item in response.json["data"]:
            self.told.add(item["id"])
            (self.ids.discard if "deleted" in item else self.ids.add)(item["id"])
        self._known = response.headers[header].strip('"')
        return self.ids


def grow(app: Any, *readers: str, url: str = FOREST) -> str:
    body = {"data": {"name": "a"}, "permissions": {"read": list(readers)}}
    record_id: str = app.post_json(url, body, headers=OWNER, status=201).json["data"]["id"]
    return record_id


@pytest.mark.clause("E-12.3", "E-12.2", "E-11.3")
@pytest.mark.parametrize("what", ["all", "permissions"])
@pytest.mark.parametrize("has_tokens", [True, False], ids=["tokens", "since"])
def test_who_loses_all_records_below_a_parent_is_told(
    app: TestApp, what: str, has_tokens: bool
) -> None:
    reader, other = user_id(app, READER), user_id(app, OTHER)
    ids = {grow(app, reader) for _ in range(3)}
    hidden = grow(app, other)
    grow(app, reader, url=ELSEWHERE)
    device = Device(app, READER, has_tokens=has_tokens)
    assert device.synchronise() == ids

    app.get(f"/v0/fell/a/{what}", status=200)

    assert device.synchronise() == set()
    assert hidden not in device.told
    elsewhere = app.get(f"{ELSEWHERE}?_sync=", headers=READER)
    assert len(elsewhere.json["data"]) == 1


@pytest.mark.clause("E-12.3", "E-12.1", "E-11.3")
def test_each_change_of_an_ace_is_told(app: TestApp) -> None:
    reader = user_id(app, READER)
    record_id = grow(app)
    uri = f"/forests/a/caps/{record_id}"
    device = Device(app, READER)
    assert device.synchronise() == set()

    for change, arguments, ids in (
        ("add_principal_to_ace", [uri, "read", reader], {record_id}),
        ("add_principal_to_ace", [uri, "write", reader], {record_id}),
        ("remove_principal_from_ace", [uri, "read", reader], {record_id}),
        ("remove_principal_from_ace", [uri, "write", reader], set()),
        ("replace_object_permissions", [uri, {"read": [reader]}], {record_id}),
        ("replace_object_permissions", [uri, {"read": []}], set()),
        ("add_principal_to_ace", [uri, "read", reader], {record_id}),
        ("delete_object_permissions", [uri], set()),
    ):
        app.post_json(f"/v0/change/{change}", arguments, status=200)
        assert device.synchronise() == ids, change


@pytest.mark.clause("E-12.3", "X-18")
def test_what_a_request_undoes_is_not_told(app: TestApp) -> None:
    ids = {grow(app, user_id(app, READER))}
    device = Device(app, READER)
    device.synchronise()

    app.get("/v0/fell/a/failing", status=500)

    assert device.synchronise() == ids


@pytest.mark.clause("E-12.3")
def test_outside_of_requests_it_is_told_too(app_in_memory: TestApp) -> None:
    app = app_in_memory
    permission = app.app.registry.permission
    record_id = grow(app, user_id(app, READER))
    device = Device(app, READER)
    device.synchronise()

    permission.delete_object_permissions(object_ids := Exact(f"/forests/a/caps/{record_id}"))
    permission.delete_object_permissions()
    permission.delete_object_permissions(object_ids, "/unknown/*", "no path", "/forests/a")

    assert device.synchronise() == set()


@pytest.mark.clause("E-12.3")
def test_where_nobody_synchronises_nothing_is_observed() -> None:
    app = make_sharing_app({}, resources=(CAP,))
    permission = app.app.registry.permission

    assert not hasattr(permission, "__wrapped__")
