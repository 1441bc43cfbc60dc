"""What subscribers are told of reads and changes, and when (P-21, P-22)."""

import enum
import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from pyramid.httpexceptions import HTTPBadRequest, HTTPFound, HTTPInsufficientStorage
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from testapp import Mushroom, Spore
from webtest import TestApp

from cliquet import Service, resource
from cliquet.events import (
    ACTIONS,
    AfterResourceChanged,
    AfterResourceRead,
    ResourceChanged,
    ResourceRead,
)
from cliquet.testing.bounded import Thread
from cliquet.testing.web import basic_auth

AUTH = basic_auth()
USER = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
ID = "00000000-0000-4000-8000-000000000001"
OTHER_ID = "00000000-0000-4000-8000-000000000002"
EVENT_CLASSES = (ResourceRead, ResourceChanged, AfterResourceRead, AfterResourceChanged)
CEP = {"data": {"name": "cep"}}


class Grove(resource.UserResource):
    """Its parent stands in the URL, in a variable that is named like one of the payload."""

    class GroveSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = GroveSchema()

    def get_parent_id(self, request: Any) -> Any:
        return "/".join(request.matchdict[name] for name in ("wood", "action"))


GROVE = (
    Grove,
    {
        "name": "grove",
        "collection_path": "/woods/{{wood}}/{{action}}/groves",
        "record_path": "/woods/{{wood}}/{{action}}/groves/{{id}}",
    },
)


class Told(list):
    """The events sent, in order."""

    def of(self, event_class: Any) -> list[Any]:
        return [event for event in self if type(event) is event_class]

    def only(self, event_class: Any) -> Any:
        (event,) = self.of(event_class)
        return event


@pytest.fixture(scope="module")
def list_of_all() -> Told:
    """One for all tests, so that they can share the application that adds to it."""
    return Told()


@pytest.fixture
def told(list_of_all: Told) -> Told:
    list_of_all.clear()
    return list_of_all


@pytest.fixture
def client(told: Told) -> TestApp:
    """An application where everything is listened to, in the order in which it is sent."""

    def configure(config: Any) -> None:
        for event_class in EVENT_CLASSES:
            config.add_subscriber(told.append, event_class)

    return make_app([Mushroom, Spore, GROVE], configure=configure)


def subscribed(subscriber: Any, *event_classes: Any, **kwargs: Any) -> TestApp:
    """Return a client of an application with one more subscriber."""

    def configure(config: Any) -> None:
        for event_class in event_classes:
            config.add_subscriber(subscriber, event_class)

    return make_app([Mushroom, Spore, GROVE], configure=configure, **kwargs)


def created(client: Any, path: str = "/v0/mushrooms", body: Any = CEP) -> Any:
    return client.post_json(path, body, headers=AUTH, status=201).json["data"]


def batch(client: Any, *requests: Any, **kwargs: Any) -> Any:
    body = {
        "requests": [dict(zip(("method", "path", "body"), item, strict=False)) for item in requests]
    }
    return client.post_json("/v0/batch", body, headers=AUTH, **kwargs)


# Actions


@pytest.mark.clause("P-21.1", "P-34.31")
def test_actions_are_an_enumeration_of_words() -> None:
    assert issubclass(ACTIONS, enum.Enum)
    assert {action.name: action.value for action in ACTIONS} == {
        "CREATE": "create",
        "DELETE": "delete",
        "READ": "read",
        "UPDATE": "update",
    }


@pytest.mark.clause("P-21.1")
def test_actions_are_made_of_their_values_and_of_themselves() -> None:
    assert ACTIONS.from_string_list(["read", ACTIONS.UPDATE]) == (ACTIONS.READ, ACTIONS.UPDATE)


@pytest.mark.clause("P-21.1")
def test_an_unknown_action_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="'burn' is not a valid ACTIONS"):
        ACTIONS.from_string_list(["create", "burn"])


# Payload and records


