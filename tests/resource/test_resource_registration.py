"""From a class to its two services."""

import gc
import types
import weakref
from typing import Any

import colander
import cornice.service
import pytest
from pyramid.exceptions import ConfigurationConflictError, ConfigurationError
from testapp import Mushroom, Psilo
from webtest import TestApp

from cliquet import resource
from cliquet.storage.generators import UUID4, Generator
from cliquet.testing.web import add_resource, basic_auth, make_app

HEADERS = basic_auth()
UUID = "6f0fb0a8-2f4e-4c1a-9f3c-0b1c2d3e4f50"


@resource.register()
class Fern(resource.UserResource):
    """Registered by the decorator."""


@resource.register(name="mosses", collection_path="/moss", record_path="/moss/{{id}}")
class Moss(resource.UserResource):
    """Registered by the decorator, with keywords."""


class Algae(resource.UserResource):
    """Registered by a plug-in, for the module that called it."""


class Seaweed(resource.UserResource):
    """Registered by a plug-in, for the plug-in's module."""


PLUGIN = {"__name__": "plugin_of_these_tests", "resource": resource}
exec(
    "def register(resource_cls, depth):\n"
    "    resource.register_resource(resource_cls, settings={'ignored': 1}, depth=depth)\n",
    PLUGIN,
)
PLUGIN["register"](Algae, depth=2)  # type: ignore[operator]
PLUGIN["register"](Seaweed, depth=1)  # type: ignore[operator]


def serve_this_module(config: Any) -> None:
    config.scan(__name__)


def services(app: TestApp) -> list[Any]:
    """Return the services of the resources of an application, in order of registration."""
    registered = app.app.registry.cornice_services.values()
    return [service for service in registered if hasattr(service, "viewset")]


@pytest.mark.clause("P-8.1", "P-8.2")
def test_the_decorator_returns_the_class_and_serves_it_once_its_module_is_scanned() -> None:
    unscanned = make_app()
    scanned = make_app(configure=serve_this_module)

    assert issubclass(Fern, resource.UserResource)
    unscanned.get("/v0/ferns", headers=HEADERS, status=404)
    scanned.get("/v0/ferns", headers=HEADERS, status=200)


@pytest.mark.clause("P-8.1", "P-8.3")
def test_keywords_of_the_decorator_are_those_of_the_viewset() -> None:
    app = make_app(configure=serve_this_module)

    app.get("/v0/moss", headers=HEADERS, status=200)
    app.get("/v0/mosss", headers=HEADERS, status=404)
    assert "mosses-collection" in [service.name for service in services(app)]


@pytest.mark.clause("P-8.2")
def test_depth_says_which_module_is_scanned_for_the_class() -> None:
    app = make_app(configure=serve_this_module)

    app.get("/v0/algaes", headers=HEADERS, status=200)
    app.get("/v0/seaweeds", headers=HEADERS, status=404)


@pytest.mark.clause("P-8.2")
def test_register_resource_returns_the_callback_that_the_scan_runs() -> None:
    class Lone(resource.UserResource):
        pass

    callback = resource.register_resource(Lone, {"settings": "are ignored"})

    def configure(config: Any) -> None:
        callback(types.SimpleNamespace(config=config), "Lone", Lone)

    make_app(configure=configure).get("/v0/lones", headers=HEADERS, status=200)


@pytest.mark.clause("P-8.3")
def test_keywords_make_the_default_viewset_of_the_class() -> None:
    made = []

    class Recorded(resource.ViewSet):
        def __init__(self, **kwargs: Any) -> None:
            made.append(kwargs)
            super().__init__(**kwargs)

    class Plant(resource.UserResource):
        default_viewset = Recorded

    app = make_app([(Plant, {"collection_methods": ("GET",), "name": "green"})])

    assert made == [{"collection_methods": ("GET",), "name": "green"}]
    assert all(isinstance(service.viewset, Recorded) for service in services(app))


@pytest.mark.clause("P-8.3")
@pytest.mark.parametrize("kwargs", [{}, {"name": "green"}])
def test_a_viewset_that_is_given_is_updated_with_the_keywords(kwargs: dict[str, Any]) -> None:
    updates = []

    class Recorded(resource.ViewSet):
        def update(self, **kwargs: Any) -> None:
            updates.append(kwargs)
            super().update(**kwargs)

    viewset = Recorded()
    updates.clear()

    class Plant(resource.UserResource):
        pass

    make_app([(Plant, {"viewset": viewset, **kwargs})])

    assert updates == [kwargs]


