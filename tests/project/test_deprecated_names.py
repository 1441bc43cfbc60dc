"""Names of former releases: they work, and say what to use instead."""

import inspect
import warnings
from typing import Any

import colander
import pytest
from pyramid.config import Configurator
from support.shared_apps import make_app

import cliquet
import cliquet.schema
from cliquet import resource
from cliquet.resource import model, viewset
from cliquet.testing.support import DummyRequest
from cliquet.testing.web import MEMORY_BACKENDS


def _derive(base: Any) -> Any:
    """Return a subclass, defined with a warning."""
    with pytest.warns(DeprecationWarning, match="is deprecated") as caught:
        derived = type(base)("Derived", (base,), {})
    return derived, [str(warning.message) for warning in caught]


@pytest.mark.clause("P-32", "P-26.23")
@pytest.mark.parametrize(
    ("deprecated", "replacement"),
    [
        (resource.BaseResource, resource.UserResource),
        (resource.ProtectedResource, resource.ShareableResource),
        (model.ProtectedModel, model.ShareableModel),
        (viewset.ProtectedViewSet, viewset.ShareableViewSet),
    ],
    ids=lambda cls: cls.__name__,
)
def test_a_former_class_warns_whoever_derives_from_it(
    deprecated: type, replacement: type[Any]
) -> None:
    derived, messages = _derive(deprecated)

    assert issubclass(derived, replacement)
    assert messages == [f"{deprecated.__name__} is deprecated. Use {replacement.__name__} instead."]


@pytest.mark.clause("P-26.23")
def test_the_warning_points_at_the_class_that_derives() -> None:
    with pytest.warns(DeprecationWarning, match="BaseResource") as caught:

        class Old(resource.BaseResource):
            pass

    assert caught[0].filename == __file__
    assert caught[0].lineno == inspect.getsourcelines(Old)[1]


@pytest.mark.clause("P-32")
@pytest.mark.parametrize("base", [resource.BaseResource, resource.ProtectedResource])
def test_a_resource_of_a_former_class_is_served(base: type) -> None:
    derived, _ = _derive(base)
    app = make_app(
        [(derived, {"name": "old"})], settings={"old_create_principals": "system.Everyone"}
    )

    response = app.post_json(
        "/v0/olds", {"data": {}}, headers={"Authorization": "Basic bWF0OjE="}, status=201
    )

    assert set(response.json["data"]) == {"id", "last_modified"}


@pytest.mark.clause("P-17.9", "P-32")
def test_a_schema_at_its_former_address_warns_once_and_works() -> None:
    class FungusSchema(cliquet.schema.ResourceSchema):
        name = colander.SchemaNode(colander.String())

    with pytest.warns(DeprecationWarning, match="cliquet.schema") as caught:
        schema = FungusSchema()

    class Fungus(resource.UserResource):
        mapping = schema

    app = make_app([Fungus])
    response = app.post_json(
        "/v0/funguss", {"data": {"name": "a"}}, headers={"Authorization": "Basic bWF0OjE="}
    )

    assert [str(warning.message) for warning in caught] == [
        "cliquet.schema is now deprecated. Please use `cliquet.resource.schema` instead"
    ]
    assert caught[0].filename == __file__
    assert response.json["data"]["name"] == "a"
    assert isinstance(schema, resource.ResourceSchema)


@pytest.mark.clause("P-17.9")
def test_a_copy_of_a_former_schema_has_children_of_its_own() -> None:
    with pytest.warns(DeprecationWarning, match="cliquet.schema"):
        schema = cliquet.schema.ResourceSchema(
            colander.SchemaNode(colander.String(), name="name"),
        )

    copied = schema.clone()
    copied["name"].missing = "none"

    assert schema["name"].required


@pytest.mark.clause("P-9.10", "P-32")
def test_the_model_of_a_resource_under_its_former_name() -> None:
    mushrooms = resource.UserResource(DummyRequest())

    with pytest.warns(DeprecationWarning, match="collection") as caught:
        found = mushrooms.collection

    assert found is mushrooms.model
    assert [str(warning.message) for warning in caught] == [
        "``self.collection`` is now deprecated. Please use ``self.model`` instead"
    ]


@pytest.mark.clause("P-2.8", "P-32")
def test_initialize_under_its_former_name() -> None:
    config = Configurator(settings=dict(MEMORY_BACKENDS))

    with pytest.warns(DeprecationWarning, match="initialize") as caught:
        cliquet.initialize_cliquet(config, version="1.2.3", project_name="old")

    assert [str(warning.message) for warning in caught] == [
        'cliquet.initialize_cliquet is now deprecated. Please use "cliquet.initialize" instead'
    ]
    assert config.get_settings()["http_api_version"] == "1.2"
    assert config.route_prefix == "v1"


@pytest.mark.clause("P-32")
def test_present_names_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Mushroom(resource.ShareableResource):
            default_model = type("M", (model.ShareableModel,), {})
            default_viewset = type("V", (viewset.ShareableViewSet,), {})
            mapping = resource.ResourceSchema()

    assert Mushroom.default_model.permissions_field == "__permissions__"  # type: ignore[attr-defined]


@pytest.mark.clause("P-32.1")
@pytest.mark.parametrize(
    "name", ["storage_pool_maxconn", "basic_auth_enabled", "sentry_url", "session_backend"]
)
def test_settings_removed_long_before_are_not_there(name: str) -> None:
    assert name not in cliquet.DEFAULT_SETTINGS
    assert not hasattr(resource, "crud")