@pytest.mark.clause("P-21.2")
@pytest.mark.parametrize(
    ("event_class", "attribute"),
    [
        (ResourceRead, "read_records"),
        (AfterResourceRead, "read_records"),
        (ResourceChanged, "impacted_records"),
        (AfterResourceChanged, "impacted_records"),
    ],
)
def test_an_event_is_made_of_action_timestamp_records_and_request(
    event_class: type[Any], attribute: str
) -> None:
    request = SimpleNamespace(
        matchdict={},
        current_resource_name="mushroom",
        path_info="/v0/mushrooms",
        prefixed_userid=None,
    )
    records = [{"id": ID}]

    event = event_class(ACTIONS.READ, 42, records, request)

    assert event.request is request
    assert getattr(event, attribute) == records
    assert event.payload["timestamp"] == 42
    assert event.payload["action"] == "read"


@pytest.mark.clause("P-21.3")
def test_the_payload_of_a_creation_tells_of_the_collection(client: TestApp, told: Told) -> None:
    record = created(client)

    assert told.only(ResourceChanged).payload == {
        "timestamp": record["last_modified"],
        "action": "create",
        "uri": "/mushrooms",
        "user_id": USER,
        "resource_name": "mushroom",
    }


@pytest.mark.clause("P-21.3")
def test_the_payload_on_a_record_has_its_id_under_the_name_of_the_resource(
    client: TestApp, told: Told
) -> None:
    client.put_json(f"/v0/mushrooms/{ID}", CEP, headers=AUTH, status=201)

    payload = told.only(ResourceChanged).payload
    assert payload["uri"] == f"/mushrooms/{ID}"
    assert payload["mushroom_id"] == ID
    assert "id" not in payload


@pytest.mark.clause("P-21.3", "P-34.5")
def test_variables_of_the_url_are_in_the_payload_but_take_nobodys_place(
    client: TestApp, told: Told
) -> None:
    created(client, "/v0/woods/north/burn/groves", {"data": {}})

    payload = told.only(ResourceChanged).payload
    assert payload["wood"] == "north"
    assert payload["action"] == "create"


@pytest.mark.clause("P-21.4")
def test_a_creation_tells_the_new_record(client: TestApp, told: Told) -> None:
    record = created(client)
    assert told.only(ResourceChanged).impacted_records == [{"new": record}]


@pytest.mark.clause("P-21.4")
@pytest.mark.parametrize("method", ["put_json", "patch_json"])
def test_an_update_tells_the_record_before_and_after(
    client: TestApp, told: Told, method: str
) -> None:
    old = created(client)
    told.clear()

    path = f"/v0/mushrooms/{old['id']}"
    new = getattr(client, method)(path, {"data": {"name": "morel"}}, headers=AUTH).json["data"]

    event = told.only(ResourceChanged)
    assert event.payload["action"] == "update"
    assert event.impacted_records == [{"new": new, "old": old}]


@pytest.mark.clause("P-34.2")
@pytest.mark.parametrize("behavior", ["full", "light", "diff"])
def test_an_update_tells_the_whole_record_whatever_the_client_wants_to_see(
    client: TestApp, told: Told, behavior: str
) -> None:
    old = created(client, "/v0/spores", {"data": {"a": 1, "b": 2}})
    told.clear()

    headers = {**AUTH, "Response-Behavior": behavior}
    client.patch_json(f"/v0/spores/{old['id']}", {"data": {"b": 3}}, headers=headers)

    (impacted,) = told.only(ResourceChanged).impacted_records
    new = client.get(f"/v0/spores/{old['id']}", headers=AUTH).json["data"]
    assert impacted["new"] == new


@pytest.mark.clause("P-21.4")
def test_a_deletion_tells_the_tombstone(client: TestApp, told: Told) -> None:
    record = created(client)
    told.clear()

    tombstone = client.delete(f"/v0/mushrooms/{record['id']}", headers=AUTH).json["data"]

    event = told.only(ResourceChanged)
    assert event.payload["action"] == "delete"
    assert event.impacted_records == [{"old": tombstone}]
    assert tombstone["deleted"] is True


