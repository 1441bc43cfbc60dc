"""What applications import, and what their tests replace."""

import importlib
import random
from typing import Any
from unittest import mock

import pytest

import cliquet
from cliquet import resource, utils
from cliquet.testing.web import basic_auth, make_app


@pytest.mark.clause("P-1.2")
@pytest.mark.parametrize("name", cliquet.__all__)
def test_the_package_has_its_public_names(name: str) -> None:
    assert getattr(cliquet, name) is not None


@pytest.mark.clause("P-1.2")
def test_public_names_are_those_of_their_modules() -> None:
    from cliquet import initialization, logs
    from cliquet.web import service

    assert cliquet.PROTOCOL_VERSION == "2"
    assert cliquet.initialize is initialization.initialize
    assert cliquet.Service is service.Service
    assert cliquet.logger is logs.logger
    assert cliquet.follow_subrequest is utils.follow_subrequest
    assert cliquet.current_service is utils.current_service
    assert cliquet.current_resource_name is utils.current_resource_name


MODULES = """
initialization utils errors events logs listeners authentication authorization resource
resource.model resource.schema resource.viewset schema storage storage.exceptions
storage.generators storage.memory cache cache.memory permission permission.memory views.batch
views.errors views.heartbeat views.hello tests.support tests.testapp
"""


@pytest.mark.clause("P-1.3", "P-31")
@pytest.mark.parametrize("name", MODULES.split())
def test_published_modules_can_be_imported(name: str) -> None:
    assert importlib.import_module(f"cliquet.{name}")


@pytest.mark.clause("P-1.4")
@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "cliquet.resource",
            """register register_resource UserResource ShareableResource BaseResource
            ProtectedResource Model ShareableModel ViewSet ShareableViewSet ResourceSchema Filter
            Sort COMPARISON""",
        ),
        ("cliquet.resource.model", "Model ShareableModel ProtectedModel"),
        ("cliquet.resource.viewset", "ViewSet ShareableViewSet ProtectedViewSet CONTENT_TYPES"),
        ("cliquet.resource.schema", "ResourceSchema PermissionsSchema TimeStamp URL"),
        ("cliquet.storage", "StorageBase Filter Sort heartbeat DEFAULT_ID_FIELD"),
        ("cliquet.initialization", "EventActionFilter EventResourceFilter setup_listeners"),
        ("cliquet.utils", "COMPARISON DeprecatedMeta build_request build_response json"),
    ],
)
def test_published_modules_have_their_names(module: str, names: str) -> None:
    imported = importlib.import_module(module)

    assert [name for name in names.split() if not hasattr(imported, name)] == []


@pytest.mark.clause("P-34.31")
def test_the_operators_are_the_same_everywhere() -> None:
    from cliquet import storage

    assert resource.COMPARISON is utils.COMPARISON
    assert resource.Filter is storage.Filter
    assert resource.Sort is storage.Sort


class Mushroom(resource.UserResource):
    pass


@pytest.mark.clause("P-35.19")
def test_the_clock_is_looked_up_at_each_call() -> None:
    app = make_app([Mushroom])
    # Far ahead, where the present time cannot have got.
    with mock.patch("cliquet.utils.msec_time", return_value=9_000_000_000_000):
        response = app.post_json("/v0/mushrooms", {"data": {}}, headers=basic_auth())

    assert response.json["data"]["last_modified"] == 9_000_000_000_000


@pytest.mark.clause("P-35.19")
def test_the_current_service_is_looked_up_at_each_call() -> None:
    request = mock.MagicMock()
    service = mock.MagicMock()
    service.viewset.get_name.return_value = "puffball"
    with mock.patch("cliquet.utils.current_service", return_value=service, create=True):
        name = utils.current_resource_name(request)

    assert name == "puffball"


@pytest.mark.clause("P-35.19")
def test_the_service_class_of_resources_is_looked_up_at_each_registration() -> None:
    made = []

    class Recording(cliquet.Service):
        def __init__(self, name: Any, *args: Any, **kwargs: Any) -> None:
            made.append(name)
            super().__init__(name, *args, **kwargs)

    with mock.patch("cliquet.resource.Service", Recording):
        make_app([Mushroom])

    assert made == ["mushroom-collection", "mushroom-record"]


@pytest.mark.clause("P-35.19")
@pytest.mark.parametrize(("drawn", "method"), [(0.1, "delete_all"), (0.9, "create")])
def test_chance_in_the_heartbeat_of_the_storage_is_looked_up_at_each_call(
    drawn: float, method: str
) -> None:
    from cliquet import storage

    backend = mock.MagicMock()
    request = mock.MagicMock(headers={})
    request.registry.settings = {"readonly": False}
    assert storage.random is random

    with mock.patch("cliquet.storage.random.random", return_value=drawn):
        storage.heartbeat(backend)(request)

    assert getattr(backend, method).called


@pytest.mark.clause("P-35.19")
def test_the_logger_of_the_storage_is_looked_up_at_each_call() -> None:
    from cliquet import storage

    backend = mock.MagicMock()
    backend.delete_all.side_effect = backend.create.side_effect = ValueError
    request = mock.MagicMock(headers={})
    request.registry.settings = {"readonly": False}

    with mock.patch("cliquet.storage.logger") as logger:
        is_well = storage.heartbeat(backend)(request)

    assert is_well is False
    assert logger.exception.called
