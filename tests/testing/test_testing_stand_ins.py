"""Resources and route contexts made on stand-ins, as the suites of applications make them (P-31).

Such a suite sets what a test is about on a :class:`DummyRequest` or a bare mock, and leaves the
rest to be mocks: what they answer stands for nothing that a client sent.
"""

import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

import colander
import pytest
from pyramid import httpexceptions, testing
from pyramid.request import Request

from cliquet import resource
from cliquet.permission.memory import Permission
from cliquet.resource import ShareableModel
from cliquet.security import authorization
from cliquet.storage import exceptions
from cliquet.storage.memory import Storage
from cliquet.tests.support import DummyRequest

UUID = "5c1a5ba7-7d2b-4a7b-8a2b-5ba77d2b4a7b"


class Schema(resource.ResourceSchema):
    name = colander.SchemaNode(colander.String(), missing=colander.drop)
    age = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    class Options:
        readonly_fields = ("age",)
        preserve_unknown = True


@pytest.mark.clause("P-31.1", "P-35.13")
class ResourceTest:
    """What a suite derives the tests of its resources from."""

    resource_class = resource.UserResource

    def setUp(self) -> None:
        self.storage = Storage()
        self.permission = Permission()
        self.resource = self.resource_class(request=self.get_request(), context=self.get_context())
        self.resource.mapping = Schema()
        self.model = self.resource.model
        self.request = self.resource.request
        known = mock.patch.object(self.resource, "is_known_field", return_value=True)
        known.start()
        self.addCleanup(known.stop)  # type: ignore[attr-defined]

    def get_request(self) -> Any:
        request = DummyRequest()
        request.registry.storage = self.storage
        request.registry.permission = self.permission
        return request

    def get_context(self) -> Any:
        context = mock.MagicMock()
        context.current_record = None
        context.shared_ids = None
        context.get_permission_object_id = lambda request, record_id=None: f"/things/{record_id}"
        return context

    def send(self, **body: Any) -> None:
        """Set what the validation of a request would have left."""
        self.request.json = dict(body)
        self.request.validated = {"data": {}, **body}

    def test_records_are_created_and_listed(self) -> None:
        self.send(data={"name": "a"})
        created = self.resource.collection_post()["data"]

        assert self.request.response.status_code == 201
        assert self.resource.collection_get() == {"data": [created]}
        headers = self.request.response.headers
        assert headers["Total-Records"] == "1"
        assert headers["ETag"] == f'"{created["last_modified"]}"'
        assert self.request.notify_resource_event.called

    def test_lists_are_filtered_sorted_and_paged(self) -> None:
        for age in (1, 2, 3):
            self.model.create_record({"age": age})
        self.request.GET = {"min_age": "2", "_sort": "-age", "_limit": "1", "_fields": "age"}

        assert [r["age"] for r in self.resource.collection_get()["data"]] == [3]
        assert "_token=" in self.request.response.headers["Next-Page"]
        self.request.GET = {"_since": "abc"}
        with pytest.raises(httpexceptions.HTTPBadRequest):
            self.resource.collection_get()

    def test_conditions_are_judged(self) -> None:
        self.resource.record_id = None
        record = self.model.create_record({"name": "a"})
        self.request.headers["If-None-Match"] = f'"{record["last_modified"]}"'
        with pytest.raises(httpexceptions.HTTPNotModified):
            self.resource.collection_get()
        self.resource.record_id = record["id"]
        with pytest.raises(httpexceptions.HTTPNotModified):
            self.resource.get()
        self.request.headers.clear()
        self.request.headers["If-Match"] = '"1"'
        for method in ("get", "put", "patch", "delete"):
            self.send(data={"name": "b"})
            with pytest.raises(httpexceptions.HTTPPreconditionFailed):
                getattr(self.resource, method)()

    def test_a_record_is_put_patched_and_deleted(self) -> None:
        self.resource.record_id = UUID
        self.send(data={"name": "a", "age": 3})
        self.request.method = "PUT"
        assert self.resource.put()["data"]["name"] == "a"
        assert self.request.response.status_code == 201
        self.send(data={"name": "b"})
        self.request.method = "PATCH"
        assert self.resource.patch()["data"]["name"] == "b"
        self.send(data={"age": 4})
        with pytest.raises(httpexceptions.HTTPBadRequest):
            self.resource.patch()
        assert self.resource.delete()["data"]["deleted"] is True
        for method in ("get", "patch", "delete"):
            with pytest.raises(httpexceptions.HTTPNotFound):
                getattr(self.resource, method)()

    def test_a_collection_is_deleted(self) -> None:
        self.model.create_record({"name": "a"})
        self.model.create_record({"name": "b"})
        self.request.GET = {"name": "b"}

        assert len(self.resource.collection_delete()["data"]) == 1
        assert self.model.get_records()[1] == 1

    def test_ids_and_bodies_are_judged(self) -> None:
        self.resource.record_id = "a*b"
        self.send(data={})
        for method in ("get", "put", "patch", "delete"):
            with pytest.raises(httpexceptions.HTTPBadRequest):
                getattr(self.resource, method)()
        self.resource.record_id = UUID
        self.request.validated = {"data": {"id": "other"}}
        with pytest.raises(httpexceptions.HTTPBadRequest):
            self.resource.put()

    def test_hooks_are_replaced_on_the_instance(self) -> None:
        self.resource.process_record = mock.MagicMock(side_effect=lambda new, old=None: new)
        self.resource.postprocess = mock.MagicMock(return_value={"made": True})
        self.send(data={"name": "a"})

        assert self.resource.collection_post() == {"made": True}
        assert self.resource.process_record.called