@pytest.mark.clause("P-21.4")
def test_the_deletion_of_a_collection_tells_each_tombstone(client: TestApp, told: Told) -> None:
    created(client)
    created(client)
    told.clear()

    tombstones = client.delete("/v0/mushrooms", headers=AUTH).json["data"]

    assert told.only(ResourceChanged).impacted_records == [{"old": item} for item in tombstones]
    assert len(tombstones) == 2


@pytest.mark.clause("P-34.1")
def test_a_put_on_a_deleted_id_is_a_creation(client: TestApp, told: Told) -> None:
    client.put_json(f"/v0/mushrooms/{ID}", CEP, headers=AUTH, status=201)
    client.delete(f"/v0/mushrooms/{ID}", headers=AUTH)
    told.clear()

    record = client.put_json(f"/v0/mushrooms/{ID}", CEP, headers=AUTH, status=201).json["data"]

    event = told.only(ResourceChanged)
    assert event.payload["action"] == "create"
    assert event.impacted_records == [{"new": record}]


@pytest.mark.clause("P-21.4")
def test_a_read_tells_the_records_as_the_client_sees_them(client: TestApp, told: Told) -> None:
    record = created(client, "/v0/spores", {"data": {"a": 1, "b": 2}})
    told.clear()

    client.get(f"/v0/spores/{record['id']}", headers=AUTH)
    client.get("/v0/spores?_fields=b", headers=AUTH)

    single, listed = told.of(ResourceRead)
    assert single.read_records == [record]
    projected = {"id": record["id"], "last_modified": record["last_modified"], "b": 2}
    assert listed.read_records == [projected]


@pytest.mark.clause("P-34.28")
def test_a_subscriber_that_empties_the_list_of_records_changes_no_response() -> None:
    client = subscribed(lambda event: event.read_records.clear(), ResourceRead)
    record = created(client)

    responses = batch(client, ("GET", "/mushrooms"), ("GET", "/mushrooms")).json["responses"]

    assert [response["body"]["data"] for response in responses] == [[record], [record]]
    assert client.get("/v0/mushrooms", headers=AUTH).json["data"] == [record]


@pytest.mark.clause("P-21.5")
def test_the_creation_of_a_record_that_exists_is_a_read(client: TestApp, told: Told) -> None:
    record = created(client)
    told.clear()

    client.post_json("/v0/mushrooms", {"data": record}, headers=AUTH, status=200)

    assert told.only(ResourceRead).read_records == [record]
    assert told.of(ResourceChanged) == []


@pytest.mark.clause("P-21.5")
def test_the_deletion_of_nothing_is_a_read(client: TestApp, told: Told) -> None:
    client.delete("/v0/mushrooms", headers=AUTH)

    assert told.only(ResourceRead).read_records == []
    assert told.of(ResourceChanged) == []


@pytest.mark.clause("P-21.5")
@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/v0/mushrooms", {"data": {}}, {}, 400),
        ("PUT", f"/v0/mushrooms/{ID}", CEP, {"If-Match": '"1"'}, 412),
        ("PATCH", f"/v0/mushrooms/{OTHER_ID}", CEP, {}, 404),
        ("GET", f"/v0/mushrooms/{OTHER_ID}", None, {}, 404),
        ("GET", "/v0/mushrooms", None, {"If-None-Match": '"253402300799999"'}, 304),
    ],
)
def test_a_request_that_is_refused_tells_nothing(
    client: TestApp,
    told: Told,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    headers: dict[str, Any],
    status: int,
) -> None:
    client.put_json(f"/v0/mushrooms/{ID}", CEP, headers=AUTH)
    told.clear()

    kwargs = {} if body is None else {"params": json.dumps(body)}
    headers = {**AUTH, "Content-Type": "application/json", **headers}
    getattr(client, method.lower())(path, headers=headers, status=status, **kwargs)

    assert told == []