@pytest.mark.clause("P-8.4", "S-11.4")
def test_without_storage_a_resource_cannot_be_served() -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app([Mushroom], settings={"storage_backend": ""})

    assert str(caught.value).startswith("Mandatory storage backend is missing from configuration. ")


@pytest.mark.clause("P-8.4", "P-8.7", "P-35.14", "P-15.8", "P-15.9")
def test_two_services_are_added_the_collection_first() -> None:
    class Described(resource.ViewSet):
        def get_service_arguments(self) -> dict[Any, Any]:
            return {**super().get_service_arguments(), "description": "All of them"}

    app = make_app([(Mushroom, {"viewset": Described()})])

    collection, record = services(app)
    assert (collection.name, collection.path) == ("mushroom-collection", "/mushrooms")
    assert (record.name, record.path) == ("mushroom-record", "/mushrooms/{id}")
    assert (collection.description, record.description) == ("All of them", "All of them")


@pytest.mark.clause("P-8.4")
def test_paths_are_formatted_with_the_name_of_the_resource() -> None:
    kwargs = {
        "name": "cap",
        "collection_path": "/{resource_name}/all",
        "record_path": "/{resource_name}/one/{{id}}",
    }
    app = make_app([(Psilo, kwargs)])

    app.put_json(f"/v0/cap/one/{UUID}", {"data": {}}, headers=HEADERS, status=201)

    assert len(app.get("/v0/cap/all", headers=HEADERS).json["data"]) == 1