class UserResourceTest(ResourceTest, unittest.TestCase):
    pass


class UserResourceWithoutContextTest(ResourceTest, unittest.TestCase):
    def get_context(self) -> None:
        return None


class ShareableResourceTest(ResourceTest, unittest.TestCase):
    resource_class = resource.ShareableResource

    def test_permissions_are_written_and_shown(self) -> None:
        self.send(data={"name": "a"}, permissions={"read": ["basicauth:alice"]})
        created = self.resource.collection_post()

        expected = {"read": ["basicauth:alice"], "write": ["basicauth:bob"]}
        assert created["permissions"] == expected
        object_id = f"/things/{created['data']['id']}"
        assert self.permission.object_permissions(object_id)["read"] == {"basicauth:alice"}
        self.resource.record_id = created["data"]["id"]
        assert self.resource.get()["permissions"] == expected

    def test_lists_are_limited_to_the_ids_of_the_context(self) -> None:
        shared = self.model.create_record({"name": "a"})
        self.model.create_record({"name": "b"})
        self.resource.context.shared_ids = [shared["id"]]

        listed = self.resource.collection_get()["data"]

        assert [record["id"] for record in listed] == [shared["id"]]


class ShareableResourceWithoutContextTest(ResourceTest, unittest.TestCase):
    resource_class = resource.ShareableResource

    def get_context(self) -> None:
        return None


class MockedResourceTest(ResourceTest, unittest.TestCase):
    """Hooks that give mocks: the parent of the records, the user, the URL's variables."""

    class resource_class(resource.UserResource):  # noqa: N801 - takes the place of an attribute
        def get_parent_id(self, request: Any) -> Any:
            return mock.sentinel.parent

    def get_request(self) -> Any:
        request = super().get_request()
        request.prefixed_userid = mock.sentinel.userid
        request.matchdict = {"bucket_id": mock.sentinel.bucket, "id": UUID}
        return request


@pytest.mark.parametrize("parent", [mock.sentinel.parent, mock.MagicMock(), mock.Mock()])
def test_a_parent_may_be_a_mock(parent: Any) -> None:
    request = DummyRequest()
    request.prefixed_userid = parent

    assert resource.UserResource(request).model.parent_id is parent