# Timestamps


@pytest.mark.clause("X-10", "P-34.3")
def test_the_timestamp_is_that_of_the_change(client: TestApp, told: Told) -> None:
    for _ in range(2):
        record = created(client)
        assert told[-1].payload["timestamp"] == record["last_modified"]


@pytest.mark.clause("X-10", "P-34.3")
def test_the_timestamp_of_a_batch_covers_all_its_changes(client: TestApp, told: Told) -> None:
    responses = batch(client, *[("POST", "/mushrooms", CEP)] * 3).json["responses"]

    latest = max(response["body"]["data"]["last_modified"] for response in responses)
    assert told.only(ResourceChanged).payload["timestamp"] == latest


@pytest.mark.clause("X-10")
def test_the_timestamp_after_the_commit_is_that_of_the_request(told: Told) -> None:
    def write_meanwhile(event: Any) -> None:
        # After the commit: a write of its own.
        event.request.registry.storage.create("mushroom", USER, {"name": "late"})

    client = make_app(
        [Mushroom],
        configure=lambda config: [  # type: ignore[arg-type]
            config.add_subscriber(subscriber, AfterResourceChanged)
            for subscriber in (write_meanwhile, told.append)
        ],
    )
    record = created(client)

    assert told.only(AfterResourceChanged).payload["timestamp"] == record["last_modified"]


@pytest.mark.clause("X-10", "P-34.3")
def test_events_looked_at_early_do_not_fix_the_timestamp(told: Told) -> None:
    class Early(Mushroom):
        def postprocess(self, result: Any, *args: Any, **kwargs: Any) -> Any:
            body = super().postprocess(result, *args, **kwargs)
            self.request.get_resource_events()
            return body

    client = make_app(
        [(Early, {"name": "mushroom"})],
        configure=lambda config: config.add_subscriber(told.append, ResourceChanged),
    )
    responses = batch(client, *[("POST", "/mushrooms", CEP)] * 2).json["responses"]

    latest = responses[-1]["body"]["data"]["last_modified"]
    assert told.only(ResourceChanged).payload["timestamp"] == latest


@pytest.mark.clause("P-9.11")
def test_without_subscriber_the_timestamp_is_not_read() -> None:
    client = make_app([Mushroom])
    storage = client.app.registry.storage
    reads = []

    class Counting:
        def __getattr__(self, name: Any) -> Any:
            if name == "collection_timestamp":
                reads.append(name)
            return getattr(storage, name)

    client.app.registry.storage = Counting()
    created(client)

    assert reads == []


# One event per resource, parent and action


@pytest.mark.clause("X-9", "P-21.6", "P-21.7")
def test_changes_of_one_kind_are_one_event_with_the_uri_of_the_first(
    client: TestApp, told: Told
) -> None:
    first, _, _ = batch(
        client,
        ("PUT", f"/mushrooms/{ID}", CEP),
        ("POST", "/mushrooms", CEP),
        ("PUT", f"/mushrooms/{OTHER_ID}", CEP),
    ).json["responses"]

    event = told.only(ResourceChanged)
    assert len(event.impacted_records) == 3
    assert event.impacted_records[0] == {"new": first["body"]["data"]}
    assert event.payload["uri"] == f"/mushrooms/{ID}"


@pytest.mark.clause("X-9", "P-34.4")
def test_two_parents_are_two_events(client: TestApp, told: Told) -> None:
    batch(
        client,
        ("POST", "/woods/north/x/groves", {"data": {"n": 1}}),
        ("POST", "/woods/south/x/groves", {"data": {"n": 2}}),
        ("POST", "/woods/north/x/groves", {"data": {"n": 3}}),
    )

    events = told.of(ResourceChanged)
    assert [event.payload["uri"] for event in events] == [
        "/woods/north/x/groves",
        "/woods/south/x/groves",
    ]
    numbers = [[item["new"]["n"] for item in event.impacted_records] for event in events]
    assert numbers == [[1, 3], [2]]


