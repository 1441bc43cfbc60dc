"""Clients that synchronise with tokens, on a collection that they see whole (E-11)."""

import re
from typing import Any

import pytest
from support.listings import GROWTHS, LICHENS, invalid, items, state, store, walk
from support.origins import ORIGIN
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import resource
from cliquet.core.globs import Pattern
from cliquet.resource import Model
from cliquet.settings import SettingError
from cliquet.testing.web import basic_auth

WRONG = "_sync is no token of this list"


@pytest.fixture
def app() -> TestApp:
    return make_app(RESOURCES, settings={"sync_enabled": "true"})


def sync(app: TestApp, headers: Any, token: str = "", *, url: str = LICHENS, **more: Any) -> Any:
    """Read all pages, and return the items and the token of the last page."""
    glue = "&" if "?" in url else "?"
    pages = walk(app, headers, f"{url}{glue}_sync={token}", **more)
    for page in pages[:-1]:
        assert "Sync-Token" not in page.headers
    return items(pages), pages[-1].headers["Sync-Token"]


def tombstone(record: Any, position: int) -> dict[str, Any]:
    return {"id": record["id"], "last_modified": position, "deleted": True}


# Starts


@pytest.mark.clause("E-11.1", "E-11.3")
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_a_client_starts_with_all_records_the_oldest_first(
    app: TestApp, headers: dict[str, str], limit: int
) -> None:
    records = store(app, headers, LICHENS, *({"n": n} for n in range(5)))
    app.delete(f"{LICHENS}/{records[3]['id']}", headers=headers)

    found, token = sync(app, headers, url=f"{LICHENS}?_limit={limit}")

    assert found == [record for record in records if record["n"] != 3]
    assert re.fullmatch("[A-Za-z0-9_-]{1,512}", token)


@pytest.mark.clause("E-11.1")
def test_an_empty_collection_has_a_token(app: TestApp, headers: dict[str, str]) -> None:
    found, token = sync(app, headers)
    assert found == []

    (record,) = store(app, headers, LICHENS, {"name": "first"})

    assert sync(app, headers, token)[0] == [record]


@pytest.mark.clause("E-11.1")
@pytest.mark.setting("sync_enabled", "{resource_name}_sync_enabled")
@pytest.mark.parametrize(
    ("settings", "is_enabled"),
    [
        ({}, False),
        ({"sync_enabled": "true"}, True),
        ({"lichen_sync_enabled": "true"}, True),
        ({"sync_enabled": "true", "lichen_sync_enabled": "false"}, False),
        ({"growth_sync_enabled": "true"}, False),
    ],
)
def test_tokens_are_given_where_settings_say_so(
    headers: dict[str, str], settings: dict[str, str], is_enabled: bool
) -> None:
    app = make_app(RESOURCES, settings=settings)
    records = store(app, headers, LICHENS, {"n": 1}, {"n": 2})

    response = app.get(f"{LICHENS}?_sync=", headers=headers)

    assert ("Sync-Token" in response.headers) is is_enabled
    # Without it, the parameter is unknown, and changes nothing.
    assert response.json["data"] == (records if is_enabled else records[::-1])
    damaged = app.get(f"{LICHENS}?_sync=x&_sort=n", headers=headers, status="*")
    assert damaged.status_code == (400 if is_enabled else 200)


def test_a_setting_that_is_no_boolean_stops_the_start() -> None:
    with pytest.raises(SettingError, match="lichen_sync_enabled"):
        make_app(RESOURCES, settings={"lichen_sync_enabled": "perhaps"})


# Changes


@pytest.mark.clause("E-11.2", "E-11.3", "H-22.1")
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_token_gives_what_has_changed_since(
    app: TestApp, headers: dict[str, str], limit: int
) -> None:
    url = f"{LICHENS}?_limit={limit}"
    a, b, _ = store(app, headers, LICHENS, {"n": 1}, {"n": 2}, {"n": 3})
    _, token = sync(app, headers, url=url)

    (d,) = store(app, headers, LICHENS, {"n": 4})
    gone = app.delete(f"{LICHENS}/{a['id']}", headers=headers).json["data"]
    b = app.patch_json(f"{LICHENS}/{b['id']}", {"data": {"n": 5}}, headers=headers).json["data"]
    found, after = sync(app, headers, token, url=url)

    assert found == [d, gone, b]
    assert sync(app, headers, after, url=url) == ([], after)
    # The former token is still good.
    assert sync(app, headers, token, url=url)[0] == found


