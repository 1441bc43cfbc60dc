"""The class that applications subclass: attributes, endpoints in their order, hooks."""

import contextlib
import inspect
import uuid
from types import SimpleNamespace
from typing import Any

import colander
import pytest
from pyramid.events import NewRequest
from pyramid.httpexceptions import HTTPConflict, HTTPNotFound
from pyramid.request import Request, apply_request_extensions
from support.shared_apps import make_app
from testapp import RESOURCES, Mushroom, Spore, Truffle
from webtest import TestApp

from cliquet import errors, events, resource
from cliquet.events import ACTIONS
from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError
from cliquet.storage.generators import Generator
from cliquet.storage.memory import Storage
from cliquet.testing.faults import FaultyBackend
from cliquet.testing.web import basic_auth

UUID = "6f0fb0a8-2f4e-4c1a-9f3c-0b1c2d3e4f50"
HEADERS = basic_auth()
STEPS = (
    "_add_timestamp_header",
    "_add_cache_header",
    "_raise_304_if_not_modified",
    "_raise_412_if_modified",
    "_raise_400_if_invalid_id",
    "_raise_400_if_id_mismatch",
    "_raise_conflict",
    "_get_record_or_404",
    "_extract_filters",
    "_extract_limit",
    "_extract_sorting",
    "_extract_partial_fields",
    "_extract_pagination_rules_from_token",
    "_next_page_url",
    "process_record",
    "apply_changes",
    "postprocess",
)
STORAGE_CALLS = (
    "get_record",
    "get_records",
    "create_record",
    "update_record",
    "delete_record",
    "delete_records",
)


def traced(base: Any, names: Any, calls: Any) -> Any:
    """Return a subclass whose methods note their calls: (name, positional, keywords)."""

    def override(name: Any) -> Any:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append((name, args, kwargs))
            return getattr(super(cls, self), name)(*args, **kwargs)

        return method

    cls = type(base.__name__, (base,), {name: override(name) for name in names})
    return cls


@pytest.fixture
def calls() -> list[Any]:
    """Return what the steps of the resource `trace` and of its model were called with."""
    return []


@pytest.fixture
def trace(calls: list[Any]) -> TestApp:
    """Return a client of an application whose resource, under `/truffles`, is traced."""
    model = traced(resource.Model, STORAGE_CALLS, calls)
    truffle = traced(Truffle, STEPS, calls)
    truffle.default_model = model
    return make_app([truffle])


def names(calls: Any) -> list[Any]:
    return [name for name, _, _ in calls]


def request_of(
    app: TestApp,
    path: str = "/v0/mushrooms",
    method: str = "GET",
    data: Any = None,
    **matchdict: Any,
) -> Any:
    """Make a request by hand, as scripts and plug-ins do."""
    keywords = {} if data is None else {"json": {"data": data}}
    request = Request.blank(path, method=method, headers=HEADERS, **keywords)
    request.registry = app.app.registry
    apply_request_extensions(request)
    request.registry.notify(NewRequest(request))
    # The views' permission does this in a request that is routed (P-5.3).
    assert request.authenticated_userid is not None
    request.matchdict = matchdict
    if data is not None:
        request.validated["data"] = data
    return request


# Attributes


@pytest.mark.clause("P-9.1", "P-9.2", "P-9.3", "P-9.8")
def test_defaults_of_the_class() -> None:
    cls = resource.UserResource

    assert cls.default_viewset is resource.ViewSet
    assert cls.default_model is resource.Model
    assert type(cls.mapping) is resource.ResourceSchema
    assert cls.force_patch_update is False


@pytest.mark.clause("P-9.3")
def test_without_schema_nothing_of_a_body_is_stored() -> None:
    class Plant(resource.UserResource):
        pass

    app = make_app([Plant])

    stored = app.post_json("/v0/plants", {"data": {"a": 1}}, headers=HEADERS).json["data"]

    assert stored.keys() == {"id", "last_modified"}