@pytest.mark.clause("X-9", "P-21.7")
def test_resources_and_actions_are_told_apart_in_order_of_first_occurrence(
    client: TestApp, told: Told
) -> None:
    batch(
        client,
        ("PUT", f"/mushrooms/{ID}", CEP),
        ("POST", "/spores", {"data": {}}),
        ("DELETE", f"/mushrooms/{ID}"),
        ("PUT", f"/mushrooms/{ID}", CEP),
    )

    events = [(e.payload["resource_name"], e.payload["action"]) for e in told.of(ResourceChanged)]
    assert events == [("mushroom", "create"), ("spore", "create"), ("mushroom", "delete")]


class Picky(Mushroom):
    """Refuses poison, after it was written and told of."""

    def postprocess(self, result: Any, *args: Any, **kwargs: Any) -> Any:
        body = super().postprocess(result, *args, **kwargs)
        if result["name"] == "poison":
            raise HTTPBadRequest
        return body


@pytest.fixture
def picky_client(told: Told) -> TestApp:
    return make_app(
        [(Picky, {"name": "mushroom"})],
        configure=lambda config: config.add_subscriber(told.append, ResourceChanged),
    )


@pytest.mark.clause("X-23")
def test_a_subrequest_that_is_rolled_back_tells_nothing(picky_client: TestApp, told: Told) -> None:
    poison = ("POST", "/mushrooms", {"data": {"name": "poison"}})
    responses = batch(picky_client, ("POST", "/mushrooms", CEP), poison).json["responses"]

    assert [response["status"] for response in responses] == [201, 400]
    names = [item["new"]["name"] for item in told.only(ResourceChanged).impacted_records]
    assert names == ["cep"]


@pytest.mark.clause("X-23")
def test_a_subrequest_that_is_rolled_back_does_not_name_the_event(
    picky_client: TestApp, told: Told
) -> None:
    batch(
        picky_client,
        ("PUT", f"/mushrooms/{ID}", {"data": {"name": "poison"}}),
        ("PUT", f"/mushrooms/{OTHER_ID}", CEP),
    )

    assert told.only(ResourceChanged).payload["uri"] == f"/mushrooms/{OTHER_ID}"


# Before and after the commit


@pytest.mark.clause("P-22.1", "P-22.4")
def test_events_are_sent_before_then_after_the_commit(client: TestApp, told: Told) -> None:
    created(client)
    client.get("/v0/mushrooms", headers=AUTH)

    assert [type(event) for event in told] == [
        ResourceChanged,
        AfterResourceChanged,
        ResourceRead,
        AfterResourceRead,
    ]


@pytest.mark.clause("P-22.1")
def test_both_events_of_a_change_tell_the_same(client: TestApp, told: Told) -> None:
    created(client)

    before, after = told
    assert after.payload == before.payload
    assert after.impacted_records == before.impacted_records


@pytest.mark.clause("P-22.1", "P-22.3", "B-18.8")
def test_other_requests_see_the_change_after_the_commit_only() -> None:
    seen = []

    def look(event: Any) -> None:
        def read() -> None:
            storage = event.request.registry.storage
            _, total = storage.get_all("mushroom", USER)
            seen.append(total)

        thread = Thread(target=read)
        thread.start()
        thread.join()

    client = subscribed(look, ResourceChanged, AfterResourceChanged)
    created(client)

    assert seen == [0, 1]


@pytest.mark.clause("P-22.1")
def test_subrequests_tell_at_the_end_of_their_parent() -> None:
    journal = []

    class Talking(Mushroom):
        def postprocess(self, *args: Any, **kwargs: Any) -> Any:
            journal.append("view")
            return super().postprocess(*args, **kwargs)

    client = make_app(
        [(Talking, {"name": "mushroom"})],
        configure=lambda config: config.add_subscriber(
            lambda event: journal.append("event"), ResourceChanged
        ),
    )
    batch(client, ("POST", "/mushrooms", CEP), ("POST", "/mushrooms", CEP))

    assert journal == ["view", "view", "event"]


