"""The helpers that test suites of applications and plug-ins import, used as they use them."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pyramid.authorization import Authenticated
from pyramid.config import Configurator
from servers.starting import run_program

from cliquet import events, resource
from cliquet.authorization import AuthorizationPolicy
from cliquet.errors import ERRORS
from cliquet.tests import support, testapp
from cliquet.tests.support import (
    DEFAULT_SETTINGS,
    BaseWebTest,
    DummyRequest,
    FormattedErrorMixin,
    authorize,
    get_request_class,
    unittest,
)

pytestmark = pytest.mark.clause("P-31", "P-31.1", "P-35.16")


class MushroomTest(BaseWebTest, FormattedErrorMixin, unittest.TestCase):
    """A test case in the style of published plug-ins."""

    def setUp(self) -> None:
        # Published suites do not call their parent's.
        self.record = self.app.post_json(
            self.collection_url, {"data": {"name": "bolete"}}, headers=self.headers
        ).json["data"]

    def get_app_settings(self, additional_settings: Any = None) -> Any:
        app_settings = super().get_app_settings(additional_settings)
        app_settings["paginate_by"] = 7
        return app_settings

    def test_paths_need_no_version(self) -> None:
        found = self.app.get(self.get_item_url(), headers=self.headers).json

        assert found["data"] == self.record

    def test_the_path_of_a_given_record(self) -> None:
        assert self.get_item_url("abc") == "/mushrooms/abc"

    def test_backends_are_those_of_the_application(self) -> None:
        assert self.storage is self.app.app.registry.storage
        assert self.cache is self.app.app.registry.cache
        assert self.permission is self.app.app.registry.permission
        assert self.storage.get("mushroom", self.principal, self.record["id"]) == self.record

    def test_another_application_takes_the_place_of_the_first(self) -> None:
        before = self.storage
        self.app = self.make_app({"readonly": True})

        assert self.storage is not before
        self.app.post_json(self.collection_url, {}, headers=self.headers, status=405)

    def test_settings_can_be_changed(self) -> None:
        assert self.app.app.registry.settings["paginate_by"] == 7

    def test_errors_are_checked(self) -> None:
        response = self.app.get("/unknown", status=404)

        self.assertFormattedError(response, 404, ERRORS.MISSING_RESOURCE, "Not Found")
        self.assertFormattedError(response, 404, 111, "Not Found", "could not be found")
        for wrong in (
            (400, 111, "Not Found"),
            (404, ERRORS.BACKEND, "Not Found"),
            (404, 111, "Missing"),
            (404, 111, "Not Found", "another message"),
            (404, 111, "Not Found", None, "an info"),
        ):
            with pytest.raises(AssertionError):
                self.assertFormattedError(response, *wrong)

    def test_a_configurator_may_be_prepared(self) -> None:
        seen = []
        config = Configurator(settings={"project_docs": "http://docs", "readonly": "no"})
        config.add_subscriber(seen.append, events.ResourceChanged)
        app = self.make_app({"readonly": True, "paginate_by": 3}, config=config)

        app.post_json(self.collection_url, {"data": {"name": "a"}}, headers=self.headers)

        assert len(seen) == 1
        assert config.get_settings()["paginate_by"] == 7

    def test_the_policy_can_be_made_to_refuse_users(self) -> None:
        with authorize(permits=False):
            self.app.get(self.collection_url, headers=self.headers, status=403)

        self.app.get(self.collection_url, headers=self.headers, status=200)

    def test_the_policy_can_be_made_to_accept_anybody(self) -> None:
        self.app.get("/toadstools/abc", headers=self.headers, status=403)

        with authorize():
            self.app.get("/toadstools", headers=self.headers, status=200)

    @authorize(permits=False, authz_class="cliquet.authorization.AuthorizationPolicy")
    def test_a_decorated_test_takes_no_argument_more(self) -> None:
        self.app.get(self.collection_url, headers=self.headers, status=403)


def test_a_policy_may_be_given_as_a_class() -> None:
    class Policy(AuthorizationPolicy):
        pass

    with authorize(permits=True, authz_class=Policy):
        assert Policy().permits(None, [], "private") is True
        assert AuthorizationPolicy().permits(None, [], "private") is False

    assert Policy().permits(None, [Authenticated], "private") is True
    assert Policy().permits(None, [], "private") is False


@pytest.mark.parametrize(
    ("prefix", "path", "url"),
    [
        ("v1", "/mushrooms?a=/v1/", "http://localhost/v1/mushrooms?a=/v1/"),
        ("v1", "/v1/mushrooms", "http://localhost/v1/mushrooms"),
        ("v1", "/v1", "http://localhost/v1"),
        ("v1", "/v10/mushrooms", "http://localhost/v1/v10/mushrooms"),
        ("v1", "http://localhost/v1/a?_token=b", "http://localhost/v1/a?_token=b"),
        ("", "/mushrooms", "http://localhost/mushrooms"),
        (None, "/mushrooms", "http://localhost/mushrooms"),
    ],
)
def test_requests_get_the_version(prefix: str | None, path: str, url: str) -> None:
    assert get_request_class(prefix).blank(path).url == url


def test_classes_of_different_versions_do_not_mix() -> None:
    one, two = get_request_class("v1"), get_request_class("v2")

    assert one.blank("/a").path == "/v1/a"
    assert two.blank("/a").path == "/v2/a"


def test_a_dummy_request_has_the_attributes_of_a_request() -> None:
    request = DummyRequest()

    assert request.prefixed_userid == "basicauth:bob"
    assert request.registry.settings == DEFAULT_SETTINGS
    assert request.registry.settings is not DummyRequest().registry.settings
    assert (request.headers, request.GET, request.matchdict) == ({}, {}, {})
    assert (request.validated, request.json, request.response.headers) == ({}, {}, {})
    request.errors.add("body", "name", "missing")
    assert len(request.errors) == 1
    assert not isinstance(request.anything, DummyRequest)
    assert request.route_url("hello") == "http://localhost/v0/hello"


def test_a_resource_takes_a_dummy_request() -> None:
    class Mushroom(resource.UserResource):
        pass

    request = DummyRequest()
    request.headers["Authorization"] = "Basic abc"
    request.registry.storage.get.return_value = {"id": "a", "last_modified": 3}
    request.matchdict["id"] = "5c1a5ba7-7d2b-4a7b-8a2b-5ba77d2b4a7b"
    request.json = {"data": {"name": "b"}}
    mushroom = Mushroom(request)

    body = mushroom.get()

    assert body == {"data": {"id": "a", "last_modified": 3}}
    assert request.response.headers["ETag"] == '"3"'
    assert request.registry.storage.get.call_args.kwargs == {
        "collection_id": "mushroom",
        "parent_id": "basicauth:bob",
        "object_id": "5c1a5ba7-7d2b-4a7b-8a2b-5ba77d2b4a7b",
        "id_field": "id",
        "modified_field": "last_modified",
        "auth": "Basic abc",
    }
    assert request.notify_resource_event.called
    assert mushroom._body_data() == {"name": "b"}


@pytest.mark.parametrize("name", ["toadstool", "moisture", "psilo", "spore"])
def test_the_sample_application_shares_four_resources(name: str) -> None:
    app = BaseWebTest().make_app({f"{name}_create_principals": "system.Authenticated"})

    created = app.post_json(
        f"/{name}s", {"data": {"name": "a"}}, headers=BaseWebTest().headers, status=201
    )

    assert created.json["permissions"] == {"write": [BaseWebTest.principal]}


def test_the_sample_application_takes_settings_as_paste_gives_them() -> None:
    application = testapp.main({"here": "/tmp"}, **BaseWebTest().get_app_settings())

    assert application.registry.route_prefix == "v0"


def test_the_published_module_has_the_published_names() -> None:
    assert set(support.__all__) == {
        "BaseWebTest",
        "DEFAULT_SETTINGS",
        "DummyRequest",
        "FormattedErrorMixin",
        "authorize",
        "get_request_class",
        "unittest",
    }


@pytest.mark.usefixtures("processes")
def test_what_only_tests_need_is_not_imported_by_the_library() -> None:
    code = (
        "import sys, cliquet.initialization, cliquet.resource, cliquet.schema;"
        "print({'webtest', 'unittest.mock', 'cliquet.testing'} & set(sys.modules))"
    )
    run = run_program(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert run.stdout.strip() == "set()"