@pytest.mark.clause("E-11.2")
def test_nothing_new_is_an_empty_list_and_a_token(app: TestApp, headers: dict[str, str]) -> None:
    store(app, headers, LICHENS, {"n": 1})
    _, token = sync(app, headers)

    response = app.get(f"{LICHENS}?_sync={token}", headers=headers, status=200)

    assert response.json == {"data": []}
    assert response.headers["Sync-Token"] == token
    assert "Next-Page" not in response.headers


@pytest.mark.clause("E-11.3")
@pytest.mark.parametrize(
    "change", ["create", "replace", "delete", "create again", "late", "late deletion"]
)
@pytest.mark.parametrize("which", [0, 2, 4])
@pytest.mark.parametrize("is_start", [True, False])
def test_what_changes_between_two_pages_is_told_at_the_end(
    app: TestApp, headers: dict[str, str], change: str, which: int, is_start: bool
) -> None:
    url = f"{LICHENS}?_limit=2"
    _, token = sync(app, headers, url=url)
    records = store(app, headers, LICHENS, *({"n": n} for n in range(5)))
    record_url = f"{LICHENS}/{records[which]['id']}"

    def disturb(pages: list[Any]) -> None:
        if len(pages) > 1:
            return
        if change == "create":
            store(app, headers, LICHENS, {"n": 9})
        elif change == "replace":
            app.put_json(record_url, {"data": {"n": 10}}, headers=headers)
        elif change == "late":
            data = {"n": 11, "last_modified": records[which]["last_modified"] + 1}
            app.put_json(record_url, {"data": data}, headers=headers)
        elif change == "late deletion":
            time = records[which]["last_modified"] + 1
            app.delete(f"{record_url}?last_modified={time}", headers=headers)
        else:
            app.delete(record_url, headers=headers)
            if change == "create again":
                app.put_json(record_url, {"data": {"n": 12}}, headers=headers)

    found, after = sync(app, headers, "" if is_start else token, url=url, before_next=disturb)
    more, _ = sync(app, headers, after, url=url)

    known = {}
    for item in [*found, *more]:
        if item.get("deleted"):
            known.pop(item["id"], None)
        else:
            known[item["id"]] = item
    live = app.get(LICHENS, headers=headers).json["data"]
    assert known == {record["id"]: record for record in live}


@pytest.mark.clause("E-11.3")
def test_a_start_ends_however_much_is_written_meanwhile(
    app: TestApp, headers: dict[str, str]
) -> None:
    records = store(app, headers, LICHENS, *({"n": n} for n in range(4)))

    def write(pages: list[Any]) -> None:
        store(app, headers, LICHENS, *({"n": 10 + n} for n in range(3)))

    found, token = sync(app, headers, url=f"{LICHENS}?_limit=1", before_next=write)

    assert found == records
    assert len(sync(app, headers, token)[0]) == 9