@pytest.mark.clause("P-9.4", "P-9.12")
def test_the_collection_is_named_after_the_class_whatever_the_name_of_the_resource() -> None:
    class Plant(resource.UserResource):
        name = "herb"

    app = make_app([Plant, (Plant, {"name": "weed"})])
    created = app.post_json("/v0/herbs", {"data": {}}, headers=HEADERS).json["data"]

    instance = Plant(request_of(app))

    assert instance.model.collection_id == "plant"
    assert app.get("/v0/weeds", headers=HEADERS).json["data"] == [created]


@pytest.mark.clause("P-9.5", "P-9.6", "P-9.7")
def test_an_instance_has_its_request_context_model_and_record_id(app: TestApp) -> None:
    request, context = request_of(app, id=UUID), SimpleNamespace()

    instance = Mushroom(request, context)

    assert instance.request is request
    assert instance.context is context
    assert instance.record_id == UUID
    assert isinstance(instance.model, resource.Model)
    assert Mushroom(request=request_of(app)).record_id is None
    assert Mushroom(request_of(app)).context is None


@pytest.mark.clause("P-9.11", "P-35.13")
def test_the_parent_is_asked_for_before_anything_else(app: TestApp) -> None:
    had_request = []

    class Forest(resource.UserResource):
        def get_parent_id(self, request: Any) -> str:
            had_request.append(hasattr(self, "request"))
            self.forest = request.matchdict["forest"]
            return f"/forests/{self.forest}"

    instance = Forest(request_of(app, forest="black"))

    assert had_request == [False]
    assert instance.forest == "black"
    assert instance.model.parent_id == "/forests/black"


@pytest.mark.clause("P-9.11")
def test_the_model_is_made_of_keywords(app: TestApp) -> None:
    made = []

    class Recorded(resource.Model):
        def __init__(self, **kwargs: Any) -> None:
            made.append(kwargs)
            super().__init__(**kwargs)

    class Plant(resource.UserResource):
        default_model = Recorded

    request = request_of(app)
    Plant(request)

    assert made == [
        {
            "storage": request.registry.storage,
            "id_generator": request.registry.id_generator,
            "collection_id": "plant",
            "parent_id": request.prefixed_userid,
            "auth": HEADERS["Authorization"],
        }
    ]


@pytest.mark.clause("P-9.11")
def test_the_log_line_has_the_collection_and_its_timestamp_once_it_was_read() -> None:
    found = {}

    class Plant(resource.UserResource):
        def postprocess(self, *args: Any, **kwargs: Any) -> Any:
            found[self.request.method, self.record_id is None] = logs.fields()
            return super().postprocess(*args, **kwargs)

    app = make_app([Plant])
    app.put_json(f"/v0/plants/{UUID}", {"data": {}}, headers=HEADERS)
    etag = app.get("/v0/plants", headers=HEADERS).headers["ETag"]
    app.get(f"/v0/plants/{UUID}", headers=HEADERS)

    assert all(fields["collection_id"] == "plant" for fields in found.values())
    assert f'"{found["GET", True]["collection_timestamp"]}"' == etag
    # Fetching a record does not read it.
    assert "collection_timestamp" not in found["GET", False]


@pytest.mark.clause("P-9.8")
def test_a_patch_that_changes_nothing_is_written_where_the_class_says_so() -> None:
    class Eager(Spore):
        force_patch_update = True

    app = make_app([Eager])
    record = app.post_json("/v0/eagers", {"data": {"a": 1}}, headers=HEADERS).json["data"]

    response = app.patch_json(f"/v0/eagers/{record['id']}", {"data": {}}, headers=HEADERS)

    assert response.json["data"]["last_modified"] > record["last_modified"]
    assert response.json["data"]["a"] == 1