def test_a_user_resource_takes_a_bare_mock() -> None:
    request = mock.MagicMock(headers={})

    made = resource.UserResource(request, context=mock.MagicMock())

    assert made.record_id is request.matchdict.get.return_value
    assert resource.ShareableResource(request, mock.MagicMock()).model.parent_id == ""


def test_a_mocked_storage_answers_for_itself() -> None:
    request = DummyRequest()
    storage = request.registry.storage
    storage.get.side_effect = exceptions.RecordNotFoundError
    storage.get_all.return_value = ([], 0)
    storage.collection_timestamp.return_value = 5
    storage.create.return_value = {"id": UUID, "last_modified": 6}
    request.matchdict["id"] = UUID
    request.validated = {"data": {"name": "a"}}
    request.json = {"data": {"name": "a"}}
    made = resource.UserResource(request)

    assert made.put() == {"data": {"id": UUID, "last_modified": 6}}
    assert storage.create.call_args.kwargs["record"] == {"id": UUID, "name": "a"}
    storage.get.side_effect = None
    storage.get.return_value = {"id": UUID, "last_modified": 6, "name": "a"}
    storage.delete.return_value = {"id": UUID, "deleted": True, "last_modified": 7}
    assert made.delete()["data"]["deleted"] is True
    assert made.collection_get() == {"data": []}
    assert request.response.headers["ETag"] == '"5"'


# The context of a route


def resolved(method: str, uri: str = "/foo/bar", *, found: bool = True, **attributes: Any) -> Any:
    """Return the context of a request to a mocked resource."""
    with mock.patch("cliquet.utils.current_service") as current_service:
        made = mock.MagicMock(record_id=1)
        made.model.get_record.return_value = 1
        if not found:
            made.model.get_record.side_effect = exceptions.RecordNotFoundError
        service = current_service.return_value
        service.resource.return_value = made
        service.collection_path = "/buckets/{bucket_id}"
        request = DummyRequest(method=method)
        request.path = f"/v1{uri}"
        request.matchdict = {"bucket_id": "abc"}
        for name, value in attributes.items():
            setattr(request, name, value)
        return authorization.RouteFactory(request)


@pytest.mark.clause("P-25.6", "P-25.7", "P-25.8", "P-31.1")
@pytest.mark.parametrize(
    ("method", "found", "permission", "uri"),
    [
        ("get", True, "read", "/foo/bar"),
        ("head", True, "read", "/foo/bar"),
        ("post", True, "create", "/buckets/abc"),
        ("delete", True, "write", "/foo/bar"),
        ("patch", True, "write", "/foo/bar"),
        ("put", True, "write", "/foo/bar"),
        ("PUT", False, "create", "/buckets/abc"),
    ],
)
def test_the_permission_follows_from_the_method(
    method: str, found: bool, permission: str, uri: str
) -> None:
    context = resolved(method, found=found)

    assert (context.required_permission, context.permission_object_id) == (permission, uri)
    assert context.current_record == (1 if method == "put" else None)
    assert context.on_collection is False


@pytest.mark.clause("P-25.6", "P-31.1")
def test_settings_give_principals_to_a_mocked_request() -> None:
    settings = {"toadstool_read_principals": "fxa:user"}

    context = resolved(
        "get",
        current_resource_name="toadstool",
        registry=mock.MagicMock(settings=settings, cornice_services={}),
    )

    assert context.resource_name == "toadstool"
    assert context.allowed_principals == ["fxa:user"]


@pytest.mark.clause("P-25.6", "P-25.9", "P-31.1")
def test_shared_ids_come_from_a_mocked_backend() -> None:
    request = DummyRequest(method="get")
    request.route_path = mock.MagicMock(return_value="/v1/buckets/%2A")
    service = mock.MagicMock(type="collection")
    request.registry.cornice_services = {"/": service}
    request.current_resource_name = "bucket"
    backend = request.registry.permission
    backend.principals_accessible_objects.return_value = {"/buckets/abc", "/buckets/xyz"}

    context = authorization.RouteFactory(request)
    found = context.fetch_shared_records("read", ["userid"], None)

    assert context.on_collection is True
    assert set(found) == set(context.shared_ids) == {"abc", "xyz"}
    asked = backend.principals_accessible_objects.call_args.kwargs
    assert (asked["permission"], asked["principals"]) == ("read", ["userid"])
    assert asked["object_id_match"] == "/buckets/*"