@pytest.mark.clause("P-21.9", "H-34.5", "B-18.8")
def test_an_http_error_of_a_subscriber_is_the_response() -> None:
    def refuse(event: Any) -> None:
        raise HTTPInsufficientStorage

    client = subscribed(refuse, ResourceChanged)
    client.post_json("/v0/mushrooms", CEP, headers=AUTH, status=507)


@pytest.mark.clause("P-21.9", "X-31")
def test_a_redirection_that_a_subscriber_raises_aborts_as_well() -> None:
    def redirect(event: Any) -> None:
        raise HTTPFound("/elsewhere")

    client = subscribed(redirect, ResourceChanged)
    client.post_json("/v0/mushrooms", CEP, headers=AUTH, status=302)

    assert client.get("/v0/mushrooms", headers=AUTH).json["data"] == []


@pytest.mark.clause("P-21.9", "H-34.5")
def test_any_other_error_of_a_subscriber_is_a_500() -> None:
    def fail(event: Any) -> None:
        raise RuntimeError("out of order")

    client = subscribed(fail, ResourceChanged)
    response = client.post_json("/v0/mushrooms", CEP, headers=AUTH, status=500)

    assert response.json["errno"] == 999


@pytest.mark.clause("P-21.9", "P-22.2")
def test_after_a_subscriber_that_fails_nobody_else_is_told(told: Told) -> None:
    def fail(event: Any) -> None:
        raise RuntimeError("out of order")

    def configure(config: Any) -> None:
        config.add_subscriber(fail, ResourceChanged)
        for event_class in (ResourceChanged, AfterResourceChanged):
            config.add_subscriber(told.append, event_class)

    client = make_app([Mushroom], configure=configure)
    client.post_json("/v0/mushrooms", CEP, headers=AUTH, status=500)

    assert told == []


@pytest.mark.clause("P-21.10", "H-34.6", "B-18.8")
def test_an_error_after_the_commit_is_logged_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(event: Any) -> None:
        raise HTTPInsufficientStorage

    client = subscribed(fail, AfterResourceChanged)
    caplog.clear()
    with caplog.at_level(logging.ERROR, "cliquet"):
        record = created(client)

    assert client.get(f"/v0/mushrooms/{record['id']}", headers=AUTH).json["data"] == record
    (entry,) = caplog.records
    assert "Unable to notify" in entry.getMessage()
    assert entry.exc_info[0] is HTTPInsufficientStorage  # type: ignore[index]


@pytest.mark.clause("P-21.10")
def test_an_error_after_the_commit_keeps_nothing_from_other_subscribers(told: Told) -> None:
    def fail(event: Any) -> None:
        raise RuntimeError("out of order")

    def configure(config: Any) -> None:
        for subscriber in (fail, told.append):
            config.add_subscriber(subscriber, AfterResourceChanged)

    client = make_app([Mushroom, Spore], configure=configure)
    batch(client, ("POST", "/mushrooms", CEP), ("POST", "/spores", {"data": {}}))

    assert [event.payload["resource_name"] for event in told] == ["mushroom", "spore"]


@pytest.mark.clause("P-21.11", "B-18.8")
def test_a_subscriber_may_write_in_the_transaction_of_the_request() -> None:
    def journalize(event: Any) -> None:
        event.request.registry.storage.create("spore", USER, {"of": event.payload["uri"]})

    client = subscribed(journalize, ResourceChanged)
    created(client)

    (spore,) = client.get("/v0/spores", headers=AUTH).json["data"]
    assert spore["of"] == "/mushrooms"


