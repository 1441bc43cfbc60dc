"""How many round trips to PostgreSQL a request takes, one test for each kind of request.

A statement more in a request is a test that fails.
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any

import colander
import pytest
from support.shared_apps import make_app
from support.statements import counted, record
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

HEADERS = basic_auth("mat")
OTHER = basic_auth("alice")


class Moss(resource.UserResource):
    """Records of one user, with a unique field."""

    class MossSchema(resource.ResourceSchema):
        class Options:
            unique_fields = ("code",)

        name = colander.SchemaNode(colander.String(), missing=colander.drop)
        code = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    mapping = MossSchema()


class Fern(resource.UserResource):
    class FernSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = FernSchema()


class Toadstool(resource.ShareableResource):
    class ToadstoolSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = ToadstoolSchema()


class Bolete(Toadstool):
    """Shared records that settings open to all users."""


@pytest.fixture(scope="module")
def shared_app(postgresql_module_url: str) -> Iterator[Any]:
    backends = {
        f"{kind}_{name}": value
        for kind in ("storage", "permission")
        for name, value in (
            ("backend", f"cliquet.{kind}.postgresql"),
            ("url", postgresql_module_url),
        )
    }
    settings = {**backends, "toadstool_create_principals": "system.Authenticated"}
    for name in ("read", "write", "create"):
        settings[f"bolete_{name}_principals"] = "system.Authenticated"
    for name in ("fern", "toadstool", "bolete"):
        settings[f"{name}_sync_enabled"] = "true"
    app = make_app([Moss, Fern, Toadstool, Bolete], settings=settings)
    registry = app.app.registry
    assert registry.permission.client is registry.storage.client
    registry.storage.initialize_schema()
    registry.permission.initialize_schema()
    yield app
    registry.storage.client.dispose()


@pytest.fixture
def app(shared_app: Any) -> Any:
    # What another test has left would decide how the first PUT begins.
    shared_app.app.registry.__dict__.pop("cliquet_last_puts", None)
    shared_app.app.registry.storage.flush()
    shared_app.app.registry.permission.flush()
    return shared_app


@pytest.fixture
def sent(app: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    return record(app.app.registry.storage.client, monkeypatch)


@pytest.fixture(params=["ferns", "toadstools"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


# User resource, shareable resource. The end of a transaction only counts where it is no round trip
# of its own: in POST, and in a PUT or PATCH that replaces a record.
BUDGET = {
    "GET record": (1, 2),
    "GET list": (1, 3),
    "GET list, 304": (1, 3),
    "GET list, tokens": (1, 3),
    "POST": (1, 1),
    "PUT": (2, 3),
    "PUT of a new record": (1, 2),
    "PATCH": (2, 4),
    "DELETE": (1, 3),
    # One more is allowed for.
    "GET list, conditional": (2, 4),
    "PUT, conditional": (2, 3),
    "POST with an id": (1, 1),
    "GET list, first access": (2, 4),
}


def requests(app: TestApp, kind: Any) -> dict[str, Any]:
    """Return, by name, functions that send one request each."""
    url = f"/v0/{kind}"
    # Who may read all of them: the listing is not one of shared records.
    permission = app.app.registry.permission
    permission.add_principal_to_ace("/toadstools", "read", "system.Authenticated")
    created = app.post_json(url, {"data": {"name": "a"}}, headers=HEADERS).json["data"]
    record_url = f"{url}/{created['id']}"
    body = {"data": {"name": "b"}}
    etag = app.get(url, headers=HEADERS).headers["ETag"]
    old = f'"{created["last_modified"] - 1000}"'
    ids = (f"00000000-0000-4000-8000-{n:012}" for n in itertools.count())
    return {
        "GET record": lambda: app.get(record_url, headers=HEADERS),
        "GET list": lambda: app.get(url, headers=HEADERS),
        "GET list, 304": lambda: app.get(url, headers={**HEADERS, "If-None-Match": etag}),
        "POST": lambda: app.post_json(url, body, headers=HEADERS, status=201),
        "PUT": lambda: app.put_json(record_url, body, headers=HEADERS),
        "PUT of a new record": lambda: app.put_json(
            f"{url}/{next(ids)}", body, headers=HEADERS, status=201
        ),
        "PATCH": lambda: app.patch_json(record_url, {"data": {"name": "c"}}, headers=HEADERS),
        "GET list, tokens": lambda: app.get(f"{url}?_sync=", headers=HEADERS),
        "GET list, conditional": lambda: app.get(url, headers={**HEADERS, "If-None-Match": old}),
        "PUT, conditional": lambda: app.put_json(
            record_url, body, headers={**HEADERS, "If-Match": "*"}
        ),
        "POST with an id": lambda: app.post_json(
            url, {"data": {"id": next(ids)}}, headers=HEADERS, status=201
        ),
        "DELETE": lambda: app.delete(record_url, headers=HEADERS),
    }


@pytest.mark.clause("B-23.1", "B-23.5", "B-23.11", "B-23.19", "B-20.7", "X-3")
@pytest.mark.parametrize("name", [name for name in BUDGET if "first access" not in name])
def test_a_request_sends_no_more_than_its_budget(
    app: TestApp, sent: list[Any], kind: str, name: str
) -> None:
    send = requests(app, kind)[name]
    allowed = BUDGET[name][kind == "toadstools"]
    sent.clear()

    send()

    assert len(counted(sent)) <= allowed, "\n".join(sent)


@pytest.mark.skipif(
    os.environ.get("CLIQUET_COMPILED_ENDPOINTS") == "false",
    reason="only a compiled endpoint knows that nothing follows the write (make uncompiled)",
)
@pytest.mark.clause("X-24", "B-23.27")
def test_a_put_guesses_whether_it_creates_and_a_wrong_guess_costs_one_more(
    app: TestApp, sent: list[Any]
) -> None:
    send = requests(app, "ferns")

    def round_trips(name: str) -> int:
        sent.clear()
        send[name]()
        return len(sent)

    replacement, creation = "PUT", "PUT of a new record"
    names = [replacement, replacement, creation, creation, replacement, "PUT, conditional"]
    # The replacement after a creation is made under the lock.
    assert [round_trips(name) for name in names] == [2, 1, 3, 2, 2, 1]


# The same for shared records that settings open: nobody asks for the groups of the user.
OPENED = {
    "GET record": 1,
    "GET list": 1,
    "GET list, 304": 1,
    "POST": 1,
    "PUT": 2,
    "PUT of a new record": 1,
    "PATCH": 2,
    "DELETE": 1,
}


@pytest.mark.clause("X-3", "B-23.1")
@pytest.mark.parametrize("name", OPENED)
def test_records_that_settings_open_cost_less(app: TestApp, sent: list[Any], name: str) -> None:
    send = requests(app, "boletes")[name]
    sent.clear()

    send()

    assert len(counted(sent)) <= OPENED[name], "\n".join(sent)


@pytest.mark.clause("B-23.11", "H-9.3")
def test_the_first_access_of_a_list_sends_one_more(
    app: TestApp, sent: list[Any], kind: str
) -> None:
    permission = app.app.registry.permission
    permission.add_principal_to_ace("/toadstools", "read", "system.Authenticated")
    sent.clear()

    app.get(f"/v0/{kind}", headers=HEADERS)

    assert len(counted(sent)) <= BUDGET["GET list, first access"][kind == "toadstools"], sent


@pytest.mark.clause("H-14.9", "B-23.5")
@pytest.mark.parametrize(("length", "more"), [(10, 0), (3_000, 1)])
def test_a_further_page_sends_no_more_unless_its_values_are_too_long_to_travel(
    app: TestApp, sent: list[Any], kind: str, length: int, more: int
) -> None:
    permission = app.app.registry.permission
    permission.add_principal_to_ace("/toadstools", "read", "system.Authenticated")
    for n in range(4):
        body = {"data": {"name": f"{n}" * length}}
        app.post_json(f"/v0/{kind}", body, headers=HEADERS, status=201)
    url = f"/v0/{kind}?_sort=name&_limit=1"
    first = app.get(url, headers=HEADERS)
    sent.clear()
    second = app.get(first.headers["Next-Page"], headers=HEADERS)

    assert second.json["data"][0]["name"] == "1" * length
    assert len(counted(sent)) <= BUDGET["GET list"][kind == "toadstools"] + more, sent


@pytest.mark.clause("H-11.9", "H-14.9")
def test_a_total_that_nobody_needs_is_not_counted(app: TestApp, sent: list[Any]) -> None:
    url = "/v0/ferns?min_name=a"
    for name in ("a", "b", "c"):
        app.post_json("/v0/ferns", {"data": {"name": name}}, headers=HEADERS)
    sent.clear()
    app.get(url + "&_limit=2", headers=HEADERS)
    counting = "\n".join(counted(sent))
    sent.clear()
    app.get(url + "&_limit=2", headers={**HEADERS, "Prefer": "count=none"})

    # The text of a page also says how many records it has.
    assert counting.count("count(*)") == "\n".join(counted(sent)).count("count(*)") + 1


@pytest.mark.clause("B-23.5")
def test_unique_fields_cost_no_more(app: TestApp, sent: list[Any]) -> None:
    app.post_json("/v0/mosss", {"data": {"code": 1}}, headers=HEADERS, status=201)
    sent.clear()

    app.post_json("/v0/mosss", {"data": {"code": 2}}, headers=HEADERS, status=201)

    assert len(counted(sent)) <= 1, sent


@pytest.mark.clause("B-23.16", "H-5.12")
def test_a_shared_listing_sends_one_more(app: TestApp, sent: list[Any]) -> None:
    body = {"data": {}, "permissions": {"read": ["system.Authenticated"]}}
    app.post_json("/v0/toadstools", body, headers=HEADERS, status=201)
    sent.clear()

    assert len(app.get("/v0/toadstools", headers=OTHER).json["data"]) == 1

    assert len(counted(sent)) <= 4, sent


# Own records, those that settings open, and those that are shared one by one.
PAGE_OF_TOKEN = [("ferns", HEADERS, 1), ("boletes", HEADERS, 1), ("toadstools", OTHER, 4)]


@pytest.mark.clause("E-11.9", "B-23.16")
@pytest.mark.parametrize(("kind", "user", "allowed"), PAGE_OF_TOKEN)
def test_a_page_for_a_token_is_one_round_trip_to_the_storage(
    app: TestApp, sent: list[Any], kind: str, user: dict[str, Any], allowed: int
) -> None:
    url = f"/v0/{kind}?_limit=2&_sync="
    body = {"data": {}, "permissions": {"read": ["system.Authenticated"]}}
    if kind == "ferns":
        del body["permissions"]
    records = [
        app.post_json(f"/v0/{kind}", body, headers=HEADERS, status=201).json["data"]
        for _ in range(5)
    ]

    def read(page_url: str) -> Any:
        sent.clear()
        response = app.get(page_url, headers=user, status=200)
        # A list of shared records asks for groups, the collection and the ids, as any other.
        assert len(counted(sent)) <= allowed, "\n".join(sent)
        return response

    pages = [read(url)]
    while "Next-Page" in pages[-1].headers:
        pages.append(read(pages[-1].headers["Next-Page"]))
    token = pages[-1].headers["Sync-Token"]
    assert [len(page.json["data"]) for page in pages] == [2, 2, 1]
    assert read(url + token).json["data"] == []
    for one in records[:3]:
        app.patch_json(f"/v0/{kind}/{one['id']}", {"data": {"name": "a"}}, headers=HEADERS)
    changed = read(url + token)
    assert len(read(changed.headers["Next-Page"]).json["data"]) == 1


@pytest.mark.clause("E-12.3")
@pytest.mark.parametrize(
    "name",
    ["POST", "PUT", "PATCH", "PUT of a new record", "POST with an id", "PUT, conditional"],
)
def test_a_write_that_takes_nothing_away_records_no_departure(
    app: TestApp, sent: list[Any], kind: str, name: str
) -> None:
    send = requests(app, kind)[name]
    sent.clear()

    send()

    assert "departures" not in "\n".join(sent)


@pytest.mark.clause("E-12.3")
def test_a_deletion_that_nobody_else_could_read_about_records_no_departure(
    app: TestApp, sent: list[Any]
) -> None:
    requests(app, "ferns")["DELETE"]()
    record = app.app.registry.storage.create("bolete", "", {"name": "a"})
    app.delete(f"/v0/boletes/{record['id']}", headers=HEADERS, status=200)

    assert "departures" not in "\n".join(sent)


@pytest.mark.clause("E-12.1", "E-12.3")
@pytest.mark.parametrize("way", ["unshare", "delete", "late"])
def test_departures_travel_with_the_write(app: TestApp, sent: list[Any], way: str) -> None:
    body = {"data": {}, "permissions": {"read": ["system.Authenticated"]}}
    record = app.post_json("/v0/toadstools", body, headers=HEADERS, status=201).json["data"]
    for _ in range(3):
        app.post_json("/v0/toadstools", body, headers=HEADERS, status=201)
    url = f"/v0/toadstools/{record['id']}"
    sent.clear()

    if way == "unshare":
        app.patch_json(url, {"permissions": {"read": []}}, headers=HEADERS, status=200)
    elif way == "delete":
        app.delete(url, headers=HEADERS, status=200)
    else:
        time = record["last_modified"] + 1
        app.put_json(url, {"data": {"last_modified": time}}, headers=HEADERS, status=200)

    assert "INSERT INTO departures" in "\n".join(sent)
    assert len(counted(sent)) <= BUDGET["PUT"][1], "\n".join(sent)


made_together = pytest.mark.skipif(
    os.environ.get("CLIQUET_COMPILED_ENDPOINTS") == "false",
    reason="each of them is a request of its own then (make uncompiled)",
)


def create_25(app: TestApp, sent: list[Any], kind: str) -> Any:
    """Create as many records in one batch, in a collection that exists."""
    app.post_json(f"/v0/{kind}", {"data": {}}, headers=HEADERS, status=201)
    sent.clear()
    request = {"method": "POST", "path": f"/{kind}", "body": {"data": {"name": "a"}}}
    return app.post_json("/v0/batch", {"requests": [request] * 25}, headers=HEADERS)


@pytest.mark.clause("B-23.7")
@made_together
@pytest.mark.parametrize(("kind", "allowed"), [("ferns", 2), ("toadstools", 4), ("boletes", 3)])
def test_a_batch_of_25_reads_reads_them_together(
    app: TestApp, sent: list[Any], kind: str, allowed: int
) -> None:
    created = create_25(app, sent, kind).json["responses"]
    paths = [f"/{kind}/{answer['body']['data']['id']}" for answer in created]
    sent.clear()

    requests = {"requests": [{"path": path} for path in paths]}
    response = app.post_json("/v0/batch", requests, headers=HEADERS)

    # The first is a request; then one statement is for all records, and one for all permissions.
    assert [one["body"]["data"] for one in response.json["responses"]] == [
        one["body"]["data"] for one in created
    ]
    assert len(counted(sent)) <= allowed, sent


@pytest.mark.clause("B-23.7")
@made_together
@pytest.mark.parametrize("kind", ["ferns", "boletes"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_batch_of_25_changes_reads_the_records_together(
    app: TestApp, sent: list[Any], kind: str, method: str
) -> None:
    created = create_25(app, sent, kind).json["responses"]
    body = {} if method == "DELETE" else {"body": {"data": {"name": "new"}}}
    requests = [
        {"method": method, "path": f"/{kind}/{answer['body']['data']['id']}", **body}
        for answer in created
    ]
    sent.clear()

    response = app.post_json("/v0/batch", {"requests": requests}, headers=HEADERS)

    assert {answer["status"] for answer in response.json["responses"]} == {200}
    # Those of the first; then one is for all records, and one for all permissions.
    assert len(counted(sent)) <= 4, "\n".join(sent)


@pytest.mark.clause("B-23.7", "B-23.23")
@made_together
@pytest.mark.parametrize(
    ("method", "kind", "number"),
    [
        # Those of the first; the records, their permissions, the collection, what is written.
        ("PUT", "ferns", 6),
        ("PUT", "boletes", 7),
        ("PUT", "toadstools", 11),
        ("PATCH", "ferns", 6),
        ("PATCH", "boletes", 7),
        ("DELETE", "ferns", 6),
        # The permissions, who could read the records, and once whether Citus distributes them.
        ("DELETE", "boletes", 16),
    ],
)
def test_a_run_of_changes_is_few_statements(
    app: TestApp, sent: list[Any], method: str, kind: str, number: int
) -> None:
    created = create_25(app, sent, kind).json["responses"]
    body = {} if method == "DELETE" else {"body": {"data": {"name": "new"}}}
    requests = [
        {"method": method, "path": f"/{kind}/{answer['body']['data']['id']}", **body}
        for answer in created
    ]
    sent.clear()

    response = app.post_json("/v0/batch", {"requests": requests}, headers=HEADERS)

    assert {answer["status"] for answer in response.json["responses"]} == {200}
    assert len(written(sent)) <= number, "\n".join(written(sent))
    if method != "DELETE":
        bodies = [answer["body"] for answer in response.json["responses"]]
        page = app.get(f"/v0/{kind}?_since=0&_sort=last_modified", headers=HEADERS)
        assert page.json["data"][-25:] == [one["data"] for one in bodies]


@pytest.mark.clause("B-23.7", "B-23.23")
@made_together
@pytest.mark.parametrize(("kind", "number"), [("ferns", 7), ("boletes", 10)])
def test_a_run_of_creations_by_put_is_few_statements(
    app: TestApp, sent: list[Any], kind: str, number: int
) -> None:
    create_25(app, sent, kind)
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(25)]
    item = {"method": "PUT", "body": {"data": {"name": "new"}}}
    requests = [{**item, "path": f"/{kind}/{one}"} for one in ids]
    sent.clear()

    response = app.post_json("/v0/batch", {"requests": requests}, headers=HEADERS)

    assert {answer["status"] for answer in response.json["responses"]} == {201}
    assert len(written(sent)) <= number, "\n".join(written(sent))


@pytest.mark.clause("B-23.7", "B-20.7", "H-4.13")
@pytest.mark.parametrize(("kind", "allowed"), [("ferns", 1), ("toadstools", 1)])
def test_a_batch_of_25_creations_keeps_to_its_budget(
    app: TestApp, sent: list[Any], kind: str, allowed: int
) -> None:
    response = create_25(app, sent, kind)

    assert {answer["status"] for answer in response.json["responses"]} == {201}
    assert len(counted(sent)) <= allowed, sent


# Statements of a request between the beginning and the end of its transaction, however they travel:
# of a user resource, and of a shareable one that settings open.
STATEMENTS = {
    "POST": (2, 3),
    # The lock, the record with its permissions, the change.
    "PUT": (3, 3),
    "PUT of a new record": (4, 5),
    "PATCH": (3, 3),
    # The permissions take a lock, and who could read the record is recorded.
    "DELETE": (3, 7),
}


@pytest.mark.clause("B-23.1", "B-23.5")
@pytest.mark.parametrize("kind", ["ferns", "boletes"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_write_is_few_statements(app: TestApp, sent: list[Any], kind: str, name: str) -> None:
    send = requests(app, kind)[name]
    sent.clear()

    send()

    assert len(written(sent)) == STATEMENTS[name][kind == "boletes"], "\n".join(sent)


@pytest.mark.clause("B-23.7", "B-20.7", "H-4.13")
@made_together
@pytest.mark.parametrize(("kind", "number"), [("ferns", 4), ("toadstools", 6)])
def test_a_run_of_creations_is_few_statements(
    app: TestApp, sent: list[Any], kind: str, number: int
) -> None:
    response = create_25(app, sent, kind)

    # The first creation, and all others: the collection, the records, the permissions.
    assert {answer["status"] for answer in response.json["responses"]} == {201}
    assert len(written(sent)) == number, "\n".join(sent)
    bodies = [answer["body"] for answer in response.json["responses"]]
    told = [
        {name: set(given) for name, given in body.get("permissions", {}).items()} for body in bodies
    ]
    stored = app.app.registry.permission.get_objects_permissions(
        [f"/{kind}/{body['data']['id']}" for body in bodies]
    )
    assert stored == told


def written(sent: list[str]) -> list[str]:
    """Return the statements, without those around the transaction and its savepoints."""
    around = ("BEGIN", "SET ", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT")
    return [one for text in sent for one in text.split(";") if not one.startswith(around)]


@pytest.mark.clause("B-11.8", "B-18.2")
def test_a_request_that_only_reads_needs_no_transaction(
    app: TestApp, sent: list[Any], kind: str
) -> None:
    send = requests(app, kind)
    sent.clear()

    send["GET record"]()
    send["GET list"]()

    assert not any("BEGIN" in text for text in sent)


@pytest.mark.clause("E-9.3")
def test_each_statement_goes_to_one_server_of_a_distributed_database(
    app: TestApp, sent: list[Any], kind: str
) -> None:
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    for send in requests(app, kind).values():
        send()

    assert any(" records" in text for text in sent)
    for text in sent:
        assert shapes.unexplained_problems_of(text) == set(), text
