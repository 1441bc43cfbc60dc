"""Clients that synchronise records that are shared with them one by one (E-11, E-12)."""

from typing import Any

import pytest
from support.listings import items, walk
from support.sharing import COLLECTION, URL, grant, make_sharing_app, object_id, store, user_id
from webtest import TestApp

from cliquet.testing.web import basic_auth

READER = basic_auth("reader")
OTHER = basic_auth("other")


def make_synchronising_app() -> TestApp:
    return make_sharing_app({"sync_enabled": "true"})


@pytest.fixture
def app(shared_apps: Any) -> TestApp:
    made: TestApp = shared_apps.fresh(make_synchronising_app)
    return made


def sync(app: TestApp, headers: Any, token: str = "", *, url: str = URL, **more: Any) -> Any:
    """Read all pages, and return the items and the token of the last page."""
    glue = "&" if "?" in url else "?"
    pages = walk(app, headers, f"{url}{glue}_sync={token}", **more)
    return items(pages), pages[-1].headers["Sync-Token"]


def outdated(app: TestApp, headers: Any, token: str) -> Any:
    response = app.get(f"{URL}?_sync={token}", headers=headers, status=410)
    return response.json["details"]["reason"]


def bare(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "url"}


@pytest.mark.clause("E-11.1", "H-5.12")
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_client_starts_with_the_records_that_are_shared_with_it(app: TestApp, limit: int) -> None:
    shared = [store(app, n=n) for n in range(3)]
    store(app, n=3)
    for record in shared:
        grant(app, object_id(record["url"]), "read", user_id(app, READER))

    found, token = sync(app, READER, url=f"{URL}?_limit={limit}")

    assert found == [bare(record) for record in shared]
    store(app, n=4)
    assert sync(app, READER, token)[0] == []


@pytest.mark.clause("E-11.1", "E-12.4", "H-6.4")
def test_who_has_no_record_yet_gets_none_and_a_token(app: TestApp) -> None:
    store(app)
    found, token = sync(app, READER)
    assert found == []
    assert sync(app, READER, token) == ([], token)

    app.get(URL, headers=READER, status=403)
    app.get(f"{URL}?_since=0", headers=READER, status=403)
    app.delete(f"{URL}?_sync=", headers=READER, status=403)
    app.get(f"{URL}?_sync=", status=401)


@pytest.mark.clause("E-12.4")
@pytest.mark.setting("{resource_name}_sync_departures")
def test_a_poll_of_who_has_no_record_is_empty_if_a_setting_says_so() -> None:
    app = make_sharing_app({"toadstool_sync_departures": "true"})
    store(app)

    assert app.get(f"{URL}?_since=0", headers=READER, status=200).json == {"data": []}
    app.get(URL, headers=READER, status=403)
    app.get("/v0/amanitas?_since=0", headers=READER, status=403)


@pytest.mark.clause("E-11.5")
def test_another_extent_of_the_view_begins_another_copy(app: TestApp) -> None:
    record = store(app)
    me = user_id(app, READER)
    grant(app, object_id(record["url"]), "read", me)
    _, token = sync(app, READER)
    grant(app, COLLECTION, "read", me)

    assert outdated(app, READER, token) == "view"
    found, whole = sync(app, READER)
    assert found == [bare(record)]

    app.app.registry.permission.remove_principal_from_ace(COLLECTION, "read", me)
    assert outdated(app, READER, whole) == "view"
    assert sync(app, READER, token)[0] == []


@pytest.mark.clause("E-11.5")
def test_other_groups_begin_another_copy(app: TestApp) -> None:
    permission = app.app.registry.permission
    record = store(app)
    grant(app, object_id(record["url"]), "read", "group:pickers")
    found, token = sync(app, READER)
    assert found == []

    permission.add_user_principal(user_id(app, READER), "group:pickers")

    assert outdated(app, READER, token) == "view"
    found, joined = sync(app, READER)
    assert found == [bare(record)]
    assert outdated(app, OTHER, joined) == "view"


@pytest.mark.clause("E-11.2", "H-10.8")
def test_a_condition_says_nothing_of_a_part_of_the_collection(app: TestApp) -> None:
    record = store(app)
    grant(app, object_id(record["url"]), "read", user_id(app, READER))
    first = app.get(f"{URL}?_sync=", headers=READER)

    conditional = {**READER, "If-None-Match": first.headers["ETag"]}

    url = f"{URL}?_sync={first.headers['Sync-Token']}"
    assert app.get(url, headers=conditional, status=200).json == {"data": []}
    app.get(url, headers={**READER, "If-Match": '"1"'}, status=412)


@pytest.mark.clause("E-11.7")
def test_permissions_are_never_selected(app: TestApp) -> None:
    record = store(app)
    grant(app, object_id(record["url"]), "read", user_id(app, READER))

    found, _ = sync(app, READER, url=f"{URL}?_fields=name&name=fly%20agaric")

    assert found == [{name: record[name] for name in ("name", "id", "last_modified")}]