@pytest.mark.clause("P-9.9", "P-34.27")
@pytest.mark.parametrize(
    ("method", "path", "conditions", "readings"),
    [
        ("GET", "/v0/spores", {"If-None-Match": '"1"', "If-Match": '"9999999999999"'}, 1),
        ("GET", "/v0/spores", {}, 1),
        ("DELETE", "/v0/spores", {"If-Match": '"9999999999999"'}, 1),
        ("POST", "/v0/spores", {"If-Match": '"9999999999999"'}, 1),
        ("POST", "/v0/spores", {}, 0),
        ("GET", f"/v0/spores/{UUID}", {"If-None-Match": '"1"'}, 0),
        ("PUT", f"/v0/spores/{UUID}", {"If-Match": '"9999999999999"'}, 0),
        ("PATCH", f"/v0/spores/{UUID}", {}, 0),
        ("DELETE", f"/v0/spores/{UUID}", {}, 0),
    ],
)
def test_the_timestamp_is_read_once_and_only_where_it_is_needed(
    method: str, path: str, conditions: dict[str, Any], readings: int
) -> None:
    class Counting(Storage):
        count = 0

        def collection_timestamp(self, *args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return super().collection_timestamp(*args, **kwargs)

    storage = Counting()
    app = make_app([Spore], configure=lambda config: setattr(config.registry, "storage", storage))
    app.put_json(f"/v0/spores/{UUID}", {"data": {}}, headers=HEADERS)
    storage.count = 0

    has_body = method in ("POST", "PUT", "PATCH")
    app.request(
        path,
        method=method,
        body=b'{"data": {"a": 1}}' if has_body else b"",
        headers={**HEADERS, **conditions, "Content-Type": "application/json"},
        status="2*",
    )

    assert storage.count == readings


@pytest.mark.clause("P-9.10")
def test_collection_is_the_former_name_of_model(app: TestApp) -> None:
    instance = Mushroom(request_of(app))

    message = "``self.collection`` is now deprecated. Please use ``self.model`` instead"
    with pytest.warns(DeprecationWarning, match=f"^{message}$"):
        model = instance.collection

    assert model is instance.model


@pytest.mark.clause("P-9.13", "S-7.6")
@pytest.mark.parametrize(
    ("readonly", "message"),
    [
        (
            "false",
            "Service temporary unavailable due to overloading or maintenance, please retry later.",
        ),
        (
            "true",
            "Collection timestamp cannot be written. "
            "Records endpoint must be hit at least once from a writable instance.",
        ),
    ],
)
def test_a_timestamp_that_cannot_be_had_is_503(readonly: str, message: str) -> None:
    def out_of_order(**_: Any) -> None:
        raise BackendError(original=OSError("out of order"))

    def configure(config: Any) -> None:
        registry = config.registry
        registry.storage = FaultyBackend(registry.storage, collection_timestamp=out_of_order)

    app = make_app([Mushroom], settings={"readonly": readonly}, configure=configure)

    response = app.get("/v0/mushrooms", headers=HEADERS, status=503)

    assert response.json["errno"] == 201
    assert response.json["message"] == message


@pytest.mark.clause("P-9.14")
def test_a_subclass_may_change_the_generator_of_its_model() -> None:
    class Slugs(Generator):
        def __call__(self) -> str:
            return f"slug-{uuid.uuid4().hex}"

    class Plant(resource.UserResource):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.model.id_generator = Slugs()

    app = make_app([Plant])

    created = app.post_json("/v0/plants", {"data": {}}, headers=HEADERS).json["data"]

    assert created["id"].startswith("slug-")
    app.get(f"/v0/plants/{created['id']}", headers=HEADERS, status=200)
    app.put_json("/v0/plants/chosen", {"data": {}}, headers=HEADERS, status=201)


# Endpoints


@pytest.mark.clause("P-10.1", "P-11.7")
def test_steps_of_a_listing(trace: TestApp, calls: list[Any]) -> None:
    for n in range(3):
        trace.post_json("/v0/truffles", {"data": {"name": "a", "code": n}}, headers=HEADERS)
    calls.clear()

    trace.get("/v0/truffles?_limit=2&_sort=code&name=a&_fields=code", headers=HEADERS)

    assert names(calls) == [
        "_add_timestamp_header",
        "_add_cache_header",
        "_raise_304_if_not_modified",
        "_raise_412_if_modified",
        "_extract_filters",
        "_extract_limit",
        "_extract_sorting",
        "_extract_partial_fields",
        "_extract_pagination_rules_from_token",
        "get_records",
        "_next_page_url",
        "postprocess",
    ]
    given = {name: kwargs for name, _, kwargs in calls}
    assert given["get_records"].keys() == {
        "filters",
        "sorting",
        "limit",
        "pagination_rules",
        "include_deleted",
    }
    assert given["get_records"]["include_deleted"] is False


@pytest.mark.clause("P-10.1")
@pytest.mark.parametrize(
    "query", ["_since=0", "_before=9", "last_modified=5", "gt_last_modified=5"]
)
def test_tombstones_are_asked_for_where_a_filter_is_on_the_timestamp(
    trace: TestApp, calls: list[Any], query: str
) -> None:
    trace.get(f"/v0/truffles?{query}", headers=HEADERS)

    (given,) = (kwargs for name, _, kwargs in calls if name == "get_records")
    assert given["include_deleted"] is True


@pytest.mark.clause("P-10.2")
def test_steps_of_a_creation_with_an_id(trace: TestApp, calls: list[Any]) -> None:
    trace.post_json("/v0/truffles", {"data": {"id": UUID, "name": "a"}}, headers=HEADERS)

    assert names(calls) == [
        "_raise_400_if_invalid_id",
        "get_record",
        "_raise_412_if_modified",
        "process_record",
        "create_record",
        "postprocess",
    ]
    _, positional, keywords = calls[3]
    assert len(positional) == 1, "no `old` on creation"
    assert keywords == {}
    assert calls[4][2] == {"unique_fields": ("email", "code")}
    assert calls[5][2] == {"action": ACTIONS.CREATE}


@pytest.mark.clause("P-10.2")
def test_a_creation_that_conflicts_is_a_reading_of_what_exists(
    trace: TestApp, calls: list[Any]
) -> None:
    body = {"data": {"id": UUID, "name": "a"}}
    trace.post_json("/v0/truffles", body, headers=HEADERS, status=201)
    calls.clear()

    trace.post_json("/v0/truffles", body, headers=HEADERS, status=200)

    assert names(calls)[-1] == "postprocess"
    assert calls[-1][2] == {"action": ACTIONS.READ}


@pytest.mark.clause("P-10.3")
@pytest.mark.parametrize(("query", "action"), [("", ACTIONS.DELETE), ("name=x", ACTIONS.READ)])
def test_steps_of_a_deletion_of_many(
    trace: TestApp, calls: list[Any], query: str, action: ACTIONS
) -> None:
    trace.post_json("/v0/truffles", {"data": {"name": "a"}}, headers=HEADERS)
    calls.clear()

    trace.delete(f"/v0/truffles?{query}", headers=HEADERS)

    assert names(calls) == [
        "_raise_412_if_modified",
        "_extract_filters",
        "delete_records",
        "postprocess",
    ]
    assert calls[2][2].keys() == {"filters"}
    assert calls[3][2] == {"action": action}


@pytest.mark.clause("P-10.4")
def test_steps_of_a_fetch(trace: TestApp, calls: list[Any]) -> None:
    record = trace.post_json("/v0/truffles", {"data": {"name": "a"}}, headers=HEADERS).json["data"]
    calls.clear()

    trace.get(f"/v0/truffles/{record['id']}", headers=HEADERS)

    assert names(calls) == [
        "_raise_400_if_invalid_id",
        "_get_record_or_404",
        "get_record",
        "_add_timestamp_header",
        "_add_cache_header",
        "_raise_304_if_not_modified",
        "_raise_412_if_modified",
        "_extract_partial_fields",
        "postprocess",
    ]
    assert calls[3][2] == {"timestamp": record["last_modified"]}


@pytest.mark.clause("P-10.5", "P-34.1", "D-62")
@pytest.mark.parametrize("state", ["unknown", "live", "deleted"])
def test_steps_of_put(trace: TestApp, calls: list[Any], state: str) -> None:
    url, body = f"/v0/truffles/{UUID}", {"data": {"name": "a"}}
    if state != "unknown":
        previous = trace.put_json(url, body, headers=HEADERS).json["data"]
    if state == "deleted":
        previous = trace.delete(url, headers=HEADERS).json["data"]
    calls.clear()

    trace.put_json(url, body, headers=HEADERS)

    # The record is read anew, under the lock, whatever the authorization read (D-62).
    assert names(calls) == [
        "_raise_400_if_invalid_id",
        "get_record",
        *([] if state == "live" else ["get_records"]),
        "_raise_412_if_modified",
        "_raise_400_if_id_mismatch",
        "process_record",
        "update_record" if state == "live" else "create_record",
        "_add_timestamp_header",
        "postprocess",
    ]
    given = {name: kwargs for name, _, kwargs in calls}
    old = None if state == "unknown" else previous
    assert given["process_record"] == {"old": old}
    assert given["_raise_412_if_modified"] == {"record": old}
    # A tombstone is no former version of a record that is created (P-34.1).
    assert given["postprocess"] == {
        "action": ACTIONS.UPDATE if state == "live" else ACTIONS.CREATE,
        "old": previous if state == "live" else None,
    }


@pytest.mark.clause("P-10.6")
@pytest.mark.parametrize("changed", [True, False])
def test_steps_of_patch(trace: TestApp, calls: list[Any], changed: bool) -> None:
    record = trace.post_json("/v0/truffles", {"data": {"name": "a"}}, headers=HEADERS).json["data"]
    calls.clear()

    changes = {"name": "b" if changed else "a"}
    trace.patch_json(f"/v0/truffles/{record['id']}", {"data": changes}, headers=HEADERS)

    assert names(calls) == [
        "_raise_400_if_invalid_id",
        "_get_record_or_404",
        "get_record",
        "_raise_412_if_modified",
        "apply_changes",
        "_raise_400_if_id_mismatch",
        "process_record",
        *(["update_record"] if changed else []),
        "_add_timestamp_header",
        "postprocess",
    ]
    given = {name: (args, kwargs) for name, args, kwargs in calls}
    assert given["apply_changes"] == ((record,), {"changes": changes})
    assert given["process_record"][1] == {"old": record}
    assert given["postprocess"][1] == {"action": ACTIONS.UPDATE, "old": record}


@pytest.mark.clause("P-10.7")
def test_steps_of_a_deletion(trace: TestApp, calls: list[Any]) -> None:
    record = trace.post_json("/v0/truffles", {"data": {"name": "a"}}, headers=HEADERS).json["data"]
    newer = record["last_modified"] + 1000
    calls.clear()

    trace.delete(f"/v0/truffles/{record['id']}?last_modified={newer}", headers=HEADERS)

    assert names(calls) == [
        "_raise_400_if_invalid_id",
        "_get_record_or_404",
        "get_record",
        "_raise_412_if_modified",
        "delete_record",
        "postprocess",
    ]
    assert calls[4][1:] == ((record,), {"last_modified": newer})
    assert calls[5][2] == {"action": ACTIONS.DELETE}


@pytest.mark.clause("P-10.8")
def test_endpoints_raise_the_exceptions_of_pyramid(app: TestApp) -> None:
    request = request_of(app, id=UUID)

    with pytest.raises(HTTPNotFound):
        Mushroom(request).get()


@pytest.mark.clause("P-10.8")
def test_a_conflict_tells_the_field_and_the_record(app: TestApp) -> None:
    holder = Truffle(request_of(app)).model.create_record({"name": "a", "code": 5})
    request = request_of(app, method="PUT", data={"name": "b", "code": 5}, id=UUID)

    with pytest.raises(HTTPConflict) as caught:
        Truffle(request).put()

    assert caught.value.json["message"] == f"Conflict of field code on record {holder['id']}"
    assert caught.value.json["details"] == {"field": "code", "existing": holder}


@pytest.mark.clause("P-34.1", "H-19.1")
def test_put_over_a_tombstone_is_told_as_a_creation() -> None:
    seen = []
    app = make_app(
        RESOURCES,
        configure=lambda config: config.add_subscriber(seen.append, events.ResourceChanged),
    )
    url, body = f"/v0/mushrooms/{UUID}", {"data": {"name": "cep"}}
    app.put_json(url, body, headers=HEADERS)
    app.delete(url, headers=HEADERS)

    response = app.put_json(url, body, headers=HEADERS, status=201)

    assert seen[-1].payload["action"] == "create"
    assert seen[-1].impacted_records == [{"new": response.json["data"]}]


# Hooks


@pytest.mark.clause("P-11.1")
def test_records_belong_to_their_user_by_default(
    app: TestApp, headers: dict[str, str], other_headers: dict[str, str]
) -> None:
    app.put_json(f"/v0/spores/{UUID}", {"data": {"a": 1}}, headers=headers)
    app.put_json(f"/v0/spores/{UUID}", {"data": {"a": 2}}, headers=other_headers, status=201)

    request = request_of(app)

    assert app.get(f"/v0/spores/{UUID}", headers=headers).json["data"]["a"] == 1
    assert Spore(request).get_parent_id(request) == request.prefixed_userid


@pytest.mark.clause("P-11.2")
def test_process_record_changes_what_every_write_stores_or_refuses_it() -> None:
    class Stamped(Spore):
        def process_record(self, new: Any, old: Any = None) -> dict[Any, Any]:
            new = super().process_record(new, old)
            if new.get("bad"):
                errors.raise_invalid(self.request, name="bad", description="Refused")
            return {**new, "revision": 1 if old is None else old.get("revision", 0) + 1}

    app = make_app([Stamped])

    def write(method: str, path: str, data: Any, status: int | str) -> Any:
        body = {"data": data}
        return getattr(app, f"{method}_json")(path, body, headers=HEADERS, status=status)

    url = f"/v0/stampeds/{UUID}"
    created = write("post", "/v0/stampeds", {"id": UUID}, 201)
    replaced = write("put", url, {"a": 1}, 200)
    modified = write("patch", url, {"a": 2}, 200)
    for method, path in (("post", "/v0/stampeds"), ("put", url), ("patch", url)):
        refused = write(method, path, {"bad": True}, 400)
        assert refused.json["message"] == "bad in body: Refused"

    stored = [response.json["data"]["revision"] for response in (created, replaced, modified)]
    assert stored == [1, 2, 3]


@pytest.mark.clause("P-11.2")
@pytest.mark.parametrize(
    ("new", "old", "kept"),
    [
        ({"last_modified": 5}, None, True),
        ({"last_modified": 5}, {}, True),
        ({"last_modified": 5}, {"last_modified": 4}, True),
        ({"last_modified": 5}, {"last_modified": 5}, False),
        ({"last_modified": 5}, {"last_modified": 6}, False),
    ],
)
def test_a_timestamp_that_is_not_newer_is_dropped(
    app: TestApp, new: dict[str, Any], old: dict[str, Any] | None, kept: bool
) -> None:
    instance = Mushroom(request_of(app))

    processed = instance.process_record({"name": "cep", **new}, old=old)

    assert processed == {"name": "cep", **(new if kept else {})}


@pytest.mark.clause("X-24")
def test_process_record_bears_being_run_again() -> None:
    class Again(Exception):
        pass

    class Repeating(Storage):
        """Loses its first attempt at every operation, as a storage does that compares and sets."""

        def atomic(self, operation: Any, **collection: Any) -> Any:
            def attempt() -> None:
                operation()
                raise Again

            with contextlib.suppress(Again):
                super().atomic(attempt, **collection)
            return super().atomic(operation, **collection)

    seen, processed = [], []

    class Plant(Spore):
        def process_record(self, new: Any, old: Any = None) -> Any:
            processed.append((dict(new), old))
            new["extra"] = 1
            return super().process_record(new, old)

    def configure(config: Any) -> None:
        config.registry.storage = Repeating()
        config.add_subscriber(seen.append, events.ResourceChanged)

    app = make_app([Plant], configure=configure)
    url = f"/v0/plants/{UUID}"

    created = app.put_json(url, {"data": {"a": 1}}, headers=HEADERS, status=201).json["data"]
    app.patch_json(url, {"data": {"a": 2}}, headers=HEADERS, status=200)
    app.delete(url, headers=HEADERS, status=200)
    app.post_json("/v0/plants", {"data": {"id": UUID}}, headers=HEADERS, status=201)

    # Twice each, with the same arguments: the first run left no trace.
    assert len(processed) == 6
    assert [one == other for one, other in zip(processed[::2], processed[1::2], strict=True)] == [
        True,
        True,
        True,
    ]
    assert processed[2][1] == created
    actions = [event.payload["action"] for event in seen]
    assert actions == ["create", "update", "delete", "create"]
    assert all(len(event.impacted_records) == 1 for event in seen)
    # Applications are told.
    assert "more than once" in resource.UserResource.process_record.__doc__  # type: ignore[operator]


@pytest.mark.clause("P-11.3")
def test_apply_changes_returns_the_validated_merge(app: TestApp) -> None:
    instance = Mushroom(request_of(app))

    merged = instance.apply_changes({"id": UUID, "name": "a"}, changes={"name": "b", "x": 1})

    assert merged == {"name": "b"}


@pytest.mark.clause("P-11.3")
def test_an_application_overrides_how_changes_apply() -> None:
    class Counter(resource.UserResource):
        class CounterSchema(resource.ResourceSchema):
            n = colander.SchemaNode(colander.Integer(), missing=0)

        mapping = CounterSchema()

        def apply_changes(self, record: Any, changes: Any) -> Any:
            return super().apply_changes(record, {"n": record["n"] + changes["n"]})

    app = make_app([Counter])
    url = f"/v0/counters/{UUID}"
    app.put_json(url, {"data": {"n": 5}}, headers=HEADERS)

    app.patch_json(url, {"data": {"n": 2}}, headers=HEADERS)

    assert app.get(url, headers=HEADERS).json["data"]["n"] == 7


@pytest.mark.clause("P-11.4")
def test_postprocess_wraps_the_result_and_notifies(app: TestApp) -> None:
    request = request_of(app)
    instance = Mushroom(request)

    body = instance.postprocess({"id": UUID}, action=ACTIONS.CREATE)

    assert body == {"data": {"id": UUID}}
    (event,) = request.get_resource_events()
    assert isinstance(event, events.ResourceChanged)
    assert event.payload["timestamp"] == instance.model.timestamp()
    assert event.impacted_records == [{"new": {"id": UUID}}]


@pytest.mark.clause("P-11.4")
def test_postprocess_is_a_reading_by_default_and_keeps_the_former_version(app: TestApp) -> None:
    read, updated = request_of(app), request_of(app)

    Mushroom(read).postprocess([{"id": UUID}])
    Mushroom(updated).postprocess({"id": UUID}, action=ACTIONS.UPDATE, old={"id": UUID, "a": 1})

    assert read.get_resource_events()[0].read_records == [{"id": UUID}]
    assert updated.get_resource_events()[0].impacted_records == [
        {"new": {"id": UUID}, "old": {"id": UUID, "a": 1}}
    ]


@pytest.mark.clause("P-34.28")
def test_events_of_a_reading_share_no_list_with_the_response(app: TestApp) -> None:
    request = request_of(app)
    records = [{"id": UUID}]

    body = Mushroom(request).postprocess(records)
    body["data"].append({"id": "added by the application"})
    (event,) = request.get_resource_events()
    event.read_records.append({"id": "added by a subscriber"})

    assert body["data"] == [{"id": UUID}, {"id": "added by the application"}]
    assert event.read_records == [{"id": UUID}, {"id": "added by a subscriber"}]
    assert request.get_resource_events()[0].read_records == [{"id": UUID}]


@pytest.mark.clause("P-11.5", "P-11.6")
def test_known_fields_are_those_of_the_schema_and_three_more(app: TestApp) -> None:
    instance = Truffle(request_of(app))

    known = {"name", "email", "code", "age", "id", "last_modified", "deleted"}

    assert set(instance._get_known_fields()) == known
    assert all(instance.is_known_field(field) for field in known)
    assert not instance.is_known_field("colour")


@pytest.mark.clause("P-11.5")
def test_an_application_without_schema_may_know_every_field(
    app: TestApp, headers: dict[str, str]
) -> None:
    app.post_json("/v0/lichens", {"data": {"colour": "red"}}, headers=headers)
    app.post_json("/v0/spores", {"data": {"colour": "red"}}, headers=headers)

    known = app.get("/v0/lichens?colour=red&_sort=colour", headers=headers)
    app.get("/v0/spores?_sort=colour", headers=headers, status=400)

    assert len(known.json["data"]) == 1


@pytest.mark.clause("P-11.6")
def test_known_fields_may_be_overridden() -> None:
    class Hidden(Truffle):
        def _get_known_fields(self) -> list[Any]:
            return [*super()._get_known_fields(), "colour"]

    app = make_app([Hidden])

    app.get("/v0/hiddens?colour=red", headers=HEADERS, status=200)
    app.get("/v0/hiddens?_fields=colour", headers=HEADERS, status=200)


@pytest.mark.clause("P-11.7")
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("_get_record_or_404", "record_id"),
        ("_extract_filters", "queryparams=None"),
        ("_extract_sorting", "limit"),
        ("_extract_limit", ""),
        ("_extract_partial_fields", ""),
        ("_add_timestamp_header", "response, timestamp=None"),
        ("_add_cache_header", "response"),
        ("_raise_304_if_not_modified", "record=None"),
        ("_raise_412_if_modified", "record=None"),
        ("_raise_400_if_invalid_id", "record_id"),
        ("_raise_400_if_id_mismatch", "new_id, record_id"),
        ("_raise_conflict", "exception"),
        ("_next_page_url", "sorting, limit, last_record, offset"),
        ("_build_pagination_token", "sorting, last_record, offset"),
        ("_build_pagination_rules", "sorting, last_record, rules=None"),
    ],
)
def test_helpers_that_subclasses_know_keep_name_and_signature(name: str, parameters: str) -> None:
    signature = inspect.signature(getattr(resource.UserResource, name))

    _self, *found = (
        parameter.name
        if parameter.default is parameter.empty
        else f"{parameter.name}={parameter.default}"
        for parameter in signature.parameters.values()
    )
    assert ", ".join(found) == parameters