@pytest.mark.clause("E-11.1", "E-11.3")
def test_records_with_one_timestamp_are_on_several_pages(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(app, headers, LICHENS, {"n": 0})
    records = store(app, headers, LICHENS, *({"n": n, "last_modified": 12} for n in range(1, 5)))
    assert {record["last_modified"] for record in records} == {12}

    found, _ = sync(app, headers, url=f"{LICHENS}?_limit=2")

    assert sorted(record["n"] for record in found) == list(range(5))


@pytest.mark.clause("E-11.3", "B-4.7")
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_changes_with_one_timestamp_are_on_several_pages(
    app: TestApp, headers: dict[str, str], limit: int
) -> None:
    url = f"{LICHENS}?_limit={limit}"
    _, token = sync(app, headers, url=url)
    record, _ = store(app, headers, LICHENS, {"n": 0}, {"n": 1})
    for n, name in enumerate(("00000000", "ffffffff")):
        late = {"n": 2 + n, "id": f"{name}-0000-4000-8000-000000000000"}
        late["last_modified"] = record["last_modified"]
        store(app, headers, LICHENS, late)

    found, after = sync(app, headers, token, url=url)

    assert {item["n"] for item in found} == {0, 1, 2, 3}
    assert sync(app, headers, after, url=url) == ([], after)


# Tokens that are refused


@pytest.mark.clause("E-11.4")
def test_a_token_of_another_list_is_refused(
    app: TestApp, headers: dict[str, str], other_headers: dict[str, str]
) -> None:
    url = f"{LICHENS}?n=1&min_m=2&name="
    _, token = sync(app, headers, url=url)
    same = f"{LICHENS}?name=&_limit=3&min_m=2&_sync={token}&_fields=n&n=1"
    app.get(same, headers=headers, status=200)

    for other, whose in (
        (f"{GROWTHS}?", headers),
        (f"{url}&", other_headers),
        (f"{LICHENS}?n=1&name=&", headers),
        (f"{LICHENS}?n=1&min_m=3&name=&", headers),
        (f"{LICHENS}?", headers),
    ):
        response = app.get(f"{other}_sync={token}", headers=whose, status=400)
        assert response.json == invalid(WRONG, message=WRONG, name="_sync")


@pytest.mark.clause("E-11.4")
@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("value", ["x", "%00", "%22%22", "A" * 600, "0", "%C3%A9", "%F0%9F%8D%84"])
def test_an_unreadable_token_is_refused(
    app: TestApp, headers: dict[str, str], method: str, value: str
) -> None:
    getattr(app, method)(f"{LICHENS}?_sync={value}", headers=headers, status=400)
    getattr(app, method)(f"{LICHENS}?_sync=&_sync={value}", headers=headers, status=400)


@pytest.mark.clause("E-11.7")
@pytest.mark.parametrize("name", ["_sort", "_since", "_to", "_before", "_token"])
def test_parameters_that_say_which_page_are_refused(
    app: TestApp, headers: dict[str, str], name: str
) -> None:
    response = app.get(f"{LICHENS}?_sync=&{name}=1", headers=headers, status=400)

    assert response.json["details"][0]["name"] == name


# Tokens that are too old


def outdated(app: TestApp, headers: Any, token: str, *, url: str = LICHENS) -> Any:
    """Return the reason why a client must start again."""
    response = app.get(f"{url}?_sync={token}&_limit=3", headers=headers, status=410)
    assert response.json["code"] == 410
    assert response.json["errno"] == 131
    assert response.json["error"] == "Gone"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Link"] == f'<http://localhost{url}?_limit=3&_sync=>; rel="full"'
    return response.json["details"]


@pytest.mark.clause("E-11.5")
def test_a_token_before_the_horizon_is_outdated(app: TestApp, headers: dict[str, str]) -> None:
    a, _ = store(app, headers, LICHENS, {"n": 1}, {"n": 2})
    _, token = sync(app, headers)
    app.delete(f"{LICHENS}/{a['id']}", headers=headers)
    _, current = sync(app, headers)
    app.app.registry.storage.purge_deleted("lichen", Pattern("*"))

    assert outdated(app, headers, token) == {"reason": "horizon"}
    assert sync(app, headers, current)[0] == []


@pytest.mark.clause("E-11.5")
def test_a_purge_during_a_start_is_noticed(app: TestApp, headers: dict[str, str]) -> None:
    records = store(app, headers, LICHENS, *({"n": n} for n in range(4)))
    first = app.get(f"{LICHENS}?_sync=&_limit=2", headers=headers)
    app.delete(f"{LICHENS}/{records[0]['id']}", headers=headers)
    app.app.registry.storage.purge_deleted("lichen", Pattern("*"))

    response = app.get(first.headers["Next-Page"], headers=headers, status=410)

    assert response.json["details"] == {"reason": "horizon"}


@pytest.mark.clause("E-11.5")
def test_a_token_of_a_flushed_collection_is_outdated(app: TestApp, headers: dict[str, str]) -> None:
    store(app, headers, LICHENS, *({"n": n} for n in range(4)))
    first = app.get(f"{LICHENS}?_sync=&_limit=2", headers=headers)
    _, token = sync(app, headers)
    app.app.registry.storage.flush()

    assert outdated(app, headers, token) == {"reason": "epoch"}
    response = app.get(first.headers["Next-Page"], headers=headers, status=410)
    assert response.json["details"] == {"reason": "epoch"}
    store(app, headers, LICHENS, {"n": 1})
    assert outdated(app, headers, token) == {"reason": "epoch"}


@pytest.mark.clause("E-11.5")
def test_the_link_leads_to_a_new_start(app: TestApp, headers: dict[str, str]) -> None:
    url = f"{LICHENS}?name=a%26b%3E"
    _, token = sync(app, headers, url=url)
    app.app.registry.storage.flush()
    response = app.get(f"{url}&_sync={token}", headers=headers, status=410)

    link = response.headers["Link"].removesuffix('>; rel="full"').removeprefix("<http://localhost")

    assert "Sync-Token" in app.get(link, headers=headers, status=200).headers


# Fields and filters


@pytest.mark.clause("E-11.7")
def test_selected_fields_come_with_what_a_copy_needs(app: TestApp, headers: dict[str, str]) -> None:
    a, b = store(app, headers, LICHENS, {"n": 1, "m": 1}, {"n": 2, "m": 2})
    _, token = sync(app, headers)
    gone = app.delete(f"{LICHENS}/{b['id']}", headers=headers).json["data"]
    a = app.patch_json(f"{LICHENS}/{a['id']}", {"data": {"n": 3}}, headers=headers).json["data"]

    response = app.get(f"{LICHENS}?_sync={token}&_fields=n", headers=headers)

    assert response.json["data"] == [
        gone,
        {"n": 3, "id": a["id"], "last_modified": a["last_modified"]},
    ]


@pytest.mark.clause("E-11.7")
@pytest.mark.parametrize("limit", [1, 100])
def test_a_record_that_does_not_match_any_more_is_told_as_gone(
    app: TestApp, headers: dict[str, str], limit: int
) -> None:
    url = f"{LICHENS}?colour=red&_limit={limit}"
    red, blue, late = store(
        app, headers, LICHENS, {"colour": "red"}, {"colour": "blue"}, {"colour": "red"}
    )
    found, token = sync(app, headers, url=url)
    assert found == [red, late]

    def paint(record: Any, colour: str) -> Any:
        body = {"data": {"colour": colour}}
        return app.patch_json(f"{LICHENS}/{record['id']}", body, headers=headers).json["data"]

    changed, blue = paint(red, "green"), paint(blue, "red")
    gone = app.delete(f"{LICHENS}/{late['id']}", headers=headers).json["data"]

    assert sync(app, headers, token, url=url)[0] == [
        tombstone(red, changed["last_modified"]),
        blue,
        gone,
    ]


@pytest.mark.clause("E-11.7")
def test_unknown_filters_and_fields_are_refused_as_ever(
    app: TestApp, headers: dict[str, str]
) -> None:
    app.get("/v0/mushrooms?_sync=&colour=red", headers=headers, status=400)
    app.get("/v0/mushrooms?_sync=&_fields=colour", headers=headers, status=400)
    app.get("/v0/mushrooms?_sync=&_limit=x", headers=headers, status=400)


# Requests of other kinds


@pytest.mark.clause("E-11.8", "H-25.1")
def test_tokens_work_in_a_batch(app: TestApp, headers: dict[str, str]) -> None:
    (record,) = store(app, headers, LICHENS, {"n": 1})
    _, token = sync(app, headers)
    create = {"method": "POST", "path": LICHENS, "body": {"data": {"n": 2}}}
    requests = [
        {"path": f"{LICHENS}?_sync="},
        {"path": f"{LICHENS}?_sync={token}"},
        create,
        {"path": f"{LICHENS}?_sync={token}"},
        {"path": f"{LICHENS}?_sync=x"},
    ]

    responses = app.post_json("/v0/batch", {"requests": requests}, headers=headers).json[
        "responses"
    ]

    assert [one["status"] for one in responses] == [200, 200, 201, 200, 400]
    assert responses[0]["headers"]["Sync-Token"] == token == responses[1]["headers"]["Sync-Token"]
    assert responses[0]["body"]["data"] == [record]
    assert responses[3]["body"]["data"] == [responses[2]["body"]["data"]]
    after = responses[3]["headers"]["Sync-Token"]
    assert sync(app, headers, after) == ([], after)


@pytest.mark.clause("E-11.8")
def test_head_gives_the_headers_of_the_page(app: TestApp, headers: dict[str, str]) -> None:
    store(app, headers, LICHENS, {"n": 1}, {"n": 2})
    url = f"{LICHENS}?_sync=&_limit=1"

    head = app.head(url, headers=headers, status=200)

    assert head.headers["Next-Page"] == app.get(url, headers=headers).headers["Next-Page"]
    head = app.head(head.headers["Next-Page"], headers=headers, status=200)
    assert head.headers["Sync-Token"] == sync(app, headers)[1]


@pytest.mark.clause("E-11.2", "H-10.8")
def test_a_client_that_sees_all_may_ask_under_a_condition(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(app, headers, LICHENS, {"n": 1})
    first = app.get(f"{LICHENS}?_sync=", headers=headers)
    token, etag = first.headers["Sync-Token"], first.headers["ETag"]
    assert etag == state(app, headers, LICHENS)[1]
    conditional = {**headers, "If-None-Match": etag}

    app.get(f"{LICHENS}?_sync={token}", headers=conditional, status=304)
    app.get(f"{LICHENS}?_sync={token}", headers={**headers, "If-Match": '"1"'}, status=412)
    (record,) = store(app, headers, LICHENS, {"n": 2})
    changed = app.get(f"{LICHENS}?_sync={token}", headers=conditional, status=200)

    assert changed.json["data"] == [record]
    assert changed.headers["ETag"] == f'"{record["last_modified"]}"'


@pytest.mark.clause("E-11.1", "H-29.6")
def test_scripts_of_other_origins_may_read_the_token(app: TestApp, headers: dict[str, str]) -> None:
    asked = {**headers, "Origin": ORIGIN}

    def exposed(query: str, status: int) -> set[str]:
        response = app.get(f"{LICHENS}{query}", headers=asked, status=status)
        names = response.headers["Access-Control-Expose-Headers"].split(",")
        return {name.strip() for name in names}

    assert {"Sync-Token", "Next-Page"} <= exposed("?_sync=", 200)
    assert "Sync-Token" not in exposed("", 200)
    _, token = sync(app, headers)
    app.app.registry.storage.flush()
    assert "Link" in exposed(f"?_sync={token}", 410)


@pytest.mark.clause("E-11.1", "H-6.4")
@pytest.mark.parametrize("path", ["", "?_sync="])
def test_who_may_not_read_gets_no_token(app: TestApp, path: str) -> None:
    app.get(f"{LICHENS}{path}", status=401)


@pytest.mark.clause("E-11.1", "H-14.5")
def test_the_limits_of_the_service_hold(headers: dict[str, str]) -> None:
    settings = {"sync_enabled": "true", "paginate_by": "2"}
    app = make_app(RESOURCES, settings=settings)
    store(app, headers, LICHENS, *({"n": n} for n in range(3)))

    pages = walk(app, headers, f"{LICHENS}?_sync=&_limit=50")

    assert [len(page.json["data"]) for page in pages] == [2, 1]
    assert "_limit=2" in pages[0].headers["Next-Page"]


@pytest.mark.clause("E-11.7", "E-17.5", "E-11.5")
@pytest.mark.parametrize("is_enabled", ["true", "false"])
def test_strict_lists_know_the_parameter(headers: dict[str, str], is_enabled: str) -> None:
    settings = {"sync_enabled": is_enabled, "strict_filters": "true"}
    app = make_app(RESOURCES, settings=settings)

    app.get(f"{LICHENS}?_sync=&_limit=1&_fields=n", headers=headers, status=200)
    app.get(f"{LICHENS}?_sync=&_sink=1", headers=headers, status=400)


@pytest.mark.clause("E-11.8")
def test_two_users_have_collections_of_their_own(app: TestApp) -> None:
    one, other = basic_auth("one"), basic_auth("other")
    (record,) = store(app, one, LICHENS, {"n": 1})

    assert sync(app, one)[0] == [record]
    assert sync(app, other)[0] == []


class Mould(resource.UserResource):
    """Records whose model has a method of its own for lists."""

    class MouldModel(Model):
        def get_records(self, *args: Any, **kwargs: Any) -> Any:
            records, total = super().get_records(*args, **kwargs)
            return [{**record, "seen": True} for record in records], total

    class MouldSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = MouldSchema()
    default_model = MouldModel

    def is_known_field(self, field: str) -> bool:
        return True


@pytest.mark.clause("E-11.3", "P-13.1")
@pytest.mark.parametrize("limit", [1, 100])
def test_a_list_of_the_application_is_used(headers: dict[str, str], limit: int) -> None:
    app = make_app([Mould], settings={"sync_enabled": "true"})
    url = f"/v0/moulds?n=1&_limit={limit}"
    a, b, *_ = store(app, headers, "/v0/moulds", {"n": 1}, {"n": 1}, {"n": 2}, {"n": 3})
    found, token = sync(app, headers, url=url)
    assert found == [{**a, "seen": True}, {**b, "seen": True}]

    body = {"data": {"n": 1, "last_modified": a["last_modified"] + 1}}
    late = app.put_json(f"/v0/moulds/{a['id']}", body, headers=headers).json["data"]
    changed = app.put_json(f"/v0/moulds/{b['id']}", {"data": {"n": 2}}, headers=headers)
    found, after = sync(app, headers, token, url=url)

    assert found == [
        {**late, "seen": True},
        tombstone(b, changed.json["data"]["last_modified"]),
    ]
    assert sync(app, headers, after, url=url)[0] == []


@pytest.mark.clause("E-11.7")
def test_a_deletion_takes_no_token(app: TestApp, headers: dict[str, str]) -> None:
    (record,) = store(app, headers, LICHENS, {"name": "kept"})
    _, token = sync(app, headers)

    for value in ("", token):
        answer = app.delete(f"{LICHENS}?_sync={value}", headers=headers, status=400)
        assert answer.json["details"][0]["name"] == "_sync"

    assert sync(app, headers)[0] == [record]