@pytest.mark.clause("P-8.4")
@pytest.mark.parametrize(
    "variable", ["{forest_id}", "{}", "{0}", "{forest_id", "{resource_name.id}"]
)
@pytest.mark.parametrize("kind", ["collection", "record"])
def test_a_path_that_is_no_template_is_refused_with_the_way_to_write_it(
    kind: str, variable: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app([(Psilo, {f"{kind}_path": f"/forests/{variable}/psilos"})])

    message = str(caught.value)
    assert ": class Psilo: " in message
    assert f"'{kind}_path' of the resource 'psilo' is '/forests/{variable}/" in message
    assert "'/forests/{{forest_id}}/{resource_name}s/{{id}}'" in message


@pytest.mark.clause("P-8.5", "P-15.11", "P-15.13")
@pytest.mark.parametrize(
    ("kwargs", "settings", "refused"),
    [
        ({"collection_methods": ("GET",)}, {}, [("POST", ""), ("DELETE", "")]),
        ({"record_methods": ("GET", "PUT")}, {}, [("PATCH", "/x"), ("DELETE", "/x")]),
        ({}, {"collection_psilo_delete_enabled": "false"}, [("DELETE", "")]),
        ({}, {"record_psilo_patch_enabled": "false"}, [("PATCH", "/x")]),
        (
            {"name": "cap"},
            {"record_cap_delete_enabled": "false", "record_psilo_put_enabled": "false"},
            [("DELETE", "/x")],
        ),
        (
            {},
            {"readonly": "true", "collection_psilo_post_enabled": "true"},
            [("POST", ""), ("DELETE", ""), ("PUT", "/x"), ("PATCH", "/x"), ("DELETE", "/x")],
        ),
    ],
)
def test_methods_are_those_of_the_viewset_that_settings_leave_on(
    kwargs: dict[str, Any], settings: dict[str, Any], refused: list[Any]
) -> None:
    app = make_app([(Psilo, kwargs)], settings=settings)
    path = f"/v0/{kwargs.get('name', 'psilo')}s"

    every = [("GET", ""), ("POST", ""), ("DELETE", "")]
    every += [(method, "/x") for method in ("GET", "PUT", "PATCH", "DELETE")]
    statuses = {
        (method, end): app.request(
            f"{path}{end}", method=method, headers=HEADERS, expect_errors=True
        ).status_code
        for method, end in every
    }

    assert [key for key, status in statuses.items() if status == 405] == refused


@pytest.mark.clause("P-8.5", "P-15.7")
def test_views_are_the_methods_that_the_viewset_names() -> None:
    class Renamed(resource.ViewSet):
        def get_view(self, endpoint_type: Any, method: str) -> str:
            return f"my_{endpoint_type}_{method}"

    class Plant(resource.UserResource):
        def my_collection_get(self) -> dict[str, Any]:
            return {"mine": "collection"}

        def my_record_get(self) -> dict[str, Any]:
            return {"mine": "record"}

    kwargs = {"collection_methods": ("GET",), "record_methods": ("GET",)}
    app = make_app([(Plant, {"viewset": Renamed(), **kwargs})])

    assert app.get("/v0/plants", headers=HEADERS).json == {"mine": "collection"}
    assert app.get("/v0/plants/1", headers=HEADERS).json == {"mine": "record"}


@pytest.mark.clause("P-8.6")
def test_the_class_is_instantiated_for_each_request_without_context() -> None:
    made = []

    class Plant(resource.UserResource):
        def __init__(self, **kwargs: Any) -> None:
            made.append(kwargs)
            super().__init__(**kwargs)

        def collection_get(self) -> dict[str, Any]:
            return {"context": repr(self.context)}

    app = make_app([Plant])

    first = app.get("/v0/plants", headers=HEADERS)
    app.get("/v0/plants", headers=HEADERS)

    assert first.json == {"context": "None"}
    assert [kwargs.keys() for kwargs in made] == [{"request"}, {"request"}]
    assert made[0]["request"] is not made[1]["request"]


@pytest.mark.clause("P-8.6")
def test_the_class_gets_the_context_of_a_service_that_has_a_factory() -> None:
    class Context:
        def __init__(self, request: Any) -> None:
            self.word = "made by the factory"

    class WithFactory(resource.ViewSet):
        def get_service_arguments(self) -> dict[Any, Any]:
            return {**super().get_service_arguments(), "factory": Context}

    class Plant(resource.UserResource):
        def collection_get(self) -> dict[str, Any]:
            return {"context": self.context.word}

    app = make_app([(Plant, {"viewset": WithFactory()})])

    assert app.get("/v0/plants", headers=HEADERS).json == {"context": "made by the factory"}


@pytest.mark.clause("P-8.7")
def test_names_of_resources_are_unique() -> None:
    with pytest.raises(ConfigurationConflictError):
        make_app([Psilo, (Psilo, {"collection_path": "/caps", "record_path": "/caps/{{id}}"})])


@pytest.mark.clause("P-8.8")
def test_variables_of_paths_arrive_in_the_matchdict() -> None:
    class Plant(resource.UserResource):
        def get_parent_id(self, request: Any) -> Any:
            return request.matchdict["forest"]

    kwargs = {
        "collection_path": "/forests/{{forest}}/plants",
        "record_path": "/forests/{{forest}}/plants/{{id}}",
    }
    app = make_app([(Plant, kwargs)])

    app.put_json(f"/v0/forests/black/plants/{UUID}", {"data": {}}, headers=HEADERS, status=201)

    app.get(f"/v0/forests/black/plants/{UUID}", headers=HEADERS, status=200)
    app.get(f"/v0/forests/green/plants/{UUID}", headers=HEADERS, status=404)


@pytest.mark.clause("P-34.14")
def test_registration_leaves_the_shared_schema_alone() -> None:
    class OptionalSchema(resource.ResourceSchema):
        size = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    class Plant(resource.UserResource):
        mapping = OptionalSchema()

    before = dict(vars(Plant.mapping))

    app = make_app([Plant, (Plant, {"name": "other"})])
    app.post_json("/v0/plants", {"data": {"size": 1}}, headers=HEADERS, status=201)

    assert vars(Plant.mapping) == before
    assert Plant.mapping.name == ""
    assert Plant.mapping.required


@pytest.mark.clause("P-34.14")
def test_registration_leaves_a_shared_viewset_alone() -> None:
    viewset = resource.ViewSet(collection_methods=("GET",))

    app = make_app(
        [
            (Mushroom, {"viewset": viewset, "name": "cep", "record_methods": ("GET",)}),
            (Psilo, {"viewset": viewset}),
        ]
    )

    assert vars(viewset) == {"collection_methods": ("GET",)}
    app.get("/v0/ceps", headers=HEADERS, status=200)
    app.get("/v0/psilos", headers=HEADERS, status=200)
    app.put_json(f"/v0/psilos/{UUID}", {"data": {}}, headers=HEADERS, status=201)
    app.put_json(f"/v0/ceps/{UUID}", {"data": {"name": "a"}}, headers=HEADERS, status=405)


@pytest.mark.clause("P-34.15", "P-15.10")
@pytest.mark.parametrize(
    ("class_name", "path"),
    [
        (None, "/v0/plants"),
        ("herb", "/v0/herbs"),
        (property(lambda self: "computed"), "/v0/plants"),
        (lambda self: "called", "/v0/plants"),
    ],
    ids=["none", "text", "property", "method"],
)
def test_the_name_of_a_class_is_its_attribute_if_that_is_text(
    class_name: object, path: str
) -> None:
    attributes = {} if class_name is None else {"name": class_name}
    plant = type("Plant", (resource.UserResource,), attributes)

    app = make_app([plant])

    app.get(path, headers=HEADERS, status=200)


@pytest.mark.clause("P-34.15")
def test_the_name_of_a_viewset_class_is_honoured() -> None:
    class Named(resource.ViewSet):
        name = "herb"

    class Plant(resource.UserResource):
        default_viewset = Named

    make_app([Plant]).get("/v0/herbs", headers=HEADERS, status=200)


@pytest.mark.clause("P-15.10")
def test_the_name_given_at_registration_wins() -> None:
    class Plant(resource.UserResource):
        name = "herb"

    make_app([(Plant, {"name": "weed"})]).get("/v0/weeds", headers=HEADERS, status=200)


# Generators of ids


@pytest.mark.clause("P-18.1")
def test_a_generator_of_one_s_own_has_the_generic_pattern_and_keeps_its_config() -> None:
    class Numbers(Generator):
        count = 0

        def __call__(self) -> str:
            self.count += 1
            return f"n{self.count}"

    generator = Numbers(config="kept")

    assert generator.config == "kept"
    assert Numbers().config is None
    assert Generator.regexp == "^[a-zA-Z0-9][a-zA-Z0-9_-]*$"
    assert generator() == "n2"
    assert generator.match("a_B-9")
    assert not generator.match("a b")
    assert not generator.match("-a")


@pytest.mark.clause("P-18.1")
def test_the_base_generator_makes_no_id() -> None:
    with pytest.raises(NotImplementedError):
        Generator()


@pytest.mark.clause("P-18.2")
def test_a_generator_refuses_to_start_when_its_ids_do_not_match() -> None:
    class Careless(Generator):
        regexp = "^[0-9]+$"

        def __call__(self) -> str:
            return "12a"

    with pytest.raises(AssertionError):
        Careless()


@pytest.mark.clause("P-18.3")
def test_the_default_generator_makes_uuids() -> None:
    generator = UUID4()

    made = generator()

    assert made == made.lower()
    assert made[14] == "4"
    assert generator.match(made)
    assert generator.match("c232ab00-9414-11ec-b3c8-9f6bdeced846")
    assert not generator.match(made.upper())
    assert not generator.match(made.replace("-", ""))


@pytest.mark.clause("P-34.16")
@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\x00"])
def test_generators_match_whole_texts(end: str) -> None:
    class Slugs(Generator):
        def __call__(self) -> str:
            return "slug"

    for generator in (UUID4(), Slugs()):
        made = generator()
        assert generator.match(made)
        assert not generator.match(made + end)


@pytest.mark.clause("P-18.4")
def test_the_generator_of_the_application_makes_and_judges_ids() -> None:
    class Numbers(Generator):
        regexp = "^[0-9]+$"
        count = 100

        def __call__(self) -> str:
            self.count += 1
            return str(self.count)

    def configure(config: Any) -> None:
        config.registry.id_generator = Numbers()
        add_resource(config, Psilo)

    app = make_app(configure=configure)

    created = app.post_json("/v0/psilos", {"data": {}}, headers=HEADERS).json["data"]
    app.get("/v0/psilos/12", headers=HEADERS, status=404)
    refused = app.get(f"/v0/psilos/{UUID}", headers=HEADERS, status=400)

    assert created["id"] == "102"
    assert refused.json["details"] == [
        {"location": "path", "name": None, "description": "Invalid record id"}
    ]


def test_a_class_keeps_no_application_that_served_it() -> None:
    known = len(cornice.service.SERVICES)
    app = make_app([Mushroom])
    app.get("/v0/mushrooms", headers=HEADERS)
    registry = weakref.ref(app.app.registry)

    # Cornice keeps all services that there ever were.
    del app, cornice.service.SERVICES[known:]
    gc.collect()

    assert registry() is None