@pytest.mark.clause("P-21.11", "B-18.8")
def test_what_a_subscriber_wrote_is_undone_with_the_request() -> None:
    def journalize(event: Any) -> None:
        event.request.registry.storage.create("spore", USER, {})
        raise HTTPInsufficientStorage

    client = subscribed(journalize, ResourceChanged)
    client.post_json("/v0/mushrooms", CEP, headers=AUTH, status=507)

    assert client.get("/v0/spores", headers=AUTH).json["data"] == []
    assert client.get("/v0/mushrooms", headers=AUTH).json["data"] == []


@pytest.mark.clause("P-22.1")
def test_an_application_without_the_step_sends_nothing(told: Told) -> None:
    sequence = [
        step
        for step in make_app().app.registry.settings["initialization_sequence"]
        if step != "cliquet.events.setup_transaction_hook"
    ]
    client = subscribed(told.append, *EVENT_CLASSES, settings={"initialization_sequence": sequence})
    created(client)

    assert told == []


# The request's own methods


def service_app(view: Any, *subscribers: Any) -> TestApp:
    """Return a client of an application with one public view at /v0/custom/{id}."""

    def configure(config: Any) -> None:
        service = Service(name="custom", path="/custom/{id}")
        service.add_view("POST", view, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)
        for subscriber in subscribers:
            config.add_subscriber(subscriber, ResourceChanged)

    return make_app(configure=configure)


@pytest.mark.clause("P-21.6", "P-34.20")
def test_a_service_of_the_application_may_tell_of_its_own_changes(told: Told) -> None:
    def view(request: Any) -> dict[Any, Any]:
        request.notify_resource_event(42, {"id": "a"}, ACTIONS.CREATE)
        return {}

    service_app(view, told.append).post("/v0/custom/a")

    event = told.only(ResourceChanged)
    assert event.impacted_records == [{"new": {"id": "a"}}]
    assert event.payload == {
        "timestamp": 42,
        "action": "create",
        "uri": "/custom/a",
        "user_id": None,
        "resource_name": None,
        "id": "a",
    }


@pytest.mark.clause("P-21.6")
def test_a_service_may_give_the_resource_its_name(told: Told) -> None:
    def view(request: Any) -> dict[Any, Any]:
        request.current_resource_name = "thing"
        request.notify_resource_event(42, {"id": "a"}, ACTIONS.UPDATE, old={"id": "a", "was": 1})
        return {}

    service_app(view, told.append).post("/v0/custom/a")

    event = told.only(ResourceChanged)
    assert event.impacted_records == [{"new": {"id": "a"}, "old": {"id": "a", "was": 1}}]
    assert event.payload["thing_id"] == "a"


@pytest.mark.clause("P-21.8")
def test_what_will_be_told_can_be_looked_at() -> None:
    looks = []

    def view(request: Any) -> dict[Any, Any]:
        request.notify_resource_event(42, [{"id": "a"}], ACTIONS.DELETE)
        request.notify_resource_event(43, [{"id": "b"}], ACTIONS.DELETE)
        request.notify_resource_event(44, {"id": "c"}, ACTIONS.READ)
        looks.append(request.get_resource_events())
        looks.append(request.get_resource_events(after_commit=True))
        looks.append(request.get_resource_events())
        return {}

    service_app(view).post("/v0/custom/a")

    before, after, again = looks
    assert [type(event) for event in before] == [ResourceChanged, ResourceRead]
    assert [type(event) for event in after] == [AfterResourceChanged, AfterResourceRead]
    assert before[0].impacted_records == [{"old": {"id": "a"}}, {"old": {"id": "b"}}]
    # The first timestamp is kept.
    assert before[0].payload["timestamp"] == 42
    assert again[0] is not before[0]


@pytest.mark.clause("P-5.14", "P-21.6")
def test_what_is_stacked_is_in_the_data_bound_to_the_request() -> None:
    stacks = []

    def view(request: Any) -> dict[Any, Any]:
        request.notify_resource_event(42, {"id": "a"}, ACTIONS.READ)
        stacks.append(request.bound_data["resource_events"])
        return {}

    service_app(view).post("/v0/custom/a")

    assert len(stacks[0]) == 1