@pytest.mark.clause("P-25.9", "P-31.1")
def test_the_context_asks_a_mocked_backend() -> None:
    context = resolved("get")
    backend = context._request.registry.permission
    backend.check_permission.return_value = False

    assert not context.check_permission("read", ["userid"])
    backend.check_permission.return_value = True
    assert context.check_permission("read", ["userid"])
    assert backend.check_permission.call_args.args[:3] == ("/foo/bar", "read", ["userid"])


@pytest.mark.clause("P-25.6", "P-31.1")
@pytest.mark.parametrize(
    "request_of",
    [
        lambda: DummyRequest(),
        lambda: testing.DummyRequest(),
        lambda: Request.blank("/"),
    ],
)
def test_attributes_keep_their_defaults_outside_of_resources(
    request_of: Callable[..., Any],
) -> None:
    context = authorization.RouteFactory(request_of())

    assert context.resource_name is None
    assert context.required_permission is None
    assert context.permission_object_id is None
    assert context.current_record is None
    assert context.get_shared_ids is None
    assert context.shared_ids == []


@pytest.mark.clause("P-25.6", "P-31.1")
@pytest.mark.parametrize("make", [mock.MagicMock, mock.Mock])
@pytest.mark.parametrize("kind", ["collection", "record", None])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", None])
def test_a_context_takes_a_bare_mock(make: type, kind: str | None, method: str | None) -> None:
    request = make(matchdict={})
    if method:
        request.method = method
    if kind:
        request.registry.cornice_services.get.return_value.type = kind

    context = authorization.RouteFactory(request)

    assert context.on_collection is (kind == "collection")


@pytest.mark.clause("P-25.3", "P-31.1")
def test_the_policy_takes_a_mocked_context() -> None:
    policy = authorization.AuthorizationPolicy()
    context = mock.MagicMock(allowed_principals=[], required_permission="read")
    context.get_prefixed_userid.return_value = "fxa:user"
    context.check_permission.return_value = True

    assert policy.permits(context, ["user"], authorization.DYNAMIC)
    assert context.check_permission.call_args.args[0] == "read"
    assert "fxa:user" in context.check_permission.call_args.args[1]
    assert policy.permits(None, ["system.Authenticated"], authorization.PRIVATE)


@pytest.mark.clause("P-25.2", "P-31.1")
def test_groups_are_found_for_a_mocked_request() -> None:
    request = DummyRequest()
    request.registry.permission.user_principals.return_value = ["group"]

    assert authorization.groupfinder("bob", request) == ["group"]
    assert authorization.groupfinder("bob", request) == ["group"]
    assert request.registry.permission.user_principals.call_count == 1


@pytest.mark.clause("P-14.2", "P-31.1")
def test_a_model_takes_mocked_backends() -> None:
    model = ShareableModel(storage=mock.MagicMock(), collection_id="thing")
    model.storage.create.return_value = {"id": "a", "last_modified": 1}  # type: ignore[attr-defined]
    model.permission = mock.MagicMock()
    model.permission.object_permissions.return_value = {"read": {"alice"}}
    model.get_permission_object_id = mock.MagicMock(return_value="/things/a")
    model.current_principal = "bob"

    created = model.create_record({"name": "a", "__permissions__": {"read": ["alice"]}})

    assert created["__permissions__"]["read"] == {"alice"}
    model.permission.add_principal_to_ace.assert_called_with("/things/a", "write", "bob")


@pytest.mark.clause("P-31.1")
def test_arguments_of_a_dummy_request_win_over_its_defaults() -> None:
    request = DummyRequest(method="put", path="/v1/buckets", matchdict={"id": "a"})

    assert (request.method, request.path, request.matchdict) == ("put", "/v1/buckets", {"id": "a"})
