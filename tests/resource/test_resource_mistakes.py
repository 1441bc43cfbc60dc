"""Mistakes in resource classes and their registration: each is met at the start, and named."""

from collections.abc import Callable
from typing import Any

import colander
import pytest
from colander import Schema, SchemaNode
from pyramid.exceptions import ConfigurationError
from support.mistakes import NameSchema, Plant, Shared, doubts, place, refusal
from support.shared_apps import make_app

from cliquet import resource
from cliquet.testing.web import add_resource, basic_auth

HEADERS = basic_auth()


class OpenSchema(resource.ResourceSchema):
    class Options:
        preserve_unknown = True


# Registration

KEYWORDS = [
    ({"colection_path": "/moss"}, "no keyword 'colection_path'; allowed: ", "'collection_path'"),
    ({"nane": "moss"}, "no keyword 'nane'; allowed: ", "'name'"),
    ({"methods": ("GET",)}, "no keyword 'methods'; allowed: ", "'record_methods'"),
    (
        {"factory": object},
        "no keyword 'factory'; allowed: ",
        "service_arguments={'factory': ...}",
    ),
    ({"name": 5}, "name is 5; allowed: a text.", None),
    ({"collection_methods": "GET"}, "is the text 'GET'; allowed: a tuple, as in ('GET',).", None),
    ({"readonly_methods": "GET"}, "is the text 'GET'; allowed: a tuple, as in ('GET',).", None),
    ({"validate_schema_for": "PUT"}, "is the text 'PUT'; allowed: a tuple", None),
    (
        {"record_methods": ("GET", "PTACH")},
        "record_methods has 'PTACH', and the class has no method ptach(); allowed: GET, PUT, "
        "PATCH, DELETE, and methods that the class has",
        "'PATCH'",
    ),
    ({"viewset": resource.ViewSet}, "is the class ViewSet; allowed: an instance", None),
    ({"viewset": resource.ViewSet(nane="x")}, "no keyword 'nane'; allowed: ", "'name'"),
    ({"collection_path": "/moss"}, "record_path was not given, so that it is '/plants/{id}'", None),
    ({"record_path": "/moss/{{id}}"}, "collection_path was not given, so that it is", None),
    (
        {"collection_path": "/moss", "record_path": "/moss/{{name}}"},
        "record_path is '/moss/{{name}}'; allowed: a path with {{id}}, as in '/moss/{{id}}'.",
        None,
    ),
    (
        {"collection_path": "/f/{forest}/moss", "record_path": "/f/{{forest}}/moss/{{id}}"},
        "variables of the URL are written with doubled braces",
        None,
    ),
]


@pytest.mark.clause("E-8.3")
@pytest.mark.parametrize(("kwargs", "said", "meant"), KEYWORDS)
def test_a_wrong_registration_is_refused(
    kwargs: dict[str, Any], said: str, meant: str | None
) -> None:
    message = refusal(Plant, **kwargs)

    assert message.startswith(place(Plant))
    assert said in message
    assert ("did you mean" in message) == (meant is not None)
    assert meant is None or message.endswith(f"; did you mean {meant}?")


@pytest.mark.clause("E-8.3")
def test_the_decorator_needs_its_parentheses() -> None:
    with pytest.raises(ConfigurationError) as caught:

        @resource.register  # type: ignore[arg-type]
        class Moss(resource.UserResource):
            pass

    said = str(caught.value)
    assert said.startswith(f"{__file__}:")
    assert said.endswith("Moss: register has no parentheses; allowed: @register().")


@pytest.mark.clause("E-8.3")
def test_only_a_class_of_a_resource_can_be_one() -> None:
    class Stone:
        pass

    def stone() -> None:
        pass

    assert "it has no default_viewset; allowed: a class that derives from" in refusal(Stone)
    assert f"{__file__}:" in refusal(stone)
    assert "allowed: a class that derives from UserResource" in refusal(stone)


@pytest.mark.clause("E-8.3", "P-15.1")
def test_attributes_and_methods_of_a_viewset_of_one_s_own_are_known_keywords() -> None:
    class Own(resource.ViewSet):
        colour = "green"

        def __init__(self, depth_of: int = 0, **kwargs: Any) -> None:
            super().__init__(**kwargs)

        def get_service_arguments(self) -> dict[str, Any]:
            return {"description": getattr(self, "told", ""), **self.__dict__.get("more", {})}

    class Moss(resource.UserResource):
        default_viewset = Own

    make_app([(Moss, {"colour": "red", "depth_of": 2, "told": "x", "more": {}})])

    assert "no keyword 'colours'" in refusal(Moss, colours="red")