@pytest.mark.clause("P-11.8")
def test_a_record_that_the_context_has_is_not_fetched_again(app: TestApp) -> None:
    current = {"id": UUID, "last_modified": 5, "name": "of the context"}
    request = request_of(app, id=UUID)

    body = Mushroom(request, SimpleNamespace(current_record=current)).get()
    without = Mushroom(request, SimpleNamespace(current_record=None))

    assert body == {"data": current}
    with pytest.raises(HTTPNotFound):
        without._get_record_or_404(UUID)


@pytest.mark.clause("P-11.9")
def test_endpoints_may_be_overridden_and_have_the_response_at_hand() -> None:
    class Plant(Spore):
        def collection_get(self) -> dict[Any, Any]:
            body = super().collection_get()
            self.request.response.headers["X-Plants"] = "many"
            return {**body, "mine": True}

        def put(self) -> Any:
            body = super().put()
            body["data"]["shown"] = True
            return body

    app = make_app([Plant])

    replaced = app.put_json(f"/v0/plants/{UUID}", {"data": {}}, headers=HEADERS)
    listed = app.get("/v0/plants", headers=HEADERS)

    assert replaced.json["data"]["shown"] is True
    assert listed.headers["X-Plants"] == "many"
    assert listed.json["mine"] is True
    assert "shown" not in listed.json["data"][0]


# Made by hand


@pytest.mark.clause("P-35.13")
def test_a_resource_made_by_hand_works(app: TestApp) -> None:
    created = Spore(request_of(app)).model.create_record({"a": 1})
    record_id = created["id"]

    fetched = Spore(request_of(app, id=record_id)).get()
    replaced = Spore(request_of(app, method="PUT", data={"a": 2}, id=record_id)).put()
    modified = Spore(request_of(app, method="PATCH", data={"b": 3}, id=record_id)).patch()
    wrapped = Spore(request_of(app)).postprocess(created, action=ACTIONS.CREATE)

    assert fetched == {"data": created}
    assert replaced["data"]["a"] == 2
    assert modified["data"]["b"] == 3
    assert wrapped == {"data": created}
    stored = Spore(request_of(app)).model.get_record(record_id)
    assert (stored["a"], stored["b"]) == (2, 3)