@pytest.mark.clause("E-8.3")
@pytest.mark.parametrize(
    "kwargs",
    [
        {"collection_path": "/moss", "record_methods": ()},
        {"record_path": "/moss/{{id}}", "collection_methods": ()},
        {"collection_path": "/{resource_name}s", "record_path": "/{resource_name}s/{{id}}"},
        {"record_path": "/plants/one/{{id}}"},
        {"record_path": r"/plants/{{id:\d+}}"},
        {"record_delete_arguments": {"permission": "private"}, "default_head_arguments": {}},
    ],
)
def test_what_may_be_meant_is_allowed(kwargs: dict[str, Any]) -> None:
    make_app([(Plant, kwargs)])


# Two in one place


@pytest.mark.clause("E-8.4", "P-8.7")
@pytest.mark.parametrize(
    ("kwargs", "claim"),
    [
        ({"name": "plant", "collection_path": "/a", "record_path": "/a/{{id}}"}, "name 'plant'"),
        ({"name": "plant"}, "name 'plant'"),
        ({"collection_path": "/plants", "record_path": "/plants/{{id}}"}, "path '/v0/plants'"),
        ({"collection_path": "/plants", "record_path": "/a/{{id}}"}, "path '/v0/plants'"),
        ({"collection_path": "/a", "record_path": "/plants/{{id}}"}, "path '/v0/plants/{}'"),
    ],
)
def test_two_resources_in_one_place_are_both_named(kwargs: dict[str, Any], claim: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app([Plant, (Shared, kwargs)])

    message = str(caught.value)
    assert f"two resources have the {claim}" in message
    for cls in (Plant, Shared):
        # Each is named once, whatever else they have in common.
        assert message.count(place(cls).removesuffix(": ")) == 1
    assert message.count("For: ") == 1


@pytest.mark.clause("E-8.4")
def test_names_of_variables_do_not_make_two_paths() -> None:
    paths = [("/a/{{x}}/b", "/a/{{x}}/b/{{id}}"), ("/a/{{y}}/b", "/a/{{y}}/c/{{id}}")]
    kwargs = [
        {"name": f"r{i}", "collection_path": one, "record_path": two}
        for i, (one, two) in enumerate(paths)
    ]
    with pytest.raises(ConfigurationError, match=r"two resources have the path '/v0/a/\{\}/b'"):
        make_app([(Plant, kwargs[0]), (Shared, kwargs[1])])


@pytest.mark.clause("E-8.4")
def test_a_resource_of_a_plugin_gives_way_to_one_of_the_application() -> None:
    class Mine(resource.UserResource):
        name = "plant"
        mapping = OpenSchema()

    def configure(config: Any) -> None:
        config.include(lambda inner: add_resource(inner, Plant))
        add_resource(config, Mine)

    app = make_app(configure=configure)

    app.post_json("/v0/plants", {"data": {"size": 1}}, headers=HEADERS, status=201)


# Classes


def _resource(**attributes: Any) -> Callable[[], Any]:
    return lambda: type("Moss", (resource.UserResource,), attributes)


def process_record(self: Any, new: Any, old: Any = None) -> Any:
    return new


SCHEMAS = [
    ({"mapping": NameSchema}, "mapping is the class NameSchema; allowed: an instance, as in"),
    ({"mapping": {"name": str}}, "mapping is {'name': <class 'str'>}; allowed: an instance of"),
    ({"mapping": None}, "mapping is None; allowed: an instance of ResourceSchema, of"),
    (
        {"mapping": colander.SchemaNode(colander.String())},
        "mapping is a schema of the type String; allowed: a Mapping.",
    ),
    ({"schema": NameSchema()}, "mapping is missing, and the schema Moss.schema is not used; "),
    ({"Schema": NameSchema}, "is not used; allowed: mapping = Schema()."),
    (
        {"title": colander.SchemaNode(colander.String())},
        "Moss.title is a field outside of a schema; allowed: fields in a class that derives from",
    ),
    ({"default_viewset": resource.ViewSet()}, "; allowed: a class."),
    ({"default_model": "Model"}, "default_model is 'Model'; allowed: a class."),
    ({"Options": object}, "Moss.Options has no effect; allowed: the class Options within"),
]


@pytest.mark.clause("E-8.5")
@pytest.mark.parametrize(("attributes", "said"), SCHEMAS)
def test_what_is_no_schema_is_refused(attributes: dict[str, Any], said: str) -> None:
    message = refusal(type("Moss", (resource.UserResource,), attributes))

    assert ": class Moss: " in message
    assert said in message


def schema_with(**options: Any) -> Any:
    return type("MossSchema", (NameSchema,), {"Options": type("Options", (), options)})()


OPTIONS = [
    ({"unique_feilds": ("name",)}, "Options has no option 'unique_feilds'", "unique_fields"),
    ({"other_option": 1}, "allowed: gin_indexed_fields, indexed_fields, ", None),
    ({"unknown": "rase"}, "unknown is 'rase'; allowed: 'ignore' or 'raise', and preserve_", None),
    ({"unknown": True}, "unknown is True; allowed: 'ignore' or 'raise', and preserve_", None),
    ({"unknown": "raise", "preserve_unknown": True}, "allowed: one of the two.", None),
    ({"unique_fields": "name"}, "unique_fields is the text 'name'; allowed: a tuple", None),
    ({"readonly_fields": "name"}, "readonly_fields is the text 'name'; allowed: a tuple", None),
    ({"unique_fields": ("nmae",)}, "has 'nmae', which is no field; allowed: deleted, id,", "name"),
    ({"indexed_fields": ("size",)}, "has 'size', which is no field; allowed: ", None),
    ({"readonly_fields": ("nam",)}, "has 'nam', which is no field; allowed: ", "name"),
]


@pytest.mark.clause("E-8.6")
@pytest.mark.parametrize(("options", "said", "meant"), OPTIONS)
def test_wrong_options_are_refused(options: dict[str, Any], said: str, meant: str | None) -> None:
    message = refusal(type("Moss", (resource.UserResource,), {"mapping": schema_with(**options)}))

    assert "MossSchema: " in message
    assert said in message
    assert ("did you mean" in message) == (meant is not None)
    assert meant is None or message.endswith(f"; did you mean '{meant}'?")


@pytest.mark.clause("E-8.6")
def test_a_misspelt_class_of_options_is_refused_with_its_place() -> None:
    class MossSchema(NameSchema):
        class Option:
            unique_fields = ("name",)

    class Moss(resource.UserResource):
        mapping = MossSchema()

    message = refusal(Moss)

    assert f"{place(MossSchema)}Option has no effect" in message
    assert message.startswith(place(Moss))


@pytest.mark.clause("E-8.6")
@pytest.mark.parametrize(
    "attributes",
    [
        {"mapping": schema_with(unique_fields=("name",), _private=1)},
        {"mapping": schema_with(indexed_fields=("id", "last_modified", "name.first"))},
        {"mapping": schema_with(preserve_unknown=True, unique_fields=("anything",))},
        {"mapping": schema_with(indexed_fields=("words",)), "process_record": process_record},
    ],
)
def test_options_that_may_be_meant_are_allowed(attributes: dict[str, Any]) -> None:
    make_app([type("Moss", (resource.UserResource,), attributes)])


HOOKS = [
    ("maping", NameSchema(), "mapping"),
    ("proces_record", process_record, "process_record"),
    ("processRecord", process_record, "process_record"),
    ("get_parent_ids_", process_record, "get_parent_id"),
    ("postproces", process_record, "postprocess"),
    ("is_know_field", process_record, "is_known_field"),
    ("aply_changes", process_record, "apply_changes"),
    ("colection_get", process_record, "collection_get"),
    ("default_veiwset", resource.ViewSet, "default_viewset"),
    ("force_patch_updates_", True, "force_patch_update"),
    ("_extract_filter_", process_record, "_extract_filters"),
]


@pytest.mark.clause("E-8.7")
@pytest.mark.parametrize(("name", "value", "hook"), HOOKS)
def test_a_name_near_that_of_a_hook_is_refused(name: str, value: object, hook: str) -> None:
    moss = type("Moss", (Plant,), {name: value})

    message = refusal(moss)

    assert f"class Moss: {name} has no effect; allowed: " in message
    assert message.endswith(f"; did you mean '{hook}'?")


@pytest.mark.clause("E-8.7")
def test_the_place_of_a_misspelt_hook_is_that_of_its_class() -> None:
    class Mixin:
        def proces_record(self, new: Any, old: Any = None) -> Any:
            return new

    class Moss(Mixin, resource.UserResource):
        pass

    class Own(resource.ViewSet):
        def get_service_argument(self) -> dict[str, Any]:
            return {}

        colection_path = "/x"

    class Stored(resource.Model):
        def creat_record(self) -> None:
            pass

    class Fern(resource.UserResource):
        default_model = Stored

    assert f"{place(Mixin)}proces_record has no effect" in refusal(Moss)
    assert f"{place(Own)}colection_path has no effect" in refusal(Plant, viewset=Own())
    assert f"{place(Stored)}creat_record has no effect" in refusal(Fern)


@pytest.mark.clause("E-8.7")
def test_names_near_hooks_that_may_be_meant_are_allowed() -> None:
    class Moss(resource.UserResource):
        mapping = NameSchema()
        mappings_ = (NameSchema(),)

        def process_record(self, new: Any, old: Any = None) -> Any:
            return self._proces_record(new)

        def proces_record(self, new: Any) -> Any:
            return new

        _proces_record = proces_record

        def collection_put(self) -> Any:
            return {}

        def is_known_fields(self) -> Any:
            return getattr(self, "postproces")  # noqa: B009 - a name that is used as a text

        postproces = 1

        @property
        def get_parent(self) -> Any:
            return self.mappings_ or self.is_known_fields()

    assert doubts(Moss) == []


@pytest.mark.clause("E-8.8")
def test_doubts_are_told_with_their_place() -> None:
    class Moss(resource.UserResource):
        mapping = schema_with(indexed_fields=("words",))

        def process_record(self, new: Any, old: Any = None) -> Any:
            return {**new, "words": 1}

        def get_parent_ids(self) -> Any:
            return []

    told = doubts(Moss)

    assert [one.startswith(place(Moss)) for one in told] == [True, True]
    assert "indexed_fields has 'words', which is no field" in told[0]
    assert "get_parent_ids has no effect" in told[1]


# Schemas of colander


class PlainSchema(colander.MappingSchema):
    title = colander.SchemaNode(colander.String())
    size = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    def validator(self, node: Any, value: Any) -> None:
        if value["title"] == "bad":
            raise colander.Invalid(node["title"], "Too bad")


class StrictSchema(PlainSchema):
    class Options:
        unique_fields = ("title",)
        readonly_fields = ("size",)


@pytest.mark.clause("E-8.9")
@pytest.mark.parametrize("base", [resource.UserResource, resource.ShareableResource])
def test_a_plain_schema_of_colander_is_accepted(base: type) -> None:
    schema = StrictSchema()
    before = dict(vars(schema))
    moss = type("Moss", (base,), {"mapping": schema})
    app = make_app([moss], settings={"moss_create_principals": "system.Authenticated"})

    made = app.post_json(
        "/v0/mosss", {"data": {"title": "a", "size": "1", "x": 2}}, headers=HEADERS
    )
    uri = f"/v0/mosss/{made.json['data']['id']}"
    twice = app.post_json("/v0/mosss", {"data": {"title": "a"}}, headers=HEADERS, status=200)
    bad = app.post_json("/v0/mosss", {"data": {"title": "bad"}}, headers=HEADERS, status=400)
    app.patch_json(uri, {"data": {"size": 3}}, headers=HEADERS, status=400)
    found = app.get("/v0/mosss?title=a&min_size=1", headers=HEADERS).json["data"]

    assert {**made.json["data"], "id": 0, "last_modified": 0} == {
        "title": "a",
        "size": 1,
        "id": 0,
        "last_modified": 0,
    }
    assert twice.json["data"] == made.json["data"]
    assert "Too bad" in bad.json["message"]
    assert found == [made.json["data"]]
    assert vars(schema) == before
    assert isinstance(vars(moss)["mapping"], resource.ResourceSchema)


@pytest.mark.clause("E-8.9")
@pytest.mark.parametrize(
    "schema",
    [
        colander.MappingSchema(typ=colander.Mapping(unknown="preserve")),
        colander.SchemaNode(colander.Mapping(unknown="preserve")),
    ],
)
def test_a_plain_schema_keeps_unknown_members_if_it_says_so(schema: Schema | SchemaNode) -> None:
    app = make_app([type("Moss", (resource.UserResource,), {"mapping": schema})])

    made = app.post_json("/v0/mosss", {"data": {"x": {"y": 2}}}, headers=HEADERS).json["data"]

    assert made["x"] == {"y": 2}
    assert app.get("/v0/mosss?x.y=2", headers=HEADERS).json["data"] == [made]
